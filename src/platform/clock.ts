/**
 * The runtime's own clocks and timers behind the `Clock` port.
 *
 * Owns the moments that tasks share: those that may run a little earlier or later run together, at one timer of the runtime, so that a process
 * at rest wakes once for all of them (docs/performance.md, "At rest"). The moments are the same in all processes of a machine, so that what one
 * asks the others at rest comes while they are awake; those of other machines lie anywhere.
 */
import type { Clock, Timer } from '../../streams/ports/clock.ts'

/** Longest delay that the runtime's timers take; a longer one would fire at once. */
const longestDelayMs = 2 ** 31 - 1
/** Tasks are shared at whole multiples of one of these; each is a multiple of those behind it, so that who has less slack meets the others. */
const momentsMs = [1_000, 500, 250, 125]
/** From this process's monotonic time to the machine's. */
const machineMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** By the machine's time. */
const shared = new Map<number, { readonly tasks: Set<() => void>; readonly timer: Timer }>()

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, task: () => void, slackMs = 0): Timer {
    // Who waits for a whole number of them, and was woken at one a little early or late, wakes at one again, as often as was asked for.
    const momentMs = momentsMs.find((each) => each <= 2 * slackMs)
    if (momentMs !== undefined) return atSharedMoment(Math.round((machineMs + performance.now() + delayMs) / momentMs) * momentMs, task)
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

function atSharedMoment(atMs: number, task: () => void): Timer {
  let moment = shared.get(atMs)
  if (moment === undefined) {
    const tasks = new Set<() => void>()
    const timer = systemClock.after(Math.max(1, atMs - machineMs - performance.now()), () => {
      shared.delete(atMs)
      for (const each of tasks) each()
    })
    moment = { tasks, timer }
    shared.set(atMs, moment)
  }
  const { tasks, timer } = moment
  // The same task may be asked for twice.
  const own = () => task()
  tasks.add(own)
  return {
    cancel() {
      if (!tasks.delete(own) || tasks.size > 0 || shared.get(atMs)?.tasks !== tasks) return
      shared.delete(atMs)
      timer.cancel()
    },
  }
}
