/**
 * What each lane does: jobs that it settles and turns that it takes, as a follower of the log hears them, by its own clock. Derived (I11).
 *
 * 1. Time is cut into spans of `spanMs`; the last `spansKept` whole ones are kept, and what is heard in one is that span's alone.
 * 2. What a lane does in most of those spans is its work: neither a burst nor a pause of one or two spans changes it.
 */
import { workDone } from '../../machines/placement/lane-work.ts'
import type { Run } from '../../machines/execution-group/events.ts'
import type { Turn } from '../../streams/envelope.ts'
import type { Clock } from '../../streams/ports/clock.ts'

export const spanMs = 2_000
export const spansKept = 5

const settling: ReadonlySet<string> = new Set(['JobSucceeded', 'JobFailed', 'JobUnknown'])

interface Done {
  jobs: number
  turns: number
  /** Jobs granted, by executor. */
  readonly executed: Map<string, number>
}

type Span = Map<string, Done>

export interface LaneRate {
  readonly jobsPerSecond: number
  readonly turnsPerSecond: number
}

export class LaneRates {
  readonly #clock: Clock
  readonly #spanMs: number
  /** Whole ones, the latest last. */
  #spans: Span[] = []
  #present: Span = new Map()
  #beganMs: number

  constructor(clock: Clock, lengthMs = spanMs) {
    this.#clock = clock
    this.#spanMs = lengthMs
    this.#beganMs = clock.monotonicMs()
  }

  see(lane: string, { commits }: Turn): void {
    this.#cut()
    let done = this.#present.get(lane)
    if (done === undefined) this.#present.set(lane, (done = { jobs: 0, turns: 0, executed: new Map() }))
    done.turns += 1
    for (const { aggregate, events } of commits) {
      if (aggregate !== 'group') continue
      for (const { type, data } of events) {
        if (settling.has(type)) done.jobs += 1
        else if (type === 'LockGranted') {
          // Not judged by anybody: what is malformed faults its group, and no more than that.
          const { agent, jobs } = (data ?? {}) as { readonly agent?: unknown; readonly jobs?: unknown }
          if (typeof agent !== 'string' || !Array.isArray(jobs)) continue
          let granted = done.executed.get(agent) ?? 0
          for (const run of jobs as unknown[]) if (isRun(run)) granted += run[1] - run[0] + 1
          done.executed.set(agent, granted)
        }
      }
    }
  }

  /** Everything heard so far says nothing any more. */
  begin(): void {
    this.#spans = []
    this.#present = new Map()
    this.#beganMs = this.#clock.monotonicMs()
  }

  /** As many whole spans are known as are kept. */
  get known(): boolean {
    this.#cut()
    return this.#spans.length === spansKept
  }

  /** Work a second (`machines/placement/lane-work.ts`) in the middle one of the spans that are known; a whole number. */
  workOf(lane: string): number {
    this.#cut()
    const works = this.#spans.map((span) => workIn(span.get(lane))).sort((a, b) => a - b)
    return Math.round(((works[Math.floor((works.length - 1) / 2)] ?? 0) * 1_000) / this.#spanMs)
  }

  /** Jobs granted in the spans that are known, by executor. */
  executedOf(lane: string): ReadonlyMap<string, number> {
    this.#cut()
    const executed = new Map<string, number>()
    for (const span of this.#spans) for (const [agent, jobs] of span.get(lane)?.executed ?? []) executed.set(agent, (executed.get(agent) ?? 0) + jobs)
    return executed
  }

  /** Mean of the spans that are known; undefined before the first of them has ended. */
  rateOf(lane: string): LaneRate | undefined {
    this.#cut()
    if (this.#spans.length === 0) return undefined
    const mean = (of: (done: Done) => number) => {
      let sum = 0
      for (const span of this.#spans) sum += of(span.get(lane) ?? nothingDone)
      return Math.round((sum * 1_000) / (this.#spans.length * this.#spanMs))
    }
    return { jobsPerSecond: mean(({ jobs }) => jobs), turnsPerSecond: mean(({ turns }) => turns) }
  }

  #cut(): void {
    const spans = Math.floor((this.#clock.monotonicMs() - this.#beganMs) / this.#spanMs)
    if (spans === 0) return
    this.#beganMs += spans * this.#spanMs
    this.#spans.push(this.#present)
    this.#present = new Map()
    for (let empty = Math.min(spans - 1, spansKept); empty > 0; empty--) this.#spans.push(new Map())
    this.#spans = this.#spans.slice(-spansKept)
  }
}

const nothingDone: Done = { jobs: 0, turns: 0, executed: new Map() }

function isRun(run: unknown): run is Run {
  return Array.isArray(run) && Number.isSafeInteger(run[0]) && Number.isSafeInteger(run[1])
}

function workIn(done: Done | undefined): number {
  return done === undefined ? 0 : workDone(done.jobs, done.turns)
}
