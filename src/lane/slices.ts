/** Long work in slices, so that what else the process has to do is never late by it (P8). */
import { type Clock, pause } from '../../streams/ports/clock.ts'

/** Milliseconds of work, and of rest after it; no rest: only what has come meanwhile goes before. */
export interface Pace {
  readonly sliceMs: number
  readonly restMs: number
}

/** Somebody waits for the end of it, and groups in other lanes of the process go on: a turn of theirs goes through its loop two or three times. */
export const briskPace: Pace = { sliceMs: 2, restMs: 0 }
/** Nobody waits for it, and everybody shares the processors and the server with it. */
export const easyPace: Pace = { sliceMs: 2, restMs: 4 }

export class Slices {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #pace: Pace
  #endsMs: number

  constructor(clock: Clock, signal: AbortSignal, pace: Pace) {
    this.#clock = clock
    this.#signal = signal
    this.#pace = pace
    this.#endsMs = clock.monotonicMs() + pace.sliceMs
  }

  /** The slice is over: `rest` is due. */
  get over(): boolean {
    return this.#clock.monotonicMs() >= this.#endsMs
  }

  get aborted(): boolean {
    return this.#signal.aborted
  }

  /** Ends at once where the signal aborts. */
  async rest(): Promise<void> {
    await pause(this.#clock, this.#pace.restMs, this.#signal)
    this.#endsMs = this.#clock.monotonicMs() + this.#pace.sliceMs
  }
}
