/**
 * Calls that began in this go of the event loop. Those that end in it, as calls that wait for nothing do, never get a timer of their own:
 * setting and cancelling one costs as much as such a call. The others are told once that they last longer.
 */
import type { Clock } from '../../streams/ports/clock.ts'

export class CallsBegun {
  readonly #clock: Clock
  readonly #begun = new Set<() => void>()
  #waits = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `lasts` is called once, after the present events, unless `ended` is called with it before. */
  begun(lasts: () => void): void {
    this.#begun.add(lasts)
    if (this.#waits) return
    this.#waits = true
    this.#clock.after(0, () => {
      this.#waits = false
      const lasting = [...this.#begun]
      this.#begun.clear()
      for (const last of lasting) last()
    })
  }

  ended(lasts: () => void): void {
    this.#begun.delete(lasts)
  }
}
