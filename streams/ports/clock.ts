/**
 * Time and randomness as ports. Nothing in `streams/` or `src/` calls the runtime's own timers, clock or random source:
 * a lint enforces it, and the simulation replaces both by virtual ones.
 */

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void
}

export interface Clock {
  /** Wall clock: integer milliseconds since the Unix epoch. May jump. Shown and recorded, never used to order or to fence. */
  nowMs(): number
  /** Monotonic clock: milliseconds since an arbitrary origin, never backwards. */
  monotonicMs(): number
  /**
   * Runs `task` once, `delayMs` milliseconds from now or a little later; up to `slackMs` (0) before or behind that where tasks that may wait for
   * one another then run in the same moment: a process at rest is paid for by how often it wakes.
   */
  after(delayMs: number, task: () => void, slackMs?: number): Timer
}

export interface Random {
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

/** Resolves after `delayMs`; at once, and without an error, when `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}

export interface Repeating {
  stop(): void
}

/** Whose pace may change while it waits. */
export interface Paced extends Repeating {
  /** From now on every `periodMs`: a faster pace begins at once, a slower one with the next wait. */
  setPeriod(periodMs: number): void
}

/** What comes more often than this, milliseconds, is waited for. */
const leastSharedMs = 500

/**
 * Runs `task` every `periodMs` (measured from the end of one run's start to the next start) until stopped. Where that is half a second or more, the
 * first time up to half of it earlier or later, together with others.
 */
export function every(clock: Clock, periodMs: number, task: () => void): Paced {
  let stopped = false
  let timer: Timer
  const arm = () => {
    const slackMs = periodMs >= leastSharedMs ? periodMs / 2 : 0
    timer = clock.after(periodMs, () => {
      if (stopped) return
      arm()
      task()
    }, slackMs)
  }
  arm()
  return {
    setPeriod(nextMs) {
      const isFaster = nextMs < periodMs
      periodMs = nextMs
      if (stopped || !isFaster) return
      timer.cancel()
      arm()
    },
    stop() {
      stopped = true
      timer.cancel()
    },
  }
}
