/**
 * The scheduler of a simulated world. Owns virtual time and every event that is to come.
 *
 * 1. One event fires at a time, in order of its time, equal times in the order in which they were asked for; before the next one,
 *    all microtasks that the last one led to have run (a hop over `setImmediate`).
 * 2. Nothing else moves time: a run is a function of what was scheduled, and ends by its goal or a bound.
 */

import type { Clock } from '../../streams/ports/clock.ts'

/** Wall clock of the realm at virtual time 0. */
export const epochMs = 1_800_000_000_000

interface Planned {
  readonly atMs: number
  readonly order: number
  task: (() => void) | undefined
}

export type RunEnd = 'reached' | 'stuck' | 'too-many-steps' | 'too-late' | 'spinning'

/** Operations that code asks for without any time going by; more are a loop that never waits. */
const mostOperationsAStep = 100_000

/** A shorter wait would be lost in the sum, and what is left of a time never come to its end. */
const leastMs = 1e-6

export class VirtualTime {
  nowMs = 0
  steps = 0
  #order = 0
  #operations = 0
  readonly #heap: Planned[] = []

  after(delayMs: number, task: () => void): { cancel(): void } {
    const planned: Planned = { atMs: this.nowMs + (delayMs > 0 ? Math.max(leastMs, delayMs) : 0), order: ++this.#order, task }
    this.#push(planned)
    return { cancel: () => void (planned.task = undefined) }
  }

  /** False when code of this step has asked for too much: who asked is to be stopped. */
  mayGoOn(): boolean {
    return ++this.#operations <= mostOperationsAStep
  }

  /** `goal` is asked after every event. */
  async run(goal: () => boolean, bounds: { readonly steps: number; readonly untilMs: number }): Promise<RunEnd> {
    await microtasksDrained()
    while (!goal()) {
      const next = this.#pop()
      if (next === undefined) return 'stuck'
      if (next.task === undefined) continue
      if (next.atMs > bounds.untilMs) return 'too-late'
      if (++this.steps > bounds.steps) return 'too-many-steps'
      this.nowMs = next.atMs
      this.#operations = 0
      next.task()
      await microtasksDrained()
      if (!this.mayGoOn()) return 'spinning'
    }
    return 'reached'
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let index = heap.push(planned) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(planned, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = planned
  }

  #pop(): Planned | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return first
  }
}

/** Its wall clock and its monotonic clock, as a process has them where neither is wrong. */
export function clockOf(time: VirtualTime): Clock {
  return {
    nowMs: () => epochMs + Math.floor(time.nowMs),
    monotonicMs: () => time.nowMs,
    after: (delayMs, task) => time.after(delayMs, task),
  }
}

function isBefore(left: Planned, right: Planned): boolean {
  return left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs
}

function microtasksDrained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
