/** Every site adapter there is, by its kind. */
import type { SiteAdapter } from './adapter.ts'
import { drillAdapter } from './drill/adapter.ts'
import { libvirtAdapter } from './libvirt/adapter.ts'
import { simulatedAdapter } from './simulated/adapter.ts'

/** Sorted by kind. */
export const adapters: readonly SiteAdapter[] = [drillAdapter, libvirtAdapter, simulatedAdapter]

export class UnknownSiteKind extends Error {
  override readonly name = 'UnknownSiteKind'
  readonly retryable = false
  readonly kind: string
  constructor(kind: string) {
    super(`unknown kind of site ${JSON.stringify(kind)}: use one of ${adapters.map((adapter) => adapter.kind).join(', ')}`)
    this.kind = kind
  }
}

/** Throws `UnknownSiteKind`. */
export function adapterOf(kind: string): SiteAdapter {
  const found = adapters.find((adapter) => adapter.kind === kind)
  if (!found) throw new UnknownSiteKind(kind)
  return found
}
