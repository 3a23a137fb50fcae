/**
 * Calls that began in this go of the event loop. Those that end in it, as calls that wait for nothing do, never get a timer of their own:
 * setting and cancelling one costs as much as such a call. The others are told once that they last longer.
 */
import type { Clock } from '../../streams/ports/clock.ts'

export interface BegunCall {
  readonly isOver: boolean
  /** It has not ended in the go of the event loop in which it began. */
  lasts(): void
}

export class CallsBegun {
  readonly #clock: Clock
  /** No set, from which those that ended would be taken out: see `streams/passing.ts`. */
  #begun: BegunCall[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Its `lasts` is called once, after the present events, unless it is over by then. */
  begun(call: BegunCall): void {
    this.#begun.push(call)
    if (this.#begun.length > 1) return
    this.#clock.after(0, () => {
      const begun = this.#begun
      this.#begun = []
      for (const one of begun) if (!one.isOver) one.lasts()
    })
  }
}
