/** How a call at a site ended, as far as the executor knows. */
import type { SiteFailureCode, SiteResult } from '../sites/adapter.ts'

export type CallResult = Exclude<SiteResult, { readonly kind: 'failed' | 'unknown' }> | Failed | Unknown

export interface Failed {
  readonly kind: 'failed'
  readonly reason: string
  readonly code: SiteFailureCode | 'adapter-error'
}

/** With how it came that nobody knows, where that was the adapter's fault. */
export interface Unknown {
  readonly kind: 'unknown'
  readonly reason: string
  readonly code?: 'adapter-error' | 'adapter-hangs'
}

const reasonLimit = 500

/** What an adapter threw, as a reason. */
export function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').slice(0, reasonLimit)
}
