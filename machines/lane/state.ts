/**
 * A lane, folded: who holds it, what was asked of it lately, and the groups that live in it. One fold serves the holder,
 * the followers (service, leader) and replay.
 */
import { type GroupEvent } from '../execution-group/events.ts'
import { foldInto } from '../execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../execution-group/state.ts'
import { type LaneEvent, type LanePhase, laneTable } from './machine.ts'

/** A command that this lane has carried out; its answer is given again to whoever repeats it (P15). */
export interface KnownCommand {
  readonly aggregate: string
  readonly id: string
  /** Of the first event that it led to. */
  readonly revision: number
  readonly atMs: number
  readonly withdrawn: boolean
}

export interface LaneState {
  readonly lane: string
  phase: LanePhase
  /** Of the lane's own events. */
  revision: number
  holder: { readonly agent: string; readonly instance: string } | null
  /** Lane number of the last turn. */
  number: number
  /** Time of the last turn. */
  timeMs: number
  /** Highest epoch that any commit carried: an older one is refused (P27). */
  epoch: number
  readonly groups: Map<string, GroupState>
  /** In the order of their turns, so that the oldest are dropped first. */
  readonly commands: Map<string, KnownCommand>
  /** Set when the fold met a type that it does not know: a writer of this lane must stop (P11). */
  unknownType: string | null
}

/** Age up to which a lane knows commands again (P15). */
export const commandMemoryMs = 7 * 24 * 60 * 60 * 1000

export function emptyLane(lane: string): LaneState {
  return {
    lane,
    phase: 'free',
    revision: 0,
    holder: null,
    number: 0,
    timeMs: 0,
    epoch: 0,
    groups: new Map(),
    commands: new Map(),
    unknownType: null,
  }
}

/** The parts of a turn that the fold needs; the envelope itself is in `streams/envelope.ts`. */
export interface FoldableTurn {
  readonly number: number
  readonly timeMs: number
  readonly commits: readonly FoldableCommit[]
}

export interface FoldableCommit {
  readonly aggregate: string
  readonly id: string
  readonly revision: number
  readonly command?: string
  readonly epoch?: number
  readonly events: readonly { readonly type: string; readonly data: unknown }[]
}

export function foldTurn(lane: LaneState, turn: FoldableTurn): void {
  for (const commit of turn.commits) foldCommit(lane, commit, turn.timeMs)
  lane.number = turn.number
  lane.timeMs = turn.timeMs
  forgetOldCommands(lane)
}

/** Also what a holder does with a commit that it has just decided, before the turn is appended. */
export function foldCommit(lane: LaneState, commit: FoldableCommit, timeMs: number): void {
  if (commit.epoch !== undefined && commit.epoch > lane.epoch) lane.epoch = commit.epoch
  if (commit.command !== undefined) {
    lane.commands.set(commit.command, {
      aggregate: commit.aggregate,
      id: commit.id,
      revision: commit.revision,
      atMs: timeMs,
      withdrawn: commit.events[0]?.type === 'CommandWithdrawn',
    })
  }
  if (commit.aggregate === 'group') {
    let group = lane.groups.get(commit.id)
    if (group === undefined) {
      group = absentGroup(commit.id)
      lane.groups.set(commit.id, group)
    }
    for (const event of commit.events) foldInto(group, event as GroupEvent)
  } else if (commit.aggregate === 'lane') {
    for (const event of commit.events) foldLaneEvent(lane, event as LaneEvent)
  } else {
    lane.unknownType = commit.aggregate
  }
}

function foldLaneEvent(lane: LaneState, event: LaneEvent): void {
  lane.revision += 1
  const next = laneTable.next(lane.phase, event.type)
  if (next === undefined) {
    lane.unknownType = event.type
    return
  }
  if (event.type === 'LaneTaken') lane.holder = { agent: event.data.agent, instance: event.data.instance }
  else if (event.type === 'LaneReleased') lane.holder = null
  lane.phase = next
}

function forgetOldCommands(lane: LaneState): void {
  for (const [id, known] of lane.commands) {
    if (known.atMs >= lane.timeMs - commandMemoryMs) return
    lane.commands.delete(id)
  }
}
