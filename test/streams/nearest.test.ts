/** Which of several real servers a connection goes to [508]: the nearest with room, the next where it is away, and back. */
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { listenOf } from '../../streams/jetstream/nearest.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function server(configuration?: string): Promise<TestNatsServer> {
  const started = await TestNatsServer.start(configuration === undefined ? {} : { configuration })
  ending.push(() => started[Symbol.asyncDispose]())
  return started
}

async function link(...servers: TestNatsServer[]) {
  const opened = await openLink({ servers: servers.map(({ url }) => url), name: 'test', clock: systemClock })
  ending.push(() => opened.close())
  return opened
}

it('the nearest is taken; when it goes the next one is, and when it is back and asked for, the nearest again', async () => {
  const [near, far] = [await server(), await server()]
  const opened = await link(near, far)
  expect(opened.serverRank).toBe(0)
  await near.kill()
  await eventually(() => opened.state === 'connected' && opened.serverRank === 1, { what: 'the other server' })
  await near.start()
  opened.dialAnew()
  await eventually(() => opened.state === 'connected' && opened.serverRank === 0, { what: 'the nearest again' })
})

it('one that has fallen silent is not dialled first: its port still takes connections', async () => {
  const [near, far] = [await server(), await server()]
  const opened = await link(near, far)
  const changes: { readonly state: string; readonly atMs: number }[] = []
  opened.onState((state) => changes.push({ state, atMs: performance.now() }))
  near.freeze()
  await eventually(() => opened.state === 'connected' && opened.serverRank === 1, { what: 'the other server' })
  const [lost, found] = changes
  expect([lost?.state, found?.state]).toEqual(['disconnected', 'connected'])
  // Less than an attempt at the silent one is waited for (`openLink`).
  expect(found!.atMs - lost!.atMs).toBeLessThan(5_000)
})

it('one that is away at first is found later', async () => {
  const [near, far] = [await server(), await server()]
  await near.kill()
  const opened = await link(near, far)
  expect(opened.serverRank).toBe(1)
  await near.start()
  opened.dialAnew()
  await eventually(() => opened.state === 'connected' && opened.serverRank === 0, { what: 'the nearest' })
})

it('a server that has no room is passed over, at first and when one comes back to it', async () => {
  const [near, far] = [await server('max_connections: 1'), await server()]
  const occupant = await link(near)
  const opened = await link(near, far)
  expect(opened.serverRank).toBe(1)
  opened.dialAnew()
  await eventually(() => opened.state === 'connected', { what: 'a connection' })
  expect(opened.serverRank).toBe(1)
  await occupant.close()
  await eventually(
    () => {
      if (opened.state === 'connected' && opened.serverRank === 1) opened.dialAnew()
      return opened.state === 'connected' && opened.serverRank === 0
    },
    { what: 'room at the nearest', everyMs: 200 },
  )
})

it('a nearer server counts as back when it answers for the same realm, not before', async () => {
  const [near, far] = [await server(), await server()]
  const common = { realm: 'reeve', name: 'test', clock: systemClock, random: systemRandom, create: true, durability: { level: 'synced' } as const }
  const coordinator = await connectCoordinator({ ...common, servers: [near.url, far.url], regions: ['here', 'there'] })
  ending.push(() => coordinator.close())
  expect(coordinator.place).toMatchObject({ url: near.url, region: 'here', nearest: true })
  await near.kill()
  await eventually(() => coordinator.bus.link === 'connected' && !coordinator.place.nearest, { what: 'the other server' })
  expect(coordinator.place).toMatchObject({ url: far.url, region: 'there' })
  expect(await coordinator.place.nearerAnswers()).toBe(false)
  await near.start()
  await eventually(() => coordinator.place.nearerAnswers(), { what: 'an answer of the nearer server' })
})

it('a server that has nothing of this realm is none of its coordinators, however well it is', async () => {
  const [stranger, home] = [await server(), await server()]
  await stranger.kill()
  const coordinator = await connectCoordinator({
    servers: [stranger.url, home.url], realm: 'reeve', name: 'test', clock: systemClock, random: systemRandom, create: true, durability: { level: 'synced' },
  })
  ending.push(() => coordinator.close())
  await stranger.start()
  expect(coordinator.place.nearest).toBe(false)
  expect(await coordinator.place.nearerAnswers()).toBe(false)
})

it('servers are named as the client names them', () => {
  expect(listenOf('nats://127.0.0.1:4222')).toBe('127.0.0.1:4222')
  expect(listenOf('nats://Host')).toBe('host:4222')
  expect(listenOf('tls://[::1]:9')).toBe('[::1]:9')
})
