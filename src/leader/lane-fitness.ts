/**
 * Which agents a lane is not to be mapped to for a while: those that did not answer for it, were stuck with it, or did not
 * take it although the mapping named them (P1, P7).
 */
import type { Clock } from '../../streams/ports/clock.ts'

/** How long an unfit agent is passed over, and how long a mapped agent may take to take its lane, milliseconds. */
export const unfitMs = 60_000
export const takeMs = 10_000

export class LaneFitness {
  readonly #clock: Clock
  /** By lane and agent: until when, monotonic. */
  readonly #until = new Map<string, Map<string, number>>()
  readonly #mappedMs = new Map<string, { readonly agent: string; readonly sinceMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  mapped(lane: string, agent: string): void {
    this.#mappedMs.set(lane, { agent, sinceMs: this.#clock.monotonicMs() })
  }

  unfit(lane: string, agent: string): void {
    const agents = this.#until.get(lane) ?? new Map<string, number>()
    agents.set(agent, this.#clock.monotonicMs() + unfitMs)
    this.#until.set(lane, agents)
  }

  /** `mapped` and `holder` as they are known now: who has not taken the lane in time is unfit for it. */
  unfitFor(lane: string, mapped: string | undefined, holder: string | undefined): ReadonlySet<string> {
    const nowMs = this.#clock.monotonicMs()
    if (mapped === holder) this.#mappedMs.delete(lane)
    else if (mapped !== undefined) {
      const since = this.#mappedMs.get(lane)
      // A mapping found on taking office counts from then.
      if (since?.agent !== mapped) this.mapped(lane, mapped)
      else if (nowMs - since.sinceMs >= takeMs) this.unfit(lane, mapped)
    }
    const unfit = new Set<string>()
    for (const [agent, untilMs] of this.#until.get(lane) ?? []) if (untilMs > nowMs) unfit.add(agent)
    return unfit
  }
}
