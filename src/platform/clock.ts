/** The runtime's own clocks and timers behind the `Clock` port. */
import type { Clock, Timer } from '../../streams/ports/clock.ts'

/** Longest delay that the runtime's timers take; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, task: () => void): Timer {
    // A timer of 0 ms takes at least one; what is only to come after the present events need not wait for that.
    if (delayMs <= 0) {
      const soon = setImmediate(task)
      return { cancel: () => clearImmediate(soon) }
    }
    let handle: NodeJS.Timeout
    let leftMs = Math.max(0, delayMs)
    const arm = () => {
      const stepMs = Math.min(leftMs, longestDelayMs)
      leftMs -= stepMs
      handle = setTimeout(leftMs > 0 ? arm : task, stepMs)
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  },
}
