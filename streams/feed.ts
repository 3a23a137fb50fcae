/**
 * `<realm>.feed.<aggregate>.<id>`: each commit once more, live, after it was acknowledged (DESIGN §3). Not kept; gaps are seen by
 * revision and filled through `<realm>.api.v1.log.read` (P9).
 */
import { toText } from './coordination.ts'
import type { Commit, Turn } from './envelope.ts'
import type { Bus, Published } from './ports/bus.ts'
import type { Subjects } from './subjects.ts'

export interface FeedMessage {
  /** Of the turn that holds the commit. */
  readonly position: number
  /** Of that turn. */
  readonly timeMs: number
  readonly commit: Commit
}

/** What the feed says of an acknowledged turn. */
export interface FedTurn extends Pick<Turn, 'timeMs' | 'commits'> {
  readonly position: number
  /** JSON of each commit, where it is at hand (`encodeTurnAndCommits`). */
  readonly commitTexts?: readonly string[]
}

/** The message of the turn's commit at `index`. */
export function feedMessage(subjects: Subjects, { position, timeMs, commits, commitTexts }: FedTurn, index: number): Published {
  const commit = commits[index]!
  const text = commitTexts?.[index]
  return {
    subject: subjects.feed(commit.aggregate, commit.id),
    data: text === undefined ? toText({ position, timeMs, commit } satisfies FeedMessage) : `{"position":${position},"timeMs":${timeMs},"commit":${text}}`,
  }
}

/** All of a turn, whoever listens. */
export function publishOnFeed(bus: Bus, subjects: Subjects, turn: FedTurn): void {
  for (let index = 0; index < turn.commits.length; index++) {
    const { subject, data } = feedMessage(subjects, turn, index)
    bus.publish(subject, data)
  }
}
