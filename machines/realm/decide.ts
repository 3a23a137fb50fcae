/** What may be recorded of the realm after its founding: its format raised, quarantine begun and ended. */
import { cutText, textLimitBytes } from '../execution-group/limits.ts'
import { type Decision, happened, nothing, refused } from '../decision.ts'
import { type RealmEvent, type RealmState, allowsFormat, formatTooOld } from './realm.ts'

/** Who asks has seen that everybody who lives knows the format. */
export function raiseFormat(state: RealmState, format: number): Decision<RealmEvent> {
  if (!state.founded) return refused('wrong-state', 'the realm is not founded yet')
  if (allowsFormat(state, format)) return nothing(`the realm has format ${state.format} already`)
  return happened<RealmEvent>({ type: 'FormatRaised', data: { format } })
}

/** `why` is said to everybody who asks why nothing is executed; cut to 2 KiB (P16). */
export function beginQuarantine(state: RealmState, why: string): Decision<RealmEvent> {
  if (!state.founded) return refused('wrong-state', 'the realm is not founded yet')
  if (!allowsFormat(state, 2)) return refused('format-too-old', formatTooOld(state.format, 2))
  if (state.quarantine !== null) return nothing(`the realm is in quarantine already (${state.quarantine.why})`)
  return happened<RealmEvent>({ type: 'QuarantineBegun', data: { why: cutText(why, textLimitBytes) } })
}

export function endQuarantine(state: RealmState): Decision<RealmEvent> {
  if (state.quarantine === null) return nothing('the realm is not in quarantine')
  return happened<RealmEvent>({ type: 'QuarantineEnded', data: {} })
}
