/** The runtime's own clocks and timers behind the `Clock` port. */
import type { Clock, Timer } from '../../streams/ports/clock.ts'

/** Longest delay that the runtime's timers take; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, task: () => void): Timer {
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
