/**
 * A lane, folded: who holds it, what was asked of it lately, and the groups that live in it. One fold serves the holder,
 * the followers (service, leader) and replay.
 */
import { type GroupEvent } from '../execution-group/events.ts'
import { foldCommitInto, isGroupEventType } from '../execution-group/evolve.ts'
import { compacted, expanded } from '../execution-group/ended.ts'
import { type GroupState, absentGroup } from '../execution-group/state.ts'
import { type RealmConstants, defaultConstants } from '../realm/realm.ts'
import { type LaneArchive, type LaneEvent, type LaneEventType, type LanePhase, laneTable } from './machine.ts'

/** An import or a restore brings all turns back: what was recorded in an earlier incarnation is history. */
export interface RecordedArchive extends LaneArchive {
  readonly incarnation: number
}

/** A command that this lane has carried out, refused or had withdrawn; its first answer is given again to whoever repeats it (P15). */
export interface KnownCommand {
  readonly aggregate: string
  readonly id: string
  /** Of the aggregate after what it led to, as its first answer said it. */
  readonly revision: number
  readonly atMs: number
  readonly withdrawn: boolean
  /** Set where the answer was no. */
  readonly refused?: { readonly code: string; readonly text: string }
}

/** What a lane's log cannot be: a writer stops, a reader says so. The first one stays. */
export interface LaneFault {
  readonly type: 'broken-number' | 'broken-revision' | 'broken-life-cycle'
  /** Lane number of the turn that does not follow, or the last one before it while a turn is being built. */
  readonly number: number
  readonly event: string
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
  /** What the last `LaneArchived` says, and the incarnation in which it was recorded. */
  archived: RecordedArchive | null
  /** Those that have ended are `compacted`: read only. */
  readonly groups: Map<string, GroupState>
  /** In the order of their turns, so that the oldest are dropped first. */
  readonly commands: Map<string, KnownCommand>
  /** Set when the fold met a type that it does not know: a writer of this lane must stop (P11). */
  unknownType: string | null
  fault: LaneFault | null
  /** How long a command is kept after its turn. */
  readonly keepsCommandsMs: number
}

/** Age up to which a lane knows commands again, unless the realm's constants say otherwise (P15). */
export const commandMemoryMs = defaultConstants.commandMemoryMs

/**
 * `constants` are the realm's. A command is kept for `clockSkewMs` longer than commands are taken: its id may say a time that
 * much ahead of its turn, and must not be forgotten before it is refused as too old.
 */
export function emptyLane(lane: string, constants: Pick<RealmConstants, 'commandMemoryMs' | 'clockSkewMs'> = defaultConstants): LaneState {
  return {
    lane,
    phase: 'free',
    revision: 0,
    holder: null,
    number: 0,
    timeMs: 0,
    epoch: 0,
    archived: null,
    groups: new Map(),
    commands: new Map(),
    unknownType: null,
    fault: null,
    keepsCommandsMs: constants.commandMemoryMs + constants.clockSkewMs,
  }
}

/** Why nobody who folds this may write the lane, in words; undefined where all is well (P11). */
export function stopsWriter(lane: LaneState): string | undefined {
  if (lane.unknownType !== null) return `lane ${lane.lane} holds ${lane.unknownType}, which this build does not know: use a newer build`
  if (lane.fault === null) return undefined
  return `lane ${lane.lane} has a ${lane.fault.type} fault at ${lane.fault.event}, lane number ${lane.fault.number}: restore the log from a backup`
}

/** The parts of a turn that the fold needs; the envelope itself is in `streams/envelope.ts`. */
export interface FoldableTurn {
  readonly incarnation: number
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
  if (turn.number !== lane.number + 1) lane.fault ??= { type: 'broken-number', number: turn.number, event: `turn ${turn.number} after ${lane.number}` }
  for (const commit of turn.commits) foldCommit(lane, commit, turn)
  lane.number = turn.number
  lane.timeMs = turn.timeMs
  forgetOldCommands(lane)
}

/** Also what a holder does with a commit that it has just decided, before the turn is appended. */
export function foldCommit(lane: LaneState, commit: FoldableCommit, turn: Pick<FoldableTurn, 'incarnation' | 'timeMs'>): void {
  if (commit.epoch !== undefined && commit.epoch > lane.epoch) lane.epoch = commit.epoch
  // Before the commit's own command, so that one that withdraws or refuses itself is known as that.
  if (commit.aggregate === 'lane') foldLaneCommit(lane, commit, turn)
  if (commit.command !== undefined) know(lane, commit.command, { aggregate: commit.aggregate, id: commit.id, revision: commit.revision + commit.events.length - 1, atMs: turn.timeMs, withdrawn: false })
  if (commit.aggregate === 'group') {
    const known = lane.groups.get(commit.id)
    const group = known === undefined ? absentGroup(commit.id) : expanded(known)
    foldCommitInto(group, commit.revision, commit.events as readonly GroupEvent[])
    const kept = compacted(group)
    if (kept !== known) lane.groups.set(commit.id, kept)
    if (group.phase === 'faulted') lane.unknownType ??= commit.events.find((event) => !isGroupEventType(event.type))?.type ?? null
  } else if (commit.aggregate !== 'lane') {
    lane.unknownType ??= commit.aggregate
  }
}

function foldLaneCommit(lane: LaneState, commit: FoldableCommit, turn: Pick<FoldableTurn, 'incarnation' | 'timeMs'>): void {
  if (commit.revision !== lane.revision + 1) {
    lane.fault ??= { type: 'broken-revision', number: lane.number, event: commit.events[0]?.type ?? '' }
    lane.revision = commit.revision - 1
  }
  for (const event of commit.events) foldLaneEvent(lane, event as LaneEvent, turn)
}

const laneEventTypes: ReadonlySet<string> = new Set<LaneEventType>(laneTable.events)

function foldLaneEvent(lane: LaneState, event: LaneEvent, { incarnation, timeMs }: Pick<FoldableTurn, 'incarnation' | 'timeMs'>): void {
  lane.revision += 1
  const next = laneTable.next(lane.phase, event.type)
  if (next === undefined) {
    if (laneEventTypes.has(event.type)) lane.fault ??= { type: 'broken-life-cycle', number: lane.number, event: event.type }
    else lane.unknownType ??= event.type
    return
  }
  lane.phase = next
  const settled = { aggregate: 'lane', id: lane.lane, revision: lane.revision, atMs: timeMs }
  switch (event.type) {
    case 'LaneTaken':
      lane.holder = { agent: event.data.agent, instance: event.data.instance }
      return
    case 'LaneReleased':
      lane.holder = null
      return
    case 'LaneArchived':
      lane.archived = { ...event.data, incarnation }
      return
    case 'CommandWithdrawn':
      return know(lane, event.data.command, { ...settled, withdrawn: true })
    case 'CommandRefused':
      return know(lane, event.data.command, { ...settled, withdrawn: false, refused: { code: event.data.code, text: event.data.text } })
  }
}

/** P15: the first answer stays; a large group's parts come under the command that opened it. */
function know(lane: LaneState, command: string, known: KnownCommand): void {
  if (!lane.commands.has(command)) lane.commands.set(command, known)
}

function forgetOldCommands(lane: LaneState): void {
  for (const [id, known] of lane.commands) {
    if (known.atMs >= lane.timeMs - lane.keepsCommandsMs) return
    lane.commands.delete(id)
  }
}
