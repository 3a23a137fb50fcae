/**
 * How long the groups of a lane stand still while it moves from one agent to another, at work: by the log's own stamps, from the last turn
 * with work of the former holder to the first one of the next. Afterwards the log is judged: order, exactly once, holders, digests.
 */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type PlanChange, configureAgent } from '../../machines/agent/decide.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { RealmView } from '../../src/realm/view.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { StoredTurn } from '../checkers/read.ts'
import { eventually } from '../support/eventually.ts'
import { judged } from './common.ts'
import { rawAppends } from './raw.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, compared, figure, percentile } from './row.ts'
import type { BenchWorld } from './world.ts'

const holders = ['w1', 'w2'] as const
const executor = 'x'
const jobs = 40_000
const moves = 20
/** Between two moves, so that the groups are at their pace again. */
const runMs = 200

export async function laneMoveRows(world: BenchWorld): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const view = new RealmView(world.coordinator.log, world.subjects)
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of [...holders, executor]) await realm.start(agent, 'skilled', [agent])
    await configure(world, executor, { holdsLanes: false })
    const [lane] = [...(await realm.lanesHeldBy(holders)).keys()]
    const { group, seal } = await realm.open(lane!, Array.from({ length: jobs }, () => rehearsal(executor)))
    const holder = () => view.state.lanes.get(lane!)?.holder?.agent
    const from = await world.coordinator.log.end()
    await seal()
    await eventually(() => (view.state.group(group)?.position ?? 0) > 100, { what: 'the group at work', withinMs: 30_000 })
    for (let index = 0; index < moves; index++) {
      const former = holder()!
      await configure(world, former, { holdsLanes: false })
      await eventually(() => holder() !== undefined && holder() !== former, { what: `move ${index + 1} of lane ${lane}`, withinMs: 20_000, everyMs: 10 })
      // What is planned again moves other lanes back, and perhaps this one.
      await configure(world, former, { holdsLanes: null })
      await pause(systemClock, runMs)
    }
    if (view.state.group(group)?.phase !== 'running') throw new Error(`all ${jobs} jobs ended before the last move`)
    const turns = (await judged(world, { ended: false })).turns.filter((stored) => stored.lane === lane && stored.message.position > from)
    const gaps = gapsOf(turns)
    const rawMs = 1_000 / (await rawAppends(world.server.url, 1, 400, 1_000))
    const what = 'a lane moves while its group runs: from the last turn with work of one holder to the first of the next, to one raw append'
    const note = `${gaps.length} moves, each one LaneReleased and one LaneTaken; between two turns at other times ${intervalOf(turns)} ms (p50)`
    return [
      compared('lane-move', `${what} (p50)`, 'ms', percentile(gaps, 0.5), rawMs, note),
      compared('lane-move-p99', `${what} (p99)`, 'ms', percentile(gaps, 0.99), rawMs),
      figure('lane-move-most', 'the same, the longest', 'ms', Math.max(...gaps)),
    ]
  } finally {
    await view.stop()
    await realm.stop()
  }
}

/** Plans something else for an agent. */
export async function configure({ coordinator, subjects }: BenchWorld, agent: string, change: PlanChange): Promise<void> {
  await writeAggregate<AgentState, AgentEvent>(
    { log: coordinator.log, clock: systemClock, random: systemRandom },
    { subject: subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, change), actor: 'program:bench' },
  )
}

function works({ turn }: StoredTurn): boolean {
  return turn.commits.some(({ aggregate, events }) => aggregate === 'group' && events.some(({ type }) => type === 'JobSucceeded' || type === 'LockGranted'))
}

function gapsOf(turns: readonly StoredTurn[]): number[] {
  const gaps: number[] = []
  let lastWorkMs: number | undefined
  let released = false
  for (const stored of turns) {
    const types = stored.turn.commits.filter(({ aggregate }) => aggregate === 'lane').flatMap(({ events }) => events.map(({ type }) => type))
    if (types.includes('LaneTaken') && !released) throw new Error(`lane ${stored.lane} was taken without having been released`)
    if (works(stored)) {
      if (released && lastWorkMs !== undefined) gaps.push(stored.message.storedMs - lastWorkMs)
      released = false
      lastWorkMs = stored.message.storedMs
    }
    if (types.includes('LaneReleased')) released = true
  }
  return gaps
}

function intervalOf(turns: readonly StoredTurn[]): number {
  const stamps = turns.filter(works).map(({ message }) => message.storedMs)
  return percentile(stamps.slice(1).map((stamp, index) => stamp - stamps[index]!), 0.5)
}
