/** The server tells whose connection ended: soon, for each agent that shows itself, also after it was connected anew. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

let server: TestNatsServer
let watcher: NatsCoordinator
let told: string[]
const open: NatsCoordinator[] = []

beforeEach(async () => {
  server = await TestNatsServer.start()
  watcher = await connect('watcher')
  told = []
  watcher.ends.onEnd((agent) => told.push(agent))
  await watcher.bus.flush(5_000)
})
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
  await server[Symbol.asyncDispose]()
})

async function connect(name: string): Promise<NatsCoordinator> {
  const coordinator = await connectCoordinator({ servers: [server.url], realm: 'ends', name, clock: systemClock, random: systemRandom, create: true, durability: { level: 'synced' } })
  open.push(coordinator)
  return coordinator
}

async function shown(agent: string): Promise<NatsCoordinator> {
  const coordinator = await connect(agent)
  coordinator.ends.show(agent)
  await eventually(() => coordinator.ends.isShown, { what: `${agent} shown` })
  return coordinator
}

it('of the agent that is gone, and of no other', async () => {
  const [one] = [await shown('agent_1-x'), await shown('agent-2'), await connect('shows-nothing')]
  expect(told).toEqual([])
  await one.close()
  await eventually(() => told.length > 0, { what: 'the end told' })
  await open[2]!.close()
  await watcher.bus.flush(5_000)
  expect(told).toEqual(['agent_1-x'])
})

it('also where the agent was connected anew in between', async () => {
  const one = await shown('agent-1')
  await server.kill()
  await eventually(() => !one.ends.isShown && watcher.bus.link === 'disconnected', { what: 'both disconnected' })
  await server.start()
  await eventually(() => one.ends.isShown && watcher.bus.link === 'connected', { what: 'shown again', withinMs: 30_000 })
  await watcher.bus.flush(5_000)
  told.length = 0
  await one.close()
  await eventually(() => told.includes('agent-1'), { what: 'the end told' })
})

it('also where somebody deleted what tells it: that is made anew', async () => {
  const one = await shown('agent-1')
  const names = await one.connection.api<{ readonly consumers: readonly string[] }>('CONSUMER.NAMES.KV_ends_agents')
  const name = names.ok ? names.value.consumers.find((consumer) => consumer.startsWith('ends-')) : undefined
  await watcher.connection.api(`CONSUMER.DELETE.KV_ends_agents.${name}`)
  await eventually(() => !one.ends.isShown && told.length === 1, { what: 'the deletion heard' })
  await eventually(() => one.ends.isShown, { what: 'shown again' })
  await one.close()
  await eventually(() => told.length === 2, { what: 'the end told' })
  expect(told).toEqual(['agent-1', 'agent-1'])
})
