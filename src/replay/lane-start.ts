/** Lanes whose beginning is not in what is read: it was archived, and a replay needs the files. */
import { MalformedTurn, decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import { ReplayRefused } from './refused.ts'

/** Sees every message of a read from the beginning, in order. */
export class LaneStarts {
  readonly #subjects: Subjects
  readonly #seen = new Set<string>()
  readonly #later = new Map<string, number>()

  constructor(subjects: Subjects) {
    this.#subjects = subjects
  }

  /** Only the first message of a lane is looked at. */
  see({ subject, bytes }: StoredMessage): void {
    if (this.#seen.has(subject)) return
    this.#seen.add(subject)
    const at = parseEventSubject(this.#subjects.realm, subject)
    if (at?.kind !== 'lane') return
    try {
      const { number } = decodeTurn(bytes)
      if (number > 1) this.#later.set(at.lane, number)
    } catch (error) {
      // Whoever folds it says so.
      if (!(error instanceof MalformedTurn)) throw error
    }
  }

  /** A message was seen. */
  get any(): boolean {
    return this.#seen.size > 0
  }

  /** Throws `ReplayRefused` where what is asked for may lie before the first turn of the lane that is here. */
  demand(lane: string, what: string): void {
    const first = this.#later.get(lane)
    if (first !== undefined) throw archived(lane, first, what)
  }

  /** Throws `ReplayRefused` where any lane that was seen begins later. */
  demandAll(what: string): void {
    for (const [lane, first] of this.#later) throw archived(lane, first, what)
  }
}

function archived(lane: string, first: number, what: string): ReplayRefused {
  return new ReplayRefused('archived', `${what} needs turns 1 to ${first - 1} of lane ${lane}, which are not in this log: they were archived`)
}
