/**
 * Another program's way: a plain NATS client that imports nothing of ours asks what `nats micro ls`, `info` and `stats` ask, reads the
 * schemas there, and does with requests what the command line does. The service runs in a process of its own (`reeve serve`).
 */
import { once } from 'node:events'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'
import { startRealm, type TestRealm } from './realm.ts'

let server: TestNatsServer
let realm: TestRealm
let plain: NatsConnection
const services: ChildProcess[] = []
const started: ChildProcess[] = []

beforeAll(async () => {
  server = await TestNatsServer.start()
  const connectRealm = (name: string) =>
    connectCoordinator({ servers: [server.url], realm: 'reeve', name, clock: systemClock, random: systemRandom, create: true, durability: { level: 'synced' } })
  realm = await startRealm({ connect: connectRealm })
  services.push(await startServiceProcess('one'), await startServiceProcess('two'))
  plain = await connect({ servers: server.url })
})

afterAll(async () => {
  await plain?.close()
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await realm?.stop()
  await server?.[Symbol.asyncDispose]()
})

async function startServiceProcess(service: string): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('./service-process.ts', import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify({ servers: [server.url], realm: 'reeve', service, region: 'here' })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  started.push(child)
  for await (const line of createInterface({ input: child.stdout! })) if (line === 'ready') return child
  throw new Error('the service process ended without being ready')
}

const decode = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data))

async function gather(subject: string, count: number): Promise<any[]> {
  const answers: any[] = []
  for await (const message of await plain.requestMany(subject, '', { strategy: 'count', maxMessages: count, maxWait: 60_000 } as never)) answers.push(decode(message.data))
  return answers
}

const ask = async (subject: string, body?: unknown) => decode((await plain.request(subject, body === undefined ? '' : JSON.stringify(body), { timeout: 60_000 })).data)

test('nats micro ls and info find the endpoints with their schemas', async () => {
  const pings = await gather('$SRV.PING', 2)
  expect(pings.map(({ name, type, metadata }) => [name, type, metadata.service]).toSorted()).toEqual([
    ['reeve', 'io.nats.micro.v1.ping_response', 'one'],
    ['reeve', 'io.nats.micro.v1.ping_response', 'two'],
  ])
  const [info] = await gather('$SRV.INFO.reeve', 1)
  const endpoints = new Map<string, any>(info.endpoints.map((endpoint: any) => [endpoint.subject, endpoint]))
  for (const name of ['site.add', 'site.list', 'site.show', 'site.remove', 'service.list', 'service.show', 'change.plan', 'change.apply', 'group.list', 'group.show', 'group.jobs', 'group.retry', 'group.cancel', 'group.resolve', 'command.withdraw', 'agent.list', 'agent.show', 'lane.list', 'log.read', 'machine.list', 'realm.show']) {
    const endpoint = endpoints.get(`reeve.api.v1.${name}`)
    expect(endpoint, name).toBeDefined()
    const request = JSON.parse(endpoint.metadata.request)
    expect(request).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false })
    const answer = JSON.parse(endpoint.metadata.answer)
    expect(answer.anyOf.map((one: any) => one.properties.ok.const)).toEqual([true, false])
    expect(endpoint.metadata.summary).toMatch(/./)
    expect(['query', 'command']).toContain(endpoint.metadata.kind)
  }
  const schema = JSON.parse(endpoints.get('reeve.api.v1.site.add').metadata.request)
  expect(schema.required).toEqual(['site', 'kind', 'address'])
  expect(schema.properties.site.pattern).toBe('^[A-Za-z0-9_-]{1,64}$')
})

test('a request does what the command line does, the feed says what happens, log.read what happened', async () => {
  const heard: any[] = []
  const subscription = plain.subscribe('reeve.feed.>', { callback: (_error, message) => void heard.push({ subject: message.subject, ...decode(message.data) }) })
  await plain.flush()
  expect(await ask('reeve.api.v1.site.add', { site: 'drill', kind: 'drill', address: 'drill://?services=3', actor: 'person:plain' })).toMatchObject({ ok: true, services: 3 })
  const planned = await ask('reeve.api.v1.change.plan', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' } })
  expect(planned).toMatchObject({ ok: true, jobs: 3, page: [{ service: 's00001' }, { service: 's00002' }, { service: 's00003' }] })
  const applied = await ask('reeve.api.v1.change.apply', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' }, plan: planned.plan })
  expect(applied).toMatchObject({ ok: true, jobs: 3 })
  const { state } = await ask('reeve.api.v1.group.show', { group: applied.group })
  expect(state).toMatchObject({ phase: 'running', pending: [[1, 3]] })
  const read = await ask('reeve.api.v1.log.read', { from: 1 })
  const types = read.turns.flatMap(({ turn }: any) => turn.commits.flatMap((commit: any) => commit.events.map((event: any) => event.type)))
  expect(types).toEqual(expect.arrayContaining(['RealmFounded', 'SiteAdded', 'InstructionTaken', 'GroupOpened', 'JobsAdded', 'GroupSealed']))
  await eventually(() => heard.some(({ commit }) => commit.events.some((event: any) => event.type === 'GroupSealed')))
  subscription.unsubscribe()
  // What the feed said is what the log holds, at the position that it named.
  for (const { subject, position, commit } of heard) {
    expect(subject).toBe(`reeve.feed.${commit.aggregate}.${commit.id}`)
    expect(read.turns.find((shown: any) => shown.position === position).turn.commits).toContainEqual(commit)
  }
})

test('an empty request is an empty object; what is malformed is said in one line', async () => {
  expect(await ask('reeve.api.v1.realm.show')).toMatchObject({ ok: true, name: 'reeve' })
  expect(await ask('reeve.api.v1.site.show')).toMatchObject({ ok: false, error: { code: 'malformed', retryable: false } })
  const garbled = decode((await plain.request('reeve.api.v1.site.list', 'not json')).data)
  expect(garbled).toMatchObject({ ok: false, error: { code: 'malformed' } })
})

test('no answer exceeds what one message may hold, also of 50,000 jobs and of a long log', async () => {
  await ask('reeve.api.v1.site.add', { site: 'huge', kind: 'drill', address: 'drill://?services=50000' })
  const applied = decode((await plain.request('reeve.api.v1.change.apply', JSON.stringify({ selector: { sites: ['huge'] }, operation: { name: 'rehearse' } }), { timeout: 120_000 })).data)
  expect(applied).toMatchObject({ ok: true, jobs: 50_000 })
  const jobs = await ask('reeve.api.v1.group.jobs', { group: applied.group, after: 49_000, limit: 1_000 })
  expect(jobs).toMatchObject({ next: null })
  expect(jobs.jobs).toHaveLength(1_000)
  let adds = 0
  for (let from = 1, complete = false; !complete; ) {
    const message = await plain.request('reeve.api.v1.log.read', JSON.stringify({ from, limit: 1_000 }), { timeout: 60_000 })
    expect(message.data.length).toBeLessThanOrEqual(960 * 1_024)
    const page = decode(message.data)
    adds += JSON.stringify(page).split('"JobsAdded"').length - 1
    complete = page.complete
    from = page.next
  }
  expect(adds).toBeGreaterThan(50)
  const services = await ask('reeve.api.v1.service.list', { site: 'huge', limit: 1_000 })
  expect(services).toMatchObject({ ok: true, next: expect.stringContaining('huge/') })
})

test('kill -9 of the service in the middle of opening 50,000 jobs: another one finishes the very same plan', async () => {
  const killed = services.splice(0)
  const group = new Promise<string>((resolve) => {
    let parts = 0
    const subscription = plain.subscribe('reeve.feed.group.*', {
      callback: (_error, message) => {
        const { commit } = decode(message.data)
        if (commit.events.some((event: any) => event.type === 'JobsAdded')) parts += 1
        if (parts < 20) return
        subscription.unsubscribe()
        for (const child of killed) child.kill('SIGKILL')
        resolve(commit.id)
      },
    })
  })
  let answered = false
  void plain.request('reeve.api.v1.change.apply', JSON.stringify({ selector: { sites: ['huge'] }, operation: { name: 'rehearse' }, name: 'Killed', window: 3 }), { timeout: 120_000 }).then(() => (answered = true), () => {})
  const id = await group
  services.push(await startServiceProcess('four'))
  const shown = await eventually(async () => {
    const answer = await ask('reeve.api.v1.group.show', { group: id })
    return answer.ok && answer.state.phase === 'running' ? answer.state : undefined
  }, { what: 'the group that another service finishes' })
  expect(shown).toMatchObject({ jobs: 50_000, name: 'Killed', window: 3, pending: [[1, 50_000]] })
  expect(answered).toBe(false)
  services.push(await startServiceProcess('five'))
})

test('SIGTERM: a service ends with code 0, the other goes on answering, a third takes its place', async () => {
  const [first] = services
  const exited = once(first!, 'exit')
  first!.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  for (let index = 0; index < 5; index++) expect(await ask('reeve.api.v1.realm.show')).toMatchObject({ ok: true, service: { id: 'five' } })
  services.push(await startServiceProcess('six'))
  expect((await gather('$SRV.PING.reeve', 2)).map(({ metadata }) => metadata.service).toSorted()).toEqual(['five', 'six'])
})
