/**
 * Lanes moved from agents that do much to agents that do little, each agent keeping as many as it has, or one more or less: a lane moves to
 * who holds fewer, or changes places with a lane that does less. Pure; equal input gives equal output.
 *
 * 1. Who gives lanes away has at least `leastGain` of its work less afterwards, or keeps them all; who takes one then has at least that
 *    part less than the giver had. So the busiest agent's work never rises, and where the work of lanes stays what it is, moves come to an end and
 *    none is ever taken back: each makes the sum of the squares of the agents' work less.
 * 2. An agent with less than `leastWork` gives no lane away.
 * 3. A lane moves once at most.
 * 4. What `placeLanes` would not leave so is not done: leaders that know no balance keep what one that does has placed.
 */
import { byCodeUnits } from '../code-units.ts'
import { type LaneCandidate, type LaneToPlace, placeLanes, poolOf } from './lanes.ts'

/** Work a second (`lane-work.ts`): about a twenty-fifth of a core. A move stops a lane for 13 ms (`lane-move`), which less is not worth. */
export const leastWork = 1_000
/** Of the work of the agent that gives lanes away. */
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
  /** Work that the giver is rid of. */
  readonly moves: number
  /** Of the busier of the two afterwards. */
  readonly peak: number
  /** Of who takes the lane, afterwards. */
  readonly taken: number
}

/** Agent by lane, of all of them. */
export function balanceLanes(lanes: readonly LaneAtWork[], candidates: readonly LaneCandidate[], least = leastWork): Map<string, string> {
  const before = new Map(lanes.map(({ lane, current }) => [lane, current]))
  const pools = new Map(lanes.map((lane) => [lane.lane, poolOf(lane, candidates)]))
  const sorted = [...lanes].sort((a, b) => byCodeUnits(a.lane, b.lane))
  let balance = new Balance(sorted, pools, before)
  for (const giver of balance.busiest(least)) {
    const lightened = balance.lightened(giver)
    if (lightened.workOf(giver) <= (1 - leastGain) * balance.workOf(giver)) balance = lightened
  }
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
  readonly #moved: Set<string>

  constructor(lanes: readonly LaneAtWork[], pools: ReadonlyMap<string, readonly string[]>, holders: ReadonlyMap<string, string>, moved: ReadonlySet<string> = new Set()) {
    this.#lanes = lanes
    this.#pools = pools
    this.holders = new Map(holders)
    this.#moved = new Set(moved)
    for (const { lane, work } of lanes) this.#add(holders.get(lane)!, work, 1)
  }

  workOf(agent: string): number {
    return this.#work.get(agent) ?? 0
  }

  busiest(least: number): readonly string[] {
    const busy = [...this.#work].filter(([, work]) => work > 0 && work >= least)
    return busy.sort(([a, mine], [b, others]) => others - mine || byCodeUnits(a, b)).map(([agent]) => agent)
  }

  /** Without the lanes that this agent had better give away. */
  lightened(giver: string): Balance {
    const after = new Balance(this.#lanes, this.#pools, this.holders, this.#moved)
    for (let step = after.#bestFrom(giver); step !== undefined; step = after.#bestFrom(giver)) {
      after.#move(step.lane, giver, step.to)
      if (step.back !== undefined) after.#move(step.back, step.to, giver)
    }
    return after
  }

  #bestFrom(giver: string): Step | undefined {
    const work = this.workOf(giver)
    // Half of what its lanes do one with another: less is not worth to move a lane for.
    const leastMoves = work / (2 * this.#countOf(giver))
    let best: Step | undefined
    for (const step of this.#stepsFrom(giver)) {
      if (step.moves < leastMoves || step.taken > (1 - leastGain) * work) continue
      if (best === undefined || isBetter(step, best)) best = step
    }
    return best
  }

  *#stepsFrom(giver: string): Iterable<Step> {
    for (const lane of this.#lanes) {
      if (lane.work === 0 || !this.#mayMove(lane, giver)) continue
      for (const to of this.#pools.get(lane.lane)!) {
        if (to === giver) continue
        if (this.#countOf(giver) > this.#countOf(to)) yield this.#step(lane, giver, to, undefined)
        for (const back of this.#lanes) {
          if (back.work < lane.work && this.#mayMove(back, to) && this.#pools.get(back.lane)!.includes(giver)) yield this.#step(lane, giver, to, back)
        }
      }
    }
  }

  #step(lane: LaneAtWork, giver: string, to: string, back: LaneAtWork | undefined): Step {
    const moves = lane.work - (back?.work ?? 0)
    const taken = this.workOf(to) + moves
    return { lane, to, back, moves, taken, peak: Math.max(this.workOf(giver) - moves, taken) }
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
    this.#work.set(agent, this.workOf(agent) + work)
    this.#count.set(agent, this.#countOf(agent) + count)
  }

  #countOf(agent: string): number {
    return this.#count.get(agent) ?? 0
  }
}

/** Less work at its busier end, then at who takes it; one lane that moves instead of two; to who executes more of it; the first by name, as they come. */
function isBetter(step: Step, best: Step): boolean {
  const lanes = ({ back }: Step) => (back === undefined ? 1 : 2)
  const executes = ({ lane, to }: Step) => lane.executed?.get(to) ?? 0
  return (step.peak - best.peak || step.taken - best.taken || lanes(step) - lanes(best) || executes(best) - executes(step)) < 0
}
