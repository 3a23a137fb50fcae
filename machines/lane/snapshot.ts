/**
 * A folded lane as plain data, for snapshots (DESIGN §5 "Snapshots"): its head, and its groups and known commands in the order in
 * which the lane has them. Restored, it is the state that was taken apart, to the byte of its canonical JSON (I6).
 */
import { compacted, expanded } from '../execution-group/ended.ts'
import type { GroupState } from '../execution-group/state.ts'
import type { RealmConstants } from '../realm/realm.ts'
import { type KnownCommand, type LaneState, emptyLane } from './state.ts'

/**
 * Version of the shape and the meaning of a lane's state. Raised with every change of either: a snapshot of another version is
 * not read. `test/golden/golden.test.ts` fails where the shape has changed and this has not.
 */
export const laneSchema = 5

/** What a lane's state holds beside its groups and commands. */
export type LaneHead = Pick<LaneState, 'lane' | 'phase' | 'revision' | 'holder' | 'number' | 'timeMs' | 'epoch' | 'archived'>

export interface PlainLane {
  readonly head: LaneHead
  readonly groups: Iterable<GroupState>
  readonly commands: Iterable<readonly [command: string, known: KnownCommand]>
}

/** Nothing that may still change is copied: what is made of it is to be written down before the lane is folded on. A lane that nobody may write is not taken apart. */
export function plainLane(lane: LaneState): PlainLane {
  const { lane: id, phase, revision, holder, number, timeMs, epoch, archived } = lane
  return { head: { lane: id, phase, revision, holder, number, timeMs, epoch, archived }, groups: whole(lane.groups.values()), commands: lane.commands.entries() }
}

function* whole(groups: Iterable<GroupState>): Iterable<GroupState> {
  for (const group of groups) yield expanded(group)
}

/** Takes what it is given into the state. */
export function restoredLane(plain: PlainLane, constants: Pick<RealmConstants, 'commandMemoryMs' | 'clockSkewMs'>): LaneState {
  const lane = Object.assign(emptyLane(plain.head.lane, constants), plain.head)
  for (const group of plain.groups) lane.groups.set(group.group, compacted(group))
  for (const [command, known] of plain.commands) lane.commands.set(command, known)
  return lane
}
