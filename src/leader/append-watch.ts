/**
 * P7 for a leader: one whose appends are not taken, whichever part of it writes them, lets others try. A part that waits for its append
 * holds up nobody else, and would wait for ever.
 */
import type { AppendOutcome } from '../../streams/ports/event-log.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { AgentContext } from '../agent/context.ts'
import { observedLog } from '../agent/observed-log.ts'

/** Without any append that was settled, milliseconds: far longer than a stream's own leader change (4-8 s). */
export const unsettledMs = 30_000
/**
 * Attempts further apart are not of one trouble: in one they follow each other faster, also where the answer to each is waited for in vain
 * and then a read of what became of it (5 s each, and pauses of 2 s). What a read found out is not heard of here.
 */
export const oneTroubleMs = 20_000

export class AppendWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #onStuck: () => void
  /** Monotonic time of the first attempt since then of which nobody knows what became of it, or which nobody took. */
  #sinceMs: number | undefined
  /** Of the last one. */
  #lastMs = -Infinity

  constructor(clock: Pick<Clock, 'monotonicMs'>, onStuck: () => void) {
    this.#clock = clock
    this.#onStuck = onStuck
  }

  readonly heard = (outcome: AppendOutcome): void => {
    if (outcome.kind !== 'indeterminate' && outcome.kind !== 'unavailable') {
      this.#sinceMs = undefined
      return
    }
    // Says nothing of who takes appends; who loses its connection for long loses the lead by that.
    if (outcome.about === 'connection') return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lastMs > oneTroubleMs) this.#sinceMs = undefined
    this.#lastMs = nowMs
    this.#sinceMs ??= nowMs
    if (nowMs - this.#sinceMs < unsettledMs) return
    this.#sinceMs = undefined
    this.#onStuck()
  }
}

/** The same context, whose appends are watched. */
export function withWatchedAppends(context: AgentContext, epoch: number, onStuck: () => void): AgentContext {
  const { coordinator, clock, logger } = context
  const watch = new AppendWatch(clock, () => {
    logger.error({ epoch }, 'what this leader writes is not taken; it lets others try')
    onStuck()
  })
  return { ...context, coordinator: { ...coordinator, log: observedLog(coordinator.log, watch.heard) } }
}
