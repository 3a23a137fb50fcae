/** A site [128] in the scope of management. */
import { type Decision, happened, refused } from '../decision.ts'
import { total } from '../total.ts'

export type SiteEvent =
  | {
      readonly type: 'SiteAdded'
      readonly data: {
        readonly kind: string
        /** Never holds a secret (I10). */
        readonly address: string
        readonly region: string
        readonly fencing: 'enforced' | 'recorded' | 'none'
      }
    }
  | { readonly type: 'SiteRemoved'; readonly data: Record<string, never> }

export interface SiteState {
  readonly site: string
  revision: number
  managed: boolean
  kind: string
  address: string
  region: string
  fencing: 'enforced' | 'recorded' | 'none'
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

export function absentSite(site: string): SiteState {
  return { site, revision: 0, managed: false, kind: '', address: '', region: '', fencing: 'none', unknownType: null }
}

export const foldSite = total((state: SiteState, event: SiteEvent): void => {
  state.revision += 1
  switch (event.type) {
    case 'SiteAdded':
      state.managed = true
      state.kind = event.data.kind
      state.address = event.data.address
      state.region = event.data.region
      state.fencing = event.data.fencing
      return
    case 'SiteRemoved':
      state.managed = false
      return
    default: {
      const unknown: never = event
      state.unknownType ??= (unknown as { type: string }).type
    }
  }
})

export interface AddSite {
  readonly kind: string
  readonly address: string
  readonly region: string
  readonly fencing: 'enforced' | 'recorded' | 'none'
}

export function addSite(state: SiteState, command: AddSite): Decision<SiteEvent> {
  if (state.unknownType !== null) return refused('wrong-state', newer(state))
  if (state.managed) {
    return refused('exists', `site ${state.site} is there already (${state.kind}, ${state.address}); choose another id, or remove it first`)
  }
  return happened({
    type: 'SiteAdded',
    data: { kind: command.kind, address: command.address, region: command.region, fencing: command.fencing },
  })
}

/** `unfinished`: groups that still change this site; known only by the asker's projection, and costs only a courtesy. */
export function removeSite(state: SiteState, unfinished: readonly string[]): Decision<SiteEvent> {
  if (state.unknownType !== null) return refused('wrong-state', newer(state))
  if (!state.managed) return refused('unknown-site', `there is no site ${state.site}; "reeve site list" shows those that are`)
  if (unfinished.length > 0) {
    return refused('wrong-state', `site ${state.site} is still being changed by group ${unfinished[0]}${unfinished.length > 1 ? ` and ${unfinished.length - 1} more` : ''}; wait for it or cancel it first`)
  }
  return happened({ type: 'SiteRemoved', data: {} })
}

function newer(state: SiteState): string {
  return `site ${state.site} holds an event ${state.unknownType}, which this build does not know: use a newer build`
}
