/** Waiting for what happens elsewhere: polls a condition, bounded, instead of sleeping for a guess. */

export interface EventuallyOptions {
  /** Milliseconds after which it fails; 90,000 when absent, which a slow machine that does other things too needs never. Less only where that is what was promised. */
  readonly withinMs?: number
  readonly everyMs?: number
  /** Said when it fails. */
  readonly what?: string
}

/**
 * Resolves with the first result of `probe` that is neither undefined, null nor false. An error thrown by `probe` counts as
 * "not yet"; the last one is the cause of the failure.
 */
export async function eventually<T>(probe: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<Exclude<T, undefined | null | false>> {
  const { withinMs = 90_000, everyMs = 20, what = 'the condition' } = options
  const endMs = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const result = await probe()
      if (result !== undefined && result !== null && result !== false) return result as Exclude<T, undefined | null | false>
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() >= endMs) throw new Error(`${what} did not come about within ${withinMs} ms`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
