/** Anybody may publish to a lane: a command that has no documented form is refused, stands nowhere, and the holder goes on. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const job = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const

it('is refused as malformed', async () => {
  world.start('a')
  await world.until('lanes held', () => world.view.state.realm.lanes.length > 0 && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
  await world.addSite('site-1', 'drill://')
  const group = 'here-1-01J0000000000000000000GRP1'
  const envelope = { builtOn: { incarnation: 1, number: 0 }, group, actor: 'person:p' }
  const plan = 'a'.repeat(64)
  const bodies = [{ kind: 'add', plan, part: 1, jobs: [{ ...job, skill: 'drill' }] }, { kind: 'add', plan, part: 1, jobs: [{ ...job, operation: 'rehearse' }] }, { kind: 'expire', grant: '5' }, 'pause', null]
  for (const data of [...bodies.map((body) => toBytes({ ...envelope, body })), new TextEncoder().encode('no JSON')]) {
    const asked = await world.drive(world.observer.bus.ask(world.subjects.toLane('here-1', 'command'), data, { timeoutMs: 2_000 }))
    expect(asked.kind === 'answer' ? fromBytes(asked.data) : asked).toMatchObject({ kind: 'refused', code: 'malformed' })
  }
  expect(world.events.filter(({ id }) => id === group)).toEqual([])
  const whole = await world.openGroup('here-1', [job])
  await world.until('completed', () => world.view.state.group(whole)?.phase === 'completed')
})
