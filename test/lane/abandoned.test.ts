/** P14, P16: groups whose parts stopped coming are abandoned, however many of them at once, on a realm in memory in virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { laneClient } from '../../src/lane/client.ts'
import { newUlid } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import { World } from '../agent/world.ts'

let world: World
beforeEach(() => {
  world = new World()
})
afterEach(() => world.end())

it('more of them than one turn holds', async () => {
  for (const agent of ['a', 'b']) world.start(agent)
  await world.until('a lane held', () => [...world.view.state.lanes.values()].some(({ phase }) => phase === 'held'))
  const [lane, { holder }] = [...world.view.state.lanes].find(([, { phase }]) => phase === 'held')!
  const lanes = laneClient({ bus: world.observer.bus, subjects: world.subjects })
  const groups = Array.from({ length: 3_000 }, () => groupId(lane, newUlid(world.clock.nowMs(), world.dice)))
  const open = { kind: 'open' as const, name: 'a group', jobs: 1, parts: 1, plan: '0'.repeat(64), window: 1, region: 'here', distributionFactor: 1 }
  const answers = await world.drive(Promise.all(groups.map((group) => lanes.send(lane, { builtOn: { incarnation: 1, number: 0 }, group, actor: 'program:test', body: open }))))
  expect(answers.every(({ kind }) => kind === 'done')).toBe(true)
  await world.until('all abandoned', () => groups.every((group) => world.view.state.group(group)?.phase === 'abandoned'), 600_000)
  expect(world.view.state.lanes.get(lane)!.holder).toEqual(holder)
})
