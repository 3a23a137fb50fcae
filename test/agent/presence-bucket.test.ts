/** P18: the bucket of presences is deleted while a realm runs. In virtual time; with a real server in `process.test.ts`. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const agents = ['a', 'b', 'c']
const instances = () => new Map(agents.flatMap((agent) => (world.members.has(agent) ? [[agent, world.members.get(agent)!.running.instance] as const] : [])))

/** Three agents at work on a group of the site, which does not fence. Returns the group. */
async function atWork(jobs: number): Promise<string> {
  world.logDelayMs = 5
  for (const agent of agents) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent).length === 4)
  await world.addSite('site-1', 'drill://', 'none')
  const group = await world.openGroup(
    'here-1',
    Array.from({ length: jobs }, (_, index) => ({ site: 'site-1', service: `s${String((index % 100) + 1).padStart(5, '0')}`, operation: { name: 'rehearse' as const }, repeatable: true })),
  )
  await world.until('an executor at work', () => (world.view.state.group(group)?.position ?? 0) > 20)
  return group
}

const presentInstances = async () =>
  (await world.drive(world.observer.agents.entries())).map(({ key }) => key).filter((key) => key.startsWith('instance.')).map((key) => key.slice('instance.'.length))

it('the leader makes it anew; everybody goes on as a new instance, nobody counts as lost, and the group ends', async () => {
  const group = await atWork(600)
  const leader = world.leader()!
  const { leading } = leader
  const former = instances()
  world.realm.deleteBucket('agents')
  await world.until('new instances', () => agents.every((agent) => instances().get(agent) !== former.get(agent)))
  await world.until('their starts in the log', () => agents.every((agent) => world.view.state.agents.get(agent)?.instance === instances().get(agent)))
  expect((await presentInstances()).sort()).toEqual([...instances().values()].sort())
  expect(world.leader()?.leading).toBe(leading)
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 120_000)
  expect(world.events.filter(({ type }) => type === 'AgentLost')).toEqual([])
  expect(world.lines.filter(({ agent, message }) => agent === leader.agent && message.startsWith('the bucket of presences was missing')).length).toBe(1)
})

it('every wait starts again: what a killed executor held is taken back only after whole waits from then on', async () => {
  const group = await atWork(600)
  const executor = world.view.state.group(group)!.assignments[0]!.agent
  await world.kill(executor)
  const { presenceMs, siteCallDeadlineMs } = world.view.state.realm.constants
  const leastMs = presenceMs * 1.1 + siteCallDeadlineMs * 1.1
  // It was found lost long ago, and the wait for its call is all but over.
  await world.pass(leastMs - presenceMs / 2)
  expect(world.view.state.agents.get(executor)?.phase).toBe('lost')
  expect(world.returnedLost(group)).toBe(0)
  const fromMs = world.time.nowMs
  world.realm.deleteBucket('agents')
  await world.until('the lock taken back', () => world.returnedLost(group) === 1, 120_000)
  expect(world.time.nowMs - fromMs).toBeGreaterThanOrEqual(leastMs)
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 120_000)
})

it('P20: a process that was cut off meanwhile finds another of its agent in the new bucket, and exits', async () => {
  world.start('a')
  await world.until('lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder?.agent === 'a').length === 4)
  const { running: first, client } = world.members.get('a')!
  world.realm.setReach(client, 'silent')
  world.realm.deleteBucket('agents')
  const second = world.start('a')
  await world.drive(world.observer.agents.ensure())
  await world.until('the later process in the log', () => world.view.state.agents.get('a')?.instance === second.instance, 120_000)
  world.realm.setReach(client, 'connected')
  expect(await world.drive(first.ended)).toEqual({ kind: 'replaced', by: second.instance })
  await world.until('its lanes held by the later', () => [...world.view.state.lanes.values()].every(({ holder }) => holder?.instance === second.instance))
})

it.each(['silent', 'disconnected'] as const)('P20: two processes of one agent that know nothing of each other (%s): they do not take the lease from one another over and over, and one stays', async (reach) => {
  world.start('a')
  await world.until('lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder?.agent === 'a').length === 4)
  const { running: first, client } = world.members.get('a')!
  world.realm.setReach(client, reach)
  const second = world.start('a')
  await world.pass(200)
  // Before the first could hear of the second, and before the second writes its name anew.
  world.realm.deleteBucket('agents')
  await world.pass(400)
  const before = elections()
  world.realm.setReach(client, 'connected')
  const left = await world.drive(Promise.race([first.ended.then((end) => ({ end, stays: second })), second.ended.then((end) => ({ end, stays: first }))]))
  expect(left.end).toEqual({ kind: 'replaced', by: left.stays.instance })
  await world.until('the other leads and holds all', () => left.stays.leading !== undefined && left.stays.held.length === 4)
  expect(elections() - before).toBeLessThanOrEqual(2)
})

const elections = () => world.events.filter(({ type }) => type === 'LeaderElected').length
