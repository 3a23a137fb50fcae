/** A task that is done again and again, at a pace that may change while it waits: a faster one begins at once, a slower one with the next wait. */
import { type Clock, type Timer, slackMsOf } from './clock.ts'

export class Pace {
  readonly #clock: Clock
  readonly #task: () => void
  #periodMs: number
  #timer: Timer
  #stopped = false

  constructor(clock: Clock, periodMs: number, task: () => void) {
    this.#clock = clock
    this.#periodMs = periodMs
    this.#task = task
    this.#timer = this.#arm()
  }

  set(periodMs: number): void {
    if (this.#stopped || periodMs === this.#periodMs) return
    const isFaster = periodMs < this.#periodMs
    this.#periodMs = periodMs
    if (!isFaster) return
    this.#timer.cancel()
    this.#timer = this.#arm()
  }

  stop(): void {
    this.#stopped = true
    this.#timer.cancel()
  }

  #arm(): Timer {
    return this.#clock.after(
      this.#periodMs,
      () => {
        this.#timer = this.#arm()
        this.#task()
      },
      slackMsOf(this.#periodMs),
    )
  }
}
