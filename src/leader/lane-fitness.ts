/**
 * Which agents a lane is not to be mapped to for a while: those that did not answer for it, were stuck with it, or did not
 * take it although the mapping named them (P1, P7). It is the instance that is unfit: an agent that was restarted is fit at once.
 */
import type { Clock } from '../../streams/ports/clock.ts'

/** How long an unfit instance is passed over, and how long a mapped agent may take to take its lane, milliseconds. */
export const unfitMs = 60_000
export const takeMs = 10_000

export interface FitnessCandidate {
  readonly agent: string
  readonly instance: string
}

export class LaneFitness {
  readonly #clock: Clock
  /** By lane and instance: until when, monotonic. */
  readonly #until = new Map<string, Map<string, number>>()
  readonly #mappedMs = new Map<string, { readonly agent: string; readonly sinceMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  mapped(lane: string, agent: string): void {
    this.#mappedMs.set(lane, { agent, sinceMs: this.#clock.monotonicMs() })
  }

  unfit(lane: string, instance: string): void {
    const instances = this.#until.get(lane) ?? new Map<string, number>()
    instances.set(instance, this.#clock.monotonicMs() + unfitMs)
    this.#until.set(lane, instances)
  }

  isUnfit(lane: string, instance: string): boolean {
    return (this.#until.get(lane)?.get(instance) ?? -Infinity) > this.#clock.monotonicMs()
  }

  /**
   * Agents, of these candidates with their present instances, that are unfit for the lane. `mapped` and `holder` as they are
   * known now: who has not taken the lane in time is unfit for it.
   */
  unfitFor(lane: string, mapped: string | undefined, holder: string | undefined, candidates: readonly FitnessCandidate[]): ReadonlySet<string> {
    const nowMs = this.#clock.monotonicMs()
    if (mapped === holder) this.#mappedMs.delete(lane)
    else if (mapped !== undefined) {
      const since = this.#mappedMs.get(lane)
      // A mapping found on taking office counts from then.
      if (since?.agent !== mapped) this.mapped(lane, mapped)
      else if (nowMs - since.sinceMs >= takeMs) {
        const instance = candidates.find((candidate) => candidate.agent === mapped)?.instance
        if (instance !== undefined) this.unfit(lane, instance)
      }
    }
    const instances = this.#until.get(lane)
    const unfit = new Set<string>()
    if (instances === undefined) return unfit
    for (const [instance, untilMs] of instances) if (untilMs <= nowMs) instances.delete(instance)
    for (const { agent, instance } of candidates) if (instances.has(instance)) unfit.add(agent)
    return unfit
  }
}
