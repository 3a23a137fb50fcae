/** Agents that end at nearly the same time (Ctrl-C of `reeve up`): each has something to say in lanes that another one holds. Whole agents in virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openGrants } from '../../machines/execution-group/state.ts'
import { pause } from '../../streams/ports/clock.ts'
import { checkRun } from '../checkers/all.ts'
import { drillBefore } from './drill-before.ts'
import { World } from './world.ts'

let world: World
let callMs: (agent: string) => number
beforeEach(() => {
  world = new World()
  world.logDelayMs = 5
  callMs = () => 30
})
afterEach(() => world.end())

/** What `reeve up` gives each agent (`childGraceMs`, src/up/up.ts). */
const graceMs = 1_300
const agents = ['a', 'b', 'c']
const jobs = 400

const start = () => agents.forEach((agent) => world.start(agent, { adapterOf: () => drillBefore(() => pause(world.clock, callMs(agent))) }))
const lanes = () => world.view.state.realm.lanes.map(({ lane }) => lane)
const holder = (lane: string) => world.view.state.lanes.get(lane)?.holder?.agent
const position = (group: string) => world.view.state.group(group)!.position
const grants = (groups: readonly string[]) => groups.flatMap((group) => openGrants(world.view.state.group(group)!).map(({ agent }) => ({ agent, group })))
const succeeded = (group: string) => world.events.filter(({ id, type }) => id === group && type === 'JobSucceeded').length

async function atRest(): Promise<void> {
  start()
  await world.until('all lanes held', () => lanes().length > 0 && lanes().every((lane) => holder(lane) !== undefined))
  // Until the last agent has come, lanes are balanced among those that are there.
  await world.pass(10_000)
}

/** A group in each lane, their jobs spread over all agents. */
async function atWork(): Promise<readonly string[]> {
  await atRest()
  await world.addSite('site-1', 'drill://')
  const spec = (index: number) => ({ site: 'site-1', service: `s0000${1 + (index % 9)}`, operation: { name: 'rehearse' }, repeatable: true }) as const
  const groups: string[] = []
  for (const lane of lanes()) groups.push(await world.openGroup(lane, Array.from({ length: jobs }, (_, index) => spec(index)), 100))
  await world.until('all at work', () => groups.every((group) => position(group) > 5))
  return groups
}

/** Each is told so long after the one before. */
async function stopAll(order: readonly string[], apartMs: number): Promise<Readonly<Record<string, number>>> {
  const tookMs: Record<string, number> = {}
  for (const [index, agent] of order.entries()) {
    if (index > 0) await world.pass(apartMs)
    const toldMs = world.time.nowMs
    void world.members.get(agent)!.running.stop().then(() => (tookMs[agent] = world.time.nowMs - toldMs))
  }
  await world.until('all ended', () => Object.keys(tookMs).length === order.length, 60_000)
  return tookMs
}

const orders = agents.flatMap((first) => agents.filter((agent) => agent !== first).map((second) => [first, second, ...agents.filter((agent) => agent !== first && agent !== second)]))

it.each(orders.flatMap((order) => [1, 12, 150].map((apartMs) => ({ order: order.join(' '), apartMs }))))(
  'told in the order $order, $apartMs ms apart: each ends in time and on record, no grant stays open, and the next start goes on at once',
  async ({ order, apartMs }) => {
    const groups = await atWork()
    expect(grants(groups).some(({ agent, group }) => agent !== holder(group.slice(0, group.lastIndexOf('-'))))).toBe(true)
    const tookMs = await stopAll(order.split(' '), apartMs)
    for (const agent of agents) expect(tookMs[agent], agent).toBeLessThan(graceMs - 200)
    await world.pass(100)
    expect(grants(groups)).toEqual([])
    expect(world.events.filter(({ type }) => type === 'AgentStopped').map(({ id }) => id).sort()).toEqual(agents)
    const before = groups.map(position)
    start()
    await world.until('every group goes on', () => groups.every((group, index) => position(group) > before[index]!), 8_000)
    await world.until('all done', () => groups.every((group) => world.view.state.group(group)?.phase === 'completed'), 120_000)
    expect(groups.map(succeeded)).toEqual(groups.map(() => jobs))
    expect(groups.map((group) => world.returnedLost(group))).toEqual(groups.map(() => 0))
    expect(checkRun(await world.wholeLog(), { ended: true })).toEqual([])
  },
)

it('a call longer than anybody waits for: who holds its lane ends in time all the same', async () => {
  await atRest()
  await world.addSite('site-1', 'drill://')
  const lane = lanes()[0]!
  const holding = holder(lane)!
  callMs = (agent) => (agent === holding ? 30 : 5_000)
  const spec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const
  const group = await world.openGroup(lane, Array.from({ length: 20 }, () => spec), 100)
  await world.until('somebody else carries out a job of it', () => grants([group]).some(({ agent }) => agent !== holding))
  const tookMs = await stopAll(agents, 1)
  expect(tookMs[holding]).toBeLessThan(graceMs - 200)
})

it.each([0, 1, 4, 12])('at rest, %i ms apart: nobody waits for who has gone', async (apartMs) => {
  await atRest()
  const tookMs = await stopAll(agents, apartMs)
  for (const agent of agents) expect(tookMs[agent], agent).toBeLessThan(600)
  expect(world.events.filter(({ type }) => type === 'AgentStopped').map(({ id }) => id).sort()).toEqual(agents)
})

it('one of three is told: who takes its lanes asks for them, and it is gone as soon as before', async () => {
  await atWork()
  const told = agents.find((agent) => world.members.get(agent)!.running.leading === undefined && world.members.get(agent)!.running.held.length > 0)!
  expect(told).toBeDefined()
  const tookMs = await stopAll([told], 0)
  expect(tookMs[told]).toBeLessThan(300)
})
