/**
 * `<realm>.feed.<aggregate>.<id>`: each commit once more, live, after it was acknowledged (DESIGN §3). Not kept; gaps are seen by
 * revision and filled through `<realm>.api.v1.log.read` (P9).
 */
import { toBytes } from './coordination.ts'
import type { Commit, Turn } from './envelope.ts'
import type { Bus } from './ports/bus.ts'
import type { Subjects } from './subjects.ts'

export interface FeedMessage {
  /** Of the turn that holds the commit. */
  readonly position: number
  readonly incarnation: number
  /** Number of the turn on its subject. */
  readonly number: number
  readonly timeMs: number
  readonly commit: Commit
}

export function publishOnFeed(bus: Bus, subjects: Subjects, turn: Pick<Turn, 'incarnation' | 'number' | 'timeMs' | 'commits'>, position: number): void {
  const { incarnation, number, timeMs } = turn
  for (const commit of turn.commits) {
    const message: FeedMessage = { position, incarnation, number, timeMs, commit }
    bus.publish(subjects.feed(commit.aggregate, commit.id), toBytes(message))
  }
}
