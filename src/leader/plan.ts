/** What one round of the leader procedure is going to do (FIG. 6): filled by comparing and placing, carried out by pushing. */
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { Configured, PushedConfiguration } from './configurations.ts'
import type { PlacedGroup } from './placing.ts'

export interface Plan {
  configurations: readonly PushedConfiguration[]
  /** That can be given something, as configured once this plan is pushed. */
  agents: readonly Configured[]
  mappings: { readonly lane: string; readonly agent: string }[]
  lost: { readonly agent: string; readonly instance: string }[]
  expiries: { readonly group: GroupState; readonly grant: number }[]
  toAssign: readonly GroupState[]
  assignments: readonly PlacedGroup[]
  /** The realm's format may rise. */
  rise: boolean
}

export function emptyPlan(): Plan {
  return { configurations: [], agents: [], mappings: [], lost: [], expiries: [], toAssign: [], assignments: [], rise: false }
}
