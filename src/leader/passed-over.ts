/** Agents that are given no jobs for a while, where others can take them: they kept a grant without a word, or do not ask for what waits for them. */
import type { Clock } from '../../streams/ports/clock.ts'

export const passedOverMs = 60_000

export class PassedOver {
  readonly #clock: Clock
  /** By agent, monotonic. */
  readonly #untilMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(agent: string): void {
    this.#untilMs.set(agent, this.#clock.monotonicMs() + passedOverMs)
  }

  has(agent: string): boolean {
    return (this.#untilMs.get(agent) ?? -Infinity) > this.#clock.monotonicMs()
  }
}
