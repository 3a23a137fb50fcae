/**
 * Which agents a lane is not to be mapped to for a while: those that did not answer for it, were stuck with it, or did not
 * take it although the mapping named them (P1, P7). It is the instance that is unfit: an agent that was restarted is fit at once.
 *
 * 1. Who failed again soon after it was tried again is passed over for twice as long, up to `longestUnfitMs`: what is tried costs its
 *    groups `takeMs` each time.
 * 2. Who is unfit for one lane gets no other that it does not have: what is wrong with it may be no matter of the lane. It keeps those it has:
 *    a lane that nobody can fold takes no agent's other lanes away.
 */
import type { Clock } from '../../streams/ports/clock.ts'

/** How long an unfit instance is passed over, and how long a mapped agent may take to take its lane, milliseconds. */
export const unfitMs = 60_000
export const longestUnfitMs = 16 * unfitMs
export const takeMs = 10_000

export interface FitnessCandidate {
  readonly agent: string
  readonly instance: string
}

/** Of one instance for one lane. */
interface Unfit {
  /** Monotonic. */
  readonly untilMs: number
  readonly spanMs: number
}

export class LaneFitness {
  readonly #clock: Clock
  readonly #unfit = new Map<string, Map<string, Unfit>>()
  readonly #mappedMs = new Map<string, { readonly agent: string; readonly instance?: string | undefined; readonly sinceMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  mapped(lane: string, agent: string): void {
    this.#mappedMs.set(lane, { agent, sinceMs: this.#clock.monotonicMs() })
  }

  unfit(lane: string, instance: string): void {
    const instances = this.#unfit.get(lane) ?? new Map<string, Unfit>()
    const nowMs = this.#clock.monotonicMs()
    const before = instances.get(instance)
    // Of both instances of one process the second is said to be unfit while it is so already.
    if (before !== undefined && before.untilMs > nowMs) return
    const spanMs = before === undefined ? unfitMs : Math.min(longestUnfitMs, 2 * before.spanMs)
    instances.set(instance, { untilMs: nowMs + spanMs, spanMs })
    this.#unfit.set(lane, instances)
  }

  isUnfit(lane: string, instance: string): boolean {
    return (this.#unfit.get(lane)?.get(instance)?.untilMs ?? -Infinity) > this.#clock.monotonicMs()
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
      const instance = candidates.find((candidate) => candidate.agent === mapped)?.instance
      // A mapping found on taking office counts from then, one of an agent that was restarted from its start.
      if (since?.agent !== mapped || (since.instance ?? instance) !== instance) this.#mappedMs.set(lane, { agent: mapped, instance, sinceMs: nowMs })
      else if (since.instance === undefined) this.#mappedMs.set(lane, { ...since, instance })
      else if (nowMs - since.sinceMs >= takeMs) this.unfit(lane, since.instance)
    }
    this.#forget(nowMs)
    const unfit = new Set<string>()
    for (const { agent, instance } of candidates) {
      if (this.isUnfit(lane, instance) || (agent !== mapped && this.#isUnfitForAny(instance))) unfit.add(agent)
    }
    return unfit
  }

  #isUnfitForAny(instance: string): boolean {
    for (const lane of this.#unfit.keys()) if (this.isUnfit(lane, instance)) return true
    return false
  }

  /** Who did well for as long as it had been passed over starts anew. */
  #forget(nowMs: number): void {
    for (const [lane, instances] of this.#unfit) {
      for (const [instance, { untilMs, spanMs }] of instances) if (nowMs - untilMs >= spanMs) instances.delete(instance)
      if (instances.size === 0) this.#unfit.delete(lane)
    }
  }
}
