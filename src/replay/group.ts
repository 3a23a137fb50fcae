/**
 * The exclusive state of one execution group at any point of the log: the log, replayed (I6). Reads only; the same fold that
 * the lane's holder runs, over the commits of this group alone, so that a lane of a thousand groups costs one fold.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { foldCommitInto, isGroupEventType } from '../../machines/execution-group/evolve.ts'
import { type ExclusiveState, exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { absentGroup } from '../../machines/execution-group/state.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, laneOfGroup } from '../../streams/subjects.ts'
import { type At, atText } from './at.ts'
import { LaneStarts } from './lane-start.ts'
import { ReplayRefused, groupsShown, noGroupNamed } from './refused.ts'

/** The live log, or an exported file. */
export type ReadMessages = (options: { readonly subjects: readonly string[]; readonly from: number; readonly until?: number }) => AsyncIterable<readonly StoredMessage[]>

export interface ReplayedGroup {
  readonly group: string
  readonly state: ExclusiveState
  /** Of the last turn that holds an event of the group which is part of the state. */
  readonly position: number
  /** Lane number and time of that turn. */
  readonly number: number
  readonly timeMs: number
}

/** Throws `ReplayRefused`, `MalformedTurn`, and what the source throws. `until`: end of a read of a log that goes on. */
export async function replayGroup(read: ReadMessages, subjects: Subjects, group: string, at: At, until?: number): Promise<ReplayedGroup> {
  const lane = laneOfGroup(group)
  if (lane === undefined) {
    throw noGroupNamed(group)
  }
  const end = at.kind === 'position' ? Math.min(at.position, until ?? at.position) : until
  const state = absentGroup(group)
  const name = `"${group}"`
  let found = { position: 0, number: 0, timeMs: 0 }
  const whole = () => at.kind === 'revision' && state.revision === at.revision
  const starts = new LaneStarts(subjects)

  scan: for await (const batch of read({ subjects: [subjects.lane(lane)], from: 1, ...(end === undefined ? {} : { until: end }) })) {
    for (const message of batch) {
      starts.see(message)
      // Most turns of a lane concern other groups: those are not even parsed.
      const mine = Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength).includes(name)
      if (!mine && at.kind !== 'time') continue
      const turn = decodeTurn(message.bytes)
      if (at.kind === 'time' && turn.timeMs > at.timeMs) break scan
      for (const commit of turn.commits) {
        if (commit.aggregate !== 'group' || commit.id !== group) continue
        // Within a commit, the revision counts its events.
        const wanted = at.kind === 'revision' ? at.revision - commit.revision + 1 : commit.events.length
        if (wanted < 1) break scan
        if (state.revision === 0 && commit.revision > 1) starts.demand(lane, `group ${group}`)
        const events = commit.events.slice(0, wanted)
        const unknown = events.find((event) => !isGroupEventType(event.type))
        if (unknown !== undefined) {
          throw new ReplayRefused('unknown-type', `position ${message.position} holds an event ${unknown.type}, which this build does not know: use a newer build`)
        }
        foldCommitInto(state, commit.revision, events as readonly GroupEvent[])
        found = { position: message.position, number: turn.number, timeMs: turn.timeMs }
        if (whole()) break scan
      }
    }
  }
  if (state.revision === 0) {
    if (!starts.any) await seeFirst(read, subjects.lane(lane), until, starts)
    starts.demand(lane, `group ${group}`)
  }
  if (state.revision === 0 || (at.kind === 'revision' && at.revision === 0)) {
    throw new ReplayRefused('unknown-group', `there is no group ${group} at ${atText(at)}`, groupsShown)
  }
  if (at.kind === 'revision' && state.revision < at.revision) {
    throw new ReplayRefused('no-such-revision', `group ${group} has revisions 1 to ${state.revision}, no ${at.revision}`)
  }
  return { group, state: exclusiveStateOf(state), ...found }
}

/** Where the point that is asked for lies before everything that is here. */
async function seeFirst(read: ReadMessages, subject: string, until: number | undefined, starts: LaneStarts): Promise<void> {
  for await (const batch of read({ subjects: [subject], from: 1, ...(until === undefined ? {} : { until }) })) return starts.see(batch[0]!)
}
