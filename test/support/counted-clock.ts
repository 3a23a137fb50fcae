import type { Clock } from '../../streams/ports/clock.ts'

export interface CountedClock extends Clock {
  /** Timers that have neither come nor been taken back. One that stands longer than what it was set for keeps a process that is done. */
  readonly standing: number
}

export function countedClock(clock: Clock): CountedClock {
  const timers = new Set<object>()
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after(delayMs, task, slackMs) {
      const own = {}
      timers.add(own)
      const timer = clock.after(
        delayMs,
        () => {
          timers.delete(own)
          task()
        },
        slackMs,
      )
      return {
        cancel() {
          timers.delete(own)
          timer.cancel()
        },
      }
    },
    get standing() {
      return timers.size
    },
  }
}
