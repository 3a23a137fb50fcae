/** P18: what a lost executor held, when its leader goes too. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

it('a leader that is elected after another found the executor lost waits for its calls anew, and for its presence no more', async () => {
  world.logDelayMs = 5
  for (const agent of ['a', 'b', 'c', 'd']) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent).length === 4)
  await world.addSite('site-1', 'drill://', 'none')
  const group = await world.openGroup(
    'here-1',
    Array.from({ length: 600 }, (_, index) => ({ site: 'site-1', service: `s${String((index % 100) + 1).padStart(5, '0')}`, operation: { name: 'rehearse' as const }, repeatable: true })),
  )
  await world.until('an executor at work', () => (world.view.state.group(group)?.position ?? 0) > 20)
  const executor = world.view.state.group(group)!.assignments[0]!.agent
  await world.kill(executor)
  await world.until('it is found lost', () => world.view.state.agents.get(executor)?.phase === 'lost', 60_000)
  const elections = world.events.filter(({ type }) => type === 'LeaderElected').length
  await world.kill(world.leader()!.agent)
  await world.until('another leader', () => world.events.filter(({ type }) => type === 'LeaderElected').length > elections, 60_000)
  const fromMs = world.time.nowMs
  await world.until('the lock taken back', () => world.returnedLost(group) === 1, 60_000)
  const tookMs = world.time.nowMs - fromMs
  const leastMs = 1.1 * world.view.state.realm.constants.siteCallDeadlineMs
  expect(tookMs).toBeGreaterThanOrEqual(leastMs)
  expect(tookMs).toBeLessThanOrEqual(leastMs + 1_000)
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 60_000)
})
