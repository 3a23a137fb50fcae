/**
 * A lane's turns on the feed (DESIGN §3), in order, each after it was acknowledged. A courtesy (P9): it is said after whatever
 * waits for the turn has been answered and the next turn is on its way, so that nobody's job waits for it.
 */
import { publishOnFeed } from '../../streams/feed.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Clock, Timer } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { AppendedTurn } from './holding.ts'

export interface LaneFeedOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
}

export class LaneFeed {
  readonly #options: LaneFeedOptions
  #waiting: AppendedTurn[] = []
  #timer: Timer | undefined

  constructor(options: LaneFeedOptions) {
    this.#options = options
  }

  say(turn: AppendedTurn): void {
    this.#waiting.push(turn)
    this.#timer ??= this.#options.clock.after(0, () => this.#publish())
  }

  /** What was not said stays unsaid, as after a crash. */
  abandon(): void {
    this.#timer?.cancel()
    this.#waiting = []
  }

  #publish(): void {
    const { bus, subjects } = this.#options
    const turns = this.#waiting
    this.#waiting = []
    this.#timer = undefined
    for (const turn of turns) publishOnFeed(bus, subjects, turn, turn.position, turn.commitTexts)
  }
}
