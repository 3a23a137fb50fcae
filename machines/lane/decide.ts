/** Who may write a lane, and what becomes of the commands that are sent to it (P1, P2, P15). */
import { type Decision, type Refusal, happened, nothing, refused } from '../decision.ts'
import { cutText, textLimitBytes } from '../execution-group/limits.ts'
import type { Reason } from '../execution-group/events.ts'
import type { RealmConstants } from '../realm/realm.ts'
import type { LaneArchive, LaneEvent } from './machine.ts'
import { type KnownCommand, type LaneState, stopsWriter } from './state.ts'

/** P1: whether the mapping names this agent is for the asker to know; the expectation of the append decides. */
export function takeLane(lane: LaneState, agent: string, instance: string): Decision<LaneEvent> {
  const why = stopsWriter(lane)
  if (why !== undefined) return refused('wrong-state', why)
  return happened({ type: 'LaneTaken', data: { agent, instance } })
}

export function releaseLane(lane: LaneState, agent: string, instance: string, reason?: Reason): Decision<LaneEvent> {
  if (lane.holder?.instance !== instance) return nothing(`lane ${lane.lane} is not held by instance ${instance}`)
  return happened({ type: 'LaneReleased', data: reason === undefined ? { agent, instance } : { agent, instance, reason } })
}

export type CommandJudgement =
  | { readonly kind: 'new' }
  /** To be answered with its first result. */
  | { readonly kind: 'known'; readonly known: KnownCommand }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/**
 * `idTimeMs` is the time that the command's ULID begins with, `turnTimeMs` that of the turn in which it would be carried out;
 * integer milliseconds since the Unix epoch (P15).
 */
export function judgeCommand(
  lane: LaneState,
  command: string,
  idTimeMs: number,
  turnTimeMs: number,
  constants: Pick<RealmConstants, 'commandMemoryMs' | 'clockSkewMs'>,
): CommandJudgement {
  const known = lane.commands.get(command)
  if (known !== undefined) return { kind: 'known', known }
  const ageMs = turnTimeMs - idTimeMs
  if (ageMs > constants.commandMemoryMs) {
    return no('too-old', `command ${command} is older than lanes remember; ask again with a new id`)
  }
  if (-ageMs > constants.clockSkewMs) {
    return no('too-far-ahead', `command ${command} is ${-ageMs} ms ahead of the clock here; set the clock of the machine that made it`)
  }
  return { kind: 'new' }
}

function no(code: Refusal['code'], text: string): CommandJudgement {
  return { kind: 'refused', refusal: { code, text } }
}

/** P15: one that is known keeps its result. */
export function withdrawCommand(lane: LaneState, command: string): Decision<LaneEvent> {
  if (lane.commands.has(command)) return nothing(`command ${command} was settled before`)
  return happened({ type: 'CommandWithdrawn', data: { command } })
}

/**
 * Recorded before anything leaves the log, and what is archived is before the lane's last turn, which never leaves it. Files follow on one
 * another, and begin anew after an import or a restore, which brought all turns back. `incarnation`: of the log.
 */
export function archiveLane(lane: LaneState, archive: LaneArchive, incarnation: number): Decision<LaneEvent> {
  const { from, number, turn, file, snapshot } = archive
  const before = lane.archived?.incarnation === incarnation ? lane.archived : null
  if (before !== null && before.from === from && before.number === number && before.file === file) return nothing(`lane ${lane.lane} is archived up to turn ${number} by this file`)
  const last = before?.number ?? 0
  if (from !== last + 1) return refused('stale', `lane ${lane.lane} is archived up to turn ${last}: turns ${from} to ${number} do not follow`)
  if (from > number || number >= lane.number) return refused('malformed', `turns ${from} to ${number} are not before the last turn of lane ${lane.lane}, which is ${lane.number}`)
  return happened({ type: 'LaneArchived', data: { from, number, turn, file, snapshot } })
}

/** A "no" that is to be given again: not for what a repeat may change (too early, stale, a part out of order). */
export function refuseCommand(lane: LaneState, command: string, group: string, refusal: { readonly code: string; readonly text: string }): Decision<LaneEvent> {
  if (lane.commands.has(command)) return nothing(`command ${command} was settled before`)
  return happened({ type: 'CommandRefused', data: { command, group, code: refusal.code, text: cutText(refusal.text, textLimitBytes) } })
}
