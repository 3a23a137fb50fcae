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
  /** Of that turn. */
  readonly timeMs: number
  readonly commit: Commit
}

/** `texts`: JSON of each commit, where it is at hand (`encodeTurnAndCommits`). */
export function publishOnFeed(bus: Bus, subjects: Subjects, turn: Pick<Turn, 'timeMs' | 'commits'>, position: number, texts?: readonly string[]): void {
  const { timeMs } = turn
  turn.commits.forEach((commit, index) => {
    const text = texts?.[index]
    bus.publish(
      subjects.feed(commit.aggregate, commit.id),
      text === undefined ? toBytes({ position, timeMs, commit } satisfies FeedMessage) : `{"position":${position},"timeMs":${timeMs},"commit":${text}}`,
    )
  })
}
