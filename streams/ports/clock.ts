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
  /** Runs `task` once, `delayMs` milliseconds from now or a little later. */
  after(delayMs: number, task: () => void): Timer
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

/** Runs `task` every `periodMs` (measured from the end of one run's start to the next start) until stopped. */
export function every(clock: Clock, periodMs: number, task: () => void): Repeating {
  let stopped = false
  let timer: Timer
  const arm = () => {
    timer = clock.after(periodMs, () => {
      if (stopped) return
      arm()
      task()
    })
  }
  arm()
  return {
    stop() {
      stopped = true
      timer.cancel()
    },
  }
}
