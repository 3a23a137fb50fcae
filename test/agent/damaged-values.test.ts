/** I11: what lies in the buckets may be damaged while a realm runs. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const agents = ['a', 'b', 'c']
const strangers = ['instance.zz', 'agent.zz', 'lane.zz-1', 'snapshot.zz', 'agent.x.y']

it.each(['not JSON', 'null', '{}', '{"agent":5,"instance":null,"configuration":{},"signature":{}}'])('every value, and some that nobody knows, become %s: nobody ends, one leads, and the work goes on', async (text) => {
  for (const agent of agents) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
  await world.addSite('site-1', 'drill://', 'none')
  const damaged = new TextEncoder().encode(text)
  const { agents: presences, lease, config, mappings } = world.observer
  for (const bucket of [presences, lease, config, mappings]) {
    for (const { key } of await world.drive(bucket.entries())) await world.drive(bucket.put(key, damaged))
    for (const key of strangers) await world.drive(bucket.put(key, damaged))
  }
  await world.pass(30_000)
  expect([...world.members.keys()]).toEqual(agents)
  expect(world.leader()).toBeDefined()
  const group = await world.openGroup(
    'here-1',
    Array.from({ length: 20 }, (_, index) => ({ site: 'site-1', service: `s${String(index + 1).padStart(5, '0')}`, operation: { name: 'rehearse' as const }, repeatable: true })),
  )
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 120_000)
})
