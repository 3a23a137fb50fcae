/**
 * Whole lanes, replayed: what a follower, a benchmark and a comparison of two code versions fold. In place, batch by batch;
 * memory holds the lanes' states, never the log.
 */
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import type { ReadMessages } from './group.ts'
import { LaneStarts } from './lane-start.ts'
import { ReplayRefused } from './refused.ts'

export interface ReplayedLanes {
  readonly lanes: ReadonlyMap<string, LaneState>
  readonly position: number
  readonly turns: number
  readonly events: number
}

/** Throws `ReplayRefused` for a type that this build does not know, `MalformedTurn`, and what the source throws. */
export async function replayLanes(read: ReadMessages, subjects: Subjects, until?: number): Promise<ReplayedLanes> {
  const lanes = new Map<string, LaneState>()
  let position = 0
  let turns = 0
  let events = 0
  const starts = new LaneStarts(subjects)
  for await (const batch of read({ subjects: [subjects.allLanes], from: 1, ...(until === undefined ? {} : { until }) })) {
    for (const message of batch) {
      const at = parseEventSubject(subjects.realm, message.subject)
      if (at?.kind !== 'lane') continue
      starts.see(message)
      starts.demand(at.lane, 'a replay of whole lanes')
      let lane = lanes.get(at.lane)
      if (lane === undefined) lanes.set(at.lane, (lane = emptyLane(at.lane)))
      const turn = decodeTurn(message.bytes)
      foldTurn(lane, turn)
      if (lane.unknownType !== null) {
        throw new ReplayRefused('unknown-type', `position ${message.position} holds ${lane.unknownType}, which this build does not know: use a newer build`)
      }
      position = message.position
      turns += 1
      for (const commit of turn.commits) events += commit.events.length
    }
  }
  return { lanes, position, turns, events }
}
