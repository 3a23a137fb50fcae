/**
 * Lanes moved from agents that do much to agents that do little, each agent keeping as many as it has, or one more or less: a lane moves to
 * who holds fewer, or changes places with a lane that does less. Pure; equal input gives equal output.
 *
 * 1. A step takes at least `leastGain` of the work of the busier of two agents away from it, and leaves both below what that one had: the
 *    busiest agent's work never rises, and where the work of lanes stays what it is, steps come to an end and none is ever taken back.
 * 2. An agent with less than `leastWork` gives no lane away.
 * 3. A lane moves once at most.
 * 4. What `placeLanes` would not leave so is not done: leaders that know no balance keep what one that does has placed.
 */
import { type LaneCandidate, type LaneToPlace, compare, placeLanes, poolOf } from './lanes.ts'

/** Work a second (`lane-work.ts`): about a twenty-fifth of a core. A move stops a lane for 13 ms (`lane-move`), which less is not worth. */
export const leastWork = 1_000
/** Of the work of the agent that gives the lane away. */
export const leastGain = 0.25

export interface LaneAtWork extends LaneToPlace {
  /** Who holds it, as the mapping says. */
  readonly current: string
  /** Done a second (`lane-work.ts`). */
  readonly work: number
  /** Jobs of it, by executor: of two agents that would gain the same from a lane, who executes more of it is to hold it. */
  readonly executed?: ReadonlyMap<string, number>
}

interface Step {
  readonly lane: LaneAtWork
  readonly to: string
  /** Moves the other way. */
  readonly back: LaneAtWork | undefined
  /** Work of the busier of the two afterwards. */
  readonly peak: number
  /** Work of who takes the lane, afterwards. */
  readonly taken: number
}

/** Agent by lane, of all of them. */
export function balanceLanes(lanes: readonly LaneAtWork[], candidates: readonly LaneCandidate[], least = leastWork): Map<string, string> {
  const before = new Map(lanes.map(({ lane, current }) => [lane, current]))
  const balance = new Balance(lanes, candidates)
  for (let step = balance.next(least); step !== undefined; step = balance.next(least)) balance.take(step)
  const { holders } = balance
  const after = placeLanes(lanes.map(({ work: _, ...lane }) => ({ ...lane, current: holders.get(lane.lane)! })), candidates)
  return lanes.every(({ lane }) => after.get(lane) === holders.get(lane)) ? holders : before
}

class Balance {
  readonly holders: Map<string, string>
  readonly #lanes: readonly LaneAtWork[]
  readonly #pools: ReadonlyMap<string, readonly string[]>
  readonly #work = new Map<string, number>()
  readonly #count = new Map<string, number>()
  readonly #moved = new Set<string>()

  constructor(lanes: readonly LaneAtWork[], candidates: readonly LaneCandidate[]) {
    this.#lanes = [...lanes].sort((a, b) => compare(a.lane, b.lane))
    this.#pools = new Map(lanes.map((lane) => [lane.lane, poolOf(lane, candidates)]))
    this.holders = new Map(lanes.map(({ lane, current }) => [lane, current]))
    for (const { work, current } of lanes) this.#add(current, work, 1)
  }

  /** The best for the busiest agent that can be helped. */
  next(least: number): Step | undefined {
    const busiest = [...this.#work].filter(([, work]) => work >= least && work > 0).sort(([a, mine], [b, others]) => others - mine || compare(a, b))
    for (const [agent, work] of busiest) {
      let best: Step | undefined
      for (const step of this.#stepsFrom(agent)) if (best === undefined || isBetter(step, best)) best = step
      if (best !== undefined && work - best.peak >= leastGain * work) return best
    }
    return undefined
  }

  take({ lane, to, back }: Step): void {
    const from = this.holders.get(lane.lane)!
    this.#move(lane, from, to)
    if (back !== undefined) this.#move(back, to, from)
  }

  *#stepsFrom(from: string): Iterable<Step> {
    for (const lane of this.#lanes) {
      if (lane.work === 0 || !this.#mayMove(lane, from)) continue
      for (const to of this.#pools.get(lane.lane)!) {
        if (to === from) continue
        if (this.#countOf(from) > this.#countOf(to)) yield this.#step(lane, from, to, undefined)
        for (const back of this.#lanes) {
          if (back.work < lane.work && this.#mayMove(back, to) && this.#pools.get(back.lane)!.includes(from)) yield this.#step(lane, from, to, back)
        }
      }
    }
  }

  #step(lane: LaneAtWork, from: string, to: string, back: LaneAtWork | undefined): Step {
    const moves = lane.work - (back?.work ?? 0)
    const taken = (this.#work.get(to) ?? 0) + moves
    return { lane, to, back, peak: Math.max(this.#work.get(from)! - moves, taken), taken }
  }

  #mayMove({ lane, placedByNewer }: LaneAtWork, holder: string): boolean {
    return placedByNewer !== true && this.holders.get(lane) === holder && !this.#moved.has(lane)
  }

  #move({ lane, work }: LaneAtWork, from: string, to: string): void {
    this.holders.set(lane, to)
    this.#moved.add(lane)
    this.#add(from, -work, -1)
    this.#add(to, work, 1)
  }

  #add(agent: string, work: number, count: number): void {
    this.#work.set(agent, (this.#work.get(agent) ?? 0) + work)
    this.#count.set(agent, this.#countOf(agent) + count)
  }

  #countOf(agent: string): number {
    return this.#count.get(agent) ?? 0
  }
}

/** Less work at its busier end, then at who takes it; one lane that moves instead of two; to who executes more of it; the first by name, as they come. */
function isBetter(step: Step, best: Step): boolean {
  const moves = ({ back }: Step) => (back === undefined ? 1 : 2)
  const executes = ({ lane, to }: Step) => lane.executed?.get(to) ?? 0
  return (step.peak - best.peak || step.taken - best.taken || moves(step) - moves(best) || executes(best) - executes(step)) < 0
}
