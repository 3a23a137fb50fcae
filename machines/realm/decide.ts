/** What may be recorded of the realm after its founding: its format raised, quarantine begun and ended. */
import { cutText, textLimitBytes } from '../execution-group/limits.ts'
import { type Decision, happened, nothing, refused } from '../decision.ts'
import { type RealmEvent, type RealmState, type Restored, allowsFormat, formatTooOld, formatVersion } from './realm.ts'

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

/**
 * The first commit of an incarnation that was imported or restored. Nobody lives who does not know the newest format: whoever
 * writes this has seen that nobody is present.
 */
export function recordRestore(state: RealmState, restored: Restored, why: string): Decision<RealmEvent> {
  if (!state.founded) return refused('wrong-state', 'the log holds no founding of a realm: it is a part of a log, or not one of a realm')
  if (state.unknownType !== null) return refused('wrong-state', `the realm holds an event ${state.unknownType}, which this build does not know: use a newer build`)
  if (state.format > formatVersion) return refused('wrong-state', `the realm has format ${state.format}, this build knows ${formatVersion}: use a newer build`)
  const raised: readonly RealmEvent[] = allowsFormat(state, 2) ? [] : [{ type: 'FormatRaised', data: { format: 2 } }]
  const begun = beginQuarantine({ ...state, format: Math.max(state.format, 2) }, why)
  return happened<RealmEvent>(...raised, { type: 'RealmRestored', data: restored }, ...(begun.kind === 'events' ? begun.events : []))
}
