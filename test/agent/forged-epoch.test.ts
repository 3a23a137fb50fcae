/** P27: a lane goes by epochs that are in the log of the realm, not by what a message says. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { toBytes } from '../../streams/coordination.ts'
import type { LaneCommand } from '../../streams/lane-protocol.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const jobs = Array.from({ length: 5 }, (_, index) => ({ site: 'site-1', service: `s${String(index + 1).padStart(5, '0')}`, operation: { name: 'rehearse' as const }, repeatable: true }))

it('a command of an epoch that nobody was elected for changes nothing, and shuts no leader out', async () => {
  for (const agent of ['a', 'b']) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
  await world.addSite('site-1', 'drill://', 'none')
  const first = await world.openGroup('here-1', jobs)
  const forged: LaneCommand = { builtOn: { incarnation: 1, number: 0 }, group: first, actor: 'person:x', epoch: 999_999, body: { kind: 'prioritize', priority: 7 } }
  world.observer.bus.publish(subjectsOf('reeve').toLane('here-1', 'command'), toBytes(forged))
  await world.pass(2_000)
  expect(world.view.state.lanes.get('here-1')?.epoch).toBeLessThan(999_999)
  await world.kill(world.leader()!.agent)
  const second = await world.openGroup('here-1', jobs)
  await world.until('both completed', () => [first, second].every((group) => world.view.state.group(group)?.phase === 'completed'), 120_000)
  expect(world.view.state.group(first)?.priority).toBe(0)
})
