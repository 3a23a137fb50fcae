/** Events as they stand in the log, one by one, each with what its turn and its commit say of it: what histories and causes are made of. */
import type { Cause, Commit, Turn } from '../../streams/envelope.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type Subjects, laneOfGroup } from '../../streams/subjects.ts'
import { isGroupEventType } from '../../machines/execution-group/evolve.ts'
import type { At } from './at.ts'
import type { ReadMessages } from './group.ts'
import { LaneStarts } from './lane-start.ts'
import { ReplayRefused, groupsShown, noGroupNamed } from './refused.ts'

export interface Recorded {
  readonly position: number
  /** Of the turn on its subject; of a lane's turn the lane number. */
  readonly number: number
  /** Of the turn: the writer's clock. */
  readonly timeMs: number
  /** In which the turn was written. */
  readonly incarnation: number
  readonly aggregate: string
  readonly id: string
  /** Of this very event. */
  readonly revision: number
  readonly actor: string
  readonly command?: string
  readonly epoch?: number
  readonly cause?: Cause
  readonly event: { readonly type: string; readonly data: unknown }
}

export function* recordedIn(position: number, turn: Turn, wanted: (commit: Commit) => boolean): Generator<Recorded> {
  const { number, timeMs, incarnation } = turn
  for (const commit of turn.commits) {
    if (!wanted(commit)) continue
    const { aggregate, id, actor, command, epoch, cause } = commit
    for (const [index, { type, data }] of commit.events.entries()) {
      yield {
        position,
        number,
        timeMs,
        incarnation,
        aggregate,
        id,
        revision: commit.revision + index,
        actor,
        ...(command === undefined ? {} : { command }),
        ...(epoch === undefined ? {} : { epoch }),
        ...(cause === undefined ? {} : { cause }),
        event: { type, data },
      }
    }
  }
}

/** Every event of a group, in order. Throws `ReplayRefused`, `MalformedTurn`, and what the source throws. `until`: as in `replayGroup`. */
export async function* recordedOfGroup(read: ReadMessages, subjects: Subjects, group: string, until?: number): AsyncGenerator<Recorded> {
  const lane = laneOfGroup(group)
  if (lane === undefined) throw noGroupNamed(group)
  const name = `"${group}"`
  let found = false
  const starts = new LaneStarts(subjects)
  for await (const batch of read({ subjects: [subjects.lane(lane)], from: 1, ...(until === undefined ? {} : { until }) })) {
    for (const message of batch) {
      const { position, bytes } = message
      starts.see(message)
      // Most turns of a lane concern other groups: those are not even parsed.
      if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(name)) continue
      for (const recorded of recordedIn(position, decodeTurn(bytes), (commit) => commit.aggregate === 'group' && commit.id === group)) {
        if (!isGroupEventType(recorded.event.type)) {
          throw new ReplayRefused('unknown-type', `position ${position} holds an event ${recorded.event.type}, which this build does not know: use a newer build`)
        }
        if (!found && recorded.revision > 1) starts.demand(lane, `group ${group}`)
        found = true
        yield recorded
      }
    }
  }
  if (!found) starts.demand(lane, `group ${group}`)
  if (!found) throw new ReplayRefused('unknown-group', `there is no group ${group} in the log`, groupsShown)
}

/** Whether the state at this point of the log holds the event. */
export function isBefore(at: At, { position, revision, timeMs }: Recorded): boolean {
  switch (at.kind) {
    case 'end':
      return true
    case 'position':
      return position <= at.position
    case 'revision':
      return revision <= at.revision
    case 'time':
      return timeMs <= at.timeMs
  }
}
