/**
 * One call at a site while it runs. It ends by its deadline, whatever the adapter does (P18): it is aborted at a part of that, and
 * given up at its end, when it is unknown. What the adapter throws tells nothing of what happened at the site. One object, not a
 * handful of closures: a job that waits for nothing is mostly this.
 */
import type { Clock, Timer } from '../../streams/ports/clock.ts'
import type { SiteConnection } from '../sites/adapter.ts'
import { type Call, CallSignal } from './call.ts'
import { type CallResult, lineOf } from './call-result.ts'
import type { BegunCall } from './calls-begun.ts'

export interface CallTimes {
  /** By the monotonic clock. */
  readonly abortMs: number
  readonly overMs: number
}

export class RunningCall implements BegunCall {
  readonly signal = new CallSignal()
  readonly #clock: Clock
  readonly #times: CallTimes
  #isOver = false
  #timer: Timer | undefined
  #resolve: (result: CallResult) => void = () => {}
  #hanging: Promise<void> | undefined
  #back: (() => void) | undefined

  constructor(clock: Clock, times: CallTimes) {
    this.#clock = clock
    this.#times = times
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** It was given up, and the adapter has not come back: resolves when it has. */
  get hanging(): Promise<void> | undefined {
    return this.#hanging
  }

  run(connection: SiteConnection, call: Call): Promise<CallResult> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      try {
        connection.carryOut(call).then(
          (result) => this.#end(result),
          (error: unknown) => this.#fail(error),
        )
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  abort(): void {
    if (!this.#isOver) this.signal.abort()
  }

  lasts(): void {
    this.#timer = this.#clock.after(this.#times.abortMs - this.#clock.monotonicMs(), () => {
      this.#timer = this.#clock.after(this.#times.overMs - this.#clock.monotonicMs(), () => this.#giveUp())
      this.signal.abort()
    })
  }

  #giveUp(): void {
    this.#hanging = new Promise((resolve) => (this.#back = resolve))
    this.#resolve({ kind: 'unknown', code: 'adapter-hangs', reason: 'the adapter did not end the call when it was aborted, nor by its deadline' })
  }

  #fail(error: unknown): void {
    this.#end({ kind: 'unknown', code: 'adapter-error', reason: `the adapter failed: ${lineOf(error)}` })
  }

  #end(result: CallResult): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#hanging = undefined
    this.#back?.()
    this.#resolve(result)
  }
}
