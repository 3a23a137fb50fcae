/**
 * A site [128] is reached only through a site adapter. This is the interface that every adapter fulfils; `src/sites/registry.ts`
 * lists those that exist. The canonical model of a service is in `machines/service/model.ts`.
 */
import type { Operation, OperationName } from '../../machines/service/operation.ts'
import type { SiteConfiguration } from '../../machines/service/model.ts'

/** I9: what the site itself does with the fencing token. */
export type FencingClass =
  /** Refuses a lower token, and does not begin a higher one while a call of a lower one runs (P22). */
  | 'enforced'
  /** Keeps the token with the change, compares nothing. */
  | 'recorded'
  /** Knows nothing of tokens. */
  | 'none'

/** Fencing token (DESIGN §2): compared within `scope` (P22), first by incarnation, then by revision. */
export interface FencingToken {
  readonly scope: string
  readonly incarnation: number
  readonly revision: number
}

export interface SiteCall {
  readonly service: string
  readonly operation: Operation
  readonly token: FencingToken
  /** Of (group, job), not of the token: survives a new grant (I9). */
  readonly idempotencyKey: string
  /** Wall-clock end of this call, for sites that can keep it (P23); integer milliseconds since the Unix epoch. */
  readonly deadlineMs: number
  /** Aborted at the deadline by the executor's monotonic clock. */
  readonly signal: AbortSignal
}

export type SiteResult =
  | { readonly kind: 'done' }
  /** It was so before; a success. */
  | { readonly kind: 'already' }
  /** The site said no, or it cannot be done; nothing was changed. */
  | { readonly kind: 'failed'; readonly reason: string; readonly code: SiteFailureCode }
  /** The site refused the token as too old. Nothing was changed. */
  | { readonly kind: 'fenced' }
  /** Not known whether it happened (aborted, connection lost in mid-call) and a read of the site does not settle it. */
  | { readonly kind: 'unknown'; readonly reason: string }

export type SiteFailureCode = 'no-such-service' | 'refused-by-site' | 'unsupported' | 'unreachable' | 'unauthorized' | 'invalid'

/** The site could not be read. `reason` is one line for a person. */
export class SiteUnreachable extends Error {
  override readonly name = 'SiteUnreachable'
  readonly retryable = true
}

/** What is on record about a site; secrets are references only (I10). */
export interface SiteRecord {
  readonly site: string
  readonly kind: string
  readonly address: string
  readonly region: string
}

export interface SiteConnection {
  /** The whole actual configuration, in the canonical model. Throws `SiteUnreachable`. */
  read(signal: AbortSignal): Promise<SiteConfiguration>
  /** Carries out one operation. Never throws for what a site may answer. */
  carryOut(call: SiteCall): Promise<SiteResult>
  close(): Promise<void>
}

export interface SiteAdapter {
  /** Kind of site, also the skill that an agent needs for it where `skill` is required. */
  readonly kind: string
  readonly fencing: FencingClass
  /** Whether its jobs need an agent with the skill `kind`, only benefit from one, or neither. */
  readonly skill: 'required' | 'preferred' | 'none'
  /** Operations that it can carry out; all others are `Unsupported` when a change is planned. */
  readonly operations: ReadonlySet<OperationName>
  /** Those of `operations` that may be repeated without harm, or carry the idempotency key. */
  readonly repeatable: ReadonlySet<OperationName>
  /** What holds at one address, where it differs from what this kind can at best. Pure; no I/O. Use `capabilitiesAt`. */
  capabilitiesAt?(address: string): SiteCapabilities
  /** One clear line when the address is malformed for this kind. */
  checkAddress(address: string): string | undefined
  /** Opens lazily; never throws for an unreachable site. */
  connect(record: SiteRecord): SiteConnection
}

export interface SiteCapabilities {
  readonly fencing: FencingClass
  readonly operations: ReadonlySet<OperationName>
}

/** Fencing class and operations of the site at `address`: what a change is planned with. */
export function capabilitiesAt(adapter: SiteAdapter, address: string): SiteCapabilities {
  return adapter.capabilitiesAt?.(address) ?? adapter
}
