/** Direct changes among agents, in virtual time: the leader leaves them to the service, and closes the grant of a lost one (P26). */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { apiClient } from '../../src/service/client.ts'
import { type RunningService, startService } from '../../src/service/service.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { drillBefore } from './drill-before.ts'
import { World } from './world.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const change: ApiRequest<'change', 'apply'> = { selector: { services: ['site-1/s00001'] }, operation: { name: 'rehearse' } }

let world: World
let services: RunningService[]
/** Calls at the site, by service. */
let calls: string[]
beforeEach(async () => {
  world = new World()
  services = []
  calls = []
  for (const agent of ['a', 'b', 'c']) world.start(agent)
  await world.addSite('site-1', 'drill://')
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
})
afterEach(async () => {
  await world.drive(Promise.all(services.map((service) => service.stop())))
  await world.end()
})

async function serve(service: string, hangs = false): Promise<Coordinator> {
  const { clock, subjects, dice } = world
  const coordinator = world.realm.connect({ name: service, clock })
  const adapter = drillBefore(async () => {
    calls.push(service)
    if (hangs) await new Promise(() => {})
  })
  const starting = startService({ coordinator, subjects, clock, random: dice.stream(service), logger: silent, service, build: '0.1.0', region: 'here', adapterOf: () => adapter })
  services.push(await world.drive(starting))
  return coordinator
}

const client = () => apiClient(world.observer.bus, world.subjects, { clock: world.clock, random: world.dice.stream('client'), actor: 'person:tester' })
const directGroup = () => [...world.view.state.groups()].find(({ mode }) => mode === 'direct')

it('the service carries it out, while leader and agents are there', async () => {
  await serve('s1')
  const applied = await world.drive(client().call('change', 'apply', change))
  expect(applied).toMatchObject({ mode: 'direct', result: { job: 'succeeded' } })
  expect(world.executors(applied.group!)).toEqual(['s1'])
  expect(world.events.filter(({ id, type }) => id === applied.group && type === 'JobsAssigned').map(({ data }) => data)).toEqual([{ assignments: [{ first: 1, last: 1, agent: 's1' }] }])
})

it('P26: of a service that is lost in mid-call the leader closes the grant: failed, and not done anew by anybody', async () => {
  const connection = await serve('s1', true)
  const asked = client().answer('change', 'apply', change)
  await world.until('the call at the site', () => calls.length === 1)
  await serve('s2')
  await connection.close()
  await world.until('the expiry', () => directGroup()!.phase === 'blocked', 60_000)
  expect(directGroup()).toMatchObject({ failed: [{ job: 1, reason: { code: 'executor-lost' } }], grant: null })
  // Whoever repeats the command, which the client does by itself, hears that.
  const answer = await world.drive(asked)
  expect(answer).toMatchObject(answer.ok ? { result: { job: 'failed', reason: { code: 'executor-lost' } } } : { error: { code: 'may-still-happen' } })
  expect(calls).toEqual(['s1'])
  expect(world.executors(directGroup()!.group)).toEqual(['s1'])
})

it('a service is given neither lanes nor jobs, also when nobody else is left', async () => {
  await serve('s1')
  for (const agent of ['a', 'b', 'c']) await world.kill(agent)
  world.start('d')
  await world.until('the lanes held by d', () => [...world.view.state.lanes.values()].every(({ holder }) => holder?.agent === 'd'), 120_000)
  const spec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const
  const group = await world.openGroup('here-1', [spec, spec])
  await world.until('the group done', () => world.view.state.group(group)!.phase === 'completed')
  expect(new Set(world.executors(group))).toEqual(new Set(['d']))
})
