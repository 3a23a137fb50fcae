/**
 * Which agent is to hold which lane: as many each, stable, in the lane's region where somebody is there, and the leader only when
 * nobody else can (DESIGN §5 "Lanes"). By how much they have to do they are balanced afterwards (`lane-balance.ts`). Pure; equal input gives equal output.
 */
import { byCodeUnits } from '../code-units.ts'

export interface LaneToPlace {
  readonly lane: string
  readonly region: string
  /** As the mapping says now. */
  readonly current?: string
  /** Agents that do not answer for it, or failed to take it: passed over while there are others. */
  readonly avoid?: ReadonlySet<string>
  /** A leader of a newer build placed it: it stays while its agent is one of those that it may be placed at [616]. */
  readonly placedByNewer?: boolean
  /** Done a second, as it was measured last (`lane-work.ts`); absent: not known. Of agents with as many lanes that with the least work gets one more. */
  readonly work?: number
}

export interface LaneCandidate {
  readonly agent: string
  readonly region: string
  readonly leads: boolean
}

/** Agent by lane; lanes for which there is nobody at all are absent. */
export function placeLanes(lanes: readonly LaneToPlace[], candidates: readonly LaneCandidate[]): Map<string, string> {
  const placed = new Map<string, string>()
  const load = new Map<string, number>(candidates.map((candidate) => [candidate.agent, 0]))
  const pools = new Map<LaneToPlace, readonly string[]>()
  const work = new Map<string, number>()
  const add = (lane: LaneToPlace, agent: string, count: 1 | -1) => {
    load.set(agent, (load.get(agent) ?? 0) + count)
    work.set(agent, (work.get(agent) ?? 0) + count * (lane.work ?? 0))
  }
  const take = (lane: LaneToPlace, agent: string) => {
    placed.set(lane.lane, agent)
    add(lane, agent, 1)
  }
  // Of as many lanes the present holder keeps it: work goes up and down, and moves none by itself here.
  const leastOf = (lane: LaneToPlace) => {
    const moves = (agent: string) => (agent === lane.current ? 0 : 1)
    return [...pools.get(lane)!].sort((a, b) => load.get(a)! - load.get(b)! || moves(a) - moves(b) || (work.get(a) ?? 0) - (work.get(b) ?? 0) || byCodeUnits(a, b))[0]
  }
  const ordered = [...lanes].sort((a, b) => byCodeUnits(a.lane, b.lane))
  for (const lane of ordered) pools.set(lane, poolOf(lane, candidates))
  // Who holds a lane keeps it up to a fair share, so that an agent more or less moves few.
  const shares = fairShares(ordered, pools)
  const open: LaneToPlace[] = []
  for (const lane of ordered) {
    const { current, placedByNewer } = lane
    const may = current !== undefined && pools.get(lane)!.includes(current)
    if (may && (placedByNewer === true || load.get(current)! < shares.get(poolKey(pools.get(lane)!))!)) take(lane, current)
    else open.push(lane)
  }
  for (const lane of open) {
    const least = leastOf(lane)
    if (least !== undefined) take(lane, least)
  }
  // The last step of balancing: as long as one of a pool holds two more than another, one lane moves.
  for (const lane of ordered) {
    const holder = placed.get(lane.lane)
    if (holder === undefined || (lane.placedByNewer === true && holder === lane.current)) continue
    const least = leastOf(lane)!
    if (load.get(holder)! - load.get(least)! < 2) continue
    add(lane, holder, -1)
    take(lane, least)
  }
  return placed
}

/** The first of these that is not empty: in the region without the leader, anywhere without the leader, the leader. */
export function poolOf(lane: LaneToPlace, candidates: readonly LaneCandidate[]): readonly string[] {
  const followers = candidates.filter((candidate) => !candidate.leads)
  const near = followers.filter((candidate) => candidate.region === lane.region)
  const answering = (pool: readonly LaneCandidate[]) => pool.filter((candidate) => lane.avoid?.has(candidate.agent) !== true)
  for (const pool of [answering(near), answering(followers), answering(candidates), near, followers, candidates]) {
    if (pool.length > 0) return pool.map((candidate) => candidate.agent).sort(byCodeUnits)
  }
  return []
}

function fairShares(lanes: readonly LaneToPlace[], pools: ReadonlyMap<LaneToPlace, readonly string[]>): Map<string, number> {
  const counts = new Map<string, { lanes: number; agents: number }>()
  for (const lane of lanes) {
    const pool = pools.get(lane)!
    const count = counts.get(poolKey(pool)) ?? { lanes: 0, agents: pool.length }
    count.lanes += 1
    counts.set(poolKey(pool), count)
  }
  return new Map([...counts].map(([key, { lanes: count, agents }]) => [key, Math.ceil(count / agents)]))
}

function poolKey(pool: readonly string[]): string {
  return pool.join(' ')
}
