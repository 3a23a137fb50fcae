/**
 * Where this leader maps the lanes (DESIGN §5 "Lanes", docs/lanes.md): as many to each agent of a region, then by what they do.
 *
 * Owns: what each lane did lately, as the log says it.
 * 1. By work lanes are balanced only while each is held by who the mapping names, and nothing else moves one.
 * 2. What was measured says nothing once a lane has changed hands, for whatever reason: it is measured anew, so that between two moves by
 *    work lie at least as many whole spans as are kept (10 s), and a leader that has just begun moves none so long.
 */
import { compareBuilds } from '../../machines/agent/configuration.ts'
import { type LaneAtWork, balanceLanes, leastWork } from '../../machines/placement/lane-balance.ts'
import { placeLanes } from '../../machines/placement/lanes.ts'
import type { AgentContext } from '../agent/context.ts'
import { LaneRates, spanMs } from '../realm/lane-rates.ts'
import type { RealmView, TurnSeen } from '../realm/view.ts'
import type { Configured } from './configurations.ts'
import type { FitnessCandidate, LaneFitness } from './lane-fitness.ts'
import type { MappingTable } from './mapping-table.ts'

export interface BalanceTimes {
  readonly spanMs: number
  /** Work a second (`machines/placement/lane-work.ts`): who does less gives no lane away. */
  readonly leastWork: number
}

export const defaultBalanceTimes: BalanceTimes = { spanMs, leastWork }

export interface LanePlacingDeps {
  readonly context: AgentContext
  readonly view: RealmView
  readonly mappings: MappingTable
  readonly fitness: LaneFitness
  readonly times: BalanceTimes
}

export class LanePlacing {
  readonly #deps: LanePlacingDeps
  readonly #rates: LaneRates
  /** Who held each lane at the last look, and who was to hold it. */
  #hands = ''

  constructor(deps: LanePlacingDeps) {
    this.#deps = deps
    this.#rates = new LaneRates(deps.context.clock, deps.times.spanMs)
  }

  see({ subject, turn }: TurnSeen): void {
    const at = this.#deps.view.state.at(subject)
    if (at?.kind === 'lane') this.#rates.see(at.lane, turn)
  }

  /** Agent by lane; lanes for which there is nobody at all are absent. `able`: everybody who could take one; `holders`: those who may. */
  place(able: readonly FitnessCandidate[], holders: readonly Configured[]): ReadonlyMap<string, string> {
    const { context, view, mappings, fitness } = this.#deps
    const { state } = view
    const known = this.#isKnown()
    const lanes = state.realm.lanes.map(({ lane, region }) => {
      const current = mappings.agentOf(lane)
      const avoid = fitness.unfitFor(lane, current, state.lanes.get(lane)?.holder?.agent, able)
      const placedByNewer = compareBuilds(mappings.placedByBuild(lane) ?? '', context.build) > 0
      return { lane, region, avoid, placedByNewer, ...(current === undefined ? {} : { current }), work: this.#rates.workOf(lane) }
    })
    const candidates = holders.map(({ agent, configuration: { region } }) => ({ agent, region, leads: agent === context.agent }))
    const placed = placeLanes(lanes, candidates)
    const atRest = lanes.every(({ lane, current }) => current !== undefined && placed.get(lane) === current && state.lanes.get(lane)?.holder?.agent === current)
    if (!known || !atRest) return placed
    const atWork = lanes.map((lane): LaneAtWork => ({ ...lane, current: lane.current!, executed: this.#rates.executedOf(lane.lane) }))
    const balanced = balanceLanes(atWork, candidates, this.#deps.times.leastWork)
    for (const { lane, current, work } of atWork) {
      const to = balanced.get(lane)!
      if (to !== current) context.logger.info({ lane, from: current, to, work }, 'a lane moves to an agent that has less to do')
    }
    return balanced
  }

  #isKnown(): boolean {
    const { view, mappings } = this.#deps
    const hands = view.state.realm.lanes
      .map(({ lane }) => [lane, mappings.agentOf(lane), view.state.lanes.get(lane)?.holder?.agent, view.state.lanes.get(lane)?.holder?.instance].join(' '))
      .join('\n')
    if (hands !== this.#hands) this.#rates.begin()
    this.#hands = hands
    return this.#rates.known
  }
}
