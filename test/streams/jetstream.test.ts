/** What the JetStream adapter adds to the ports, against a real server. */
import { Objm } from '@nats-io/obj'
import { connect, createInbox } from 'nats'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { digestOf } from '../../streams/codec.ts'
import { JetStreamBucket } from '../../streams/jetstream/bucket.ts'
import { connectCoordinator, type ConnectOptions } from '../../streams/jetstream/connect.ts'
import { durabilityOfServers } from '../../streams/jetstream/durability.ts'
import { apiCodes, appendOutcomeOfCode } from '../../streams/jetstream/error-codes.ts'
import { removeLeftReaders } from '../../streams/jetstream/left-readers.ts'
import { aboutObject, aboutSubject, chunkSubject } from '../../streams/jetstream/objects.ts'
import type { Link } from '../../streams/jetstream/link.ts'
import { messageFromLeader, millisecondsOf } from '../../streams/jetstream/stored.ts'
import {
  bucketDefinition, differences, eventsDefinition, NoSuchRealm, realmDefinitions, reportOf, WrongDefinition,
} from '../../streams/jetstream/streams-definition.ts'
import type { BucketChange } from '../../streams/ports/bucket.ts'
import { Damaged } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { realmOnJetStream, type JetStreamRealm } from '../conformance/jetstream-realm.ts'
import { bytesOf, textOf } from '../conformance/realm.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const subjects = subjectsOf('reeve')
const lane = subjects.lane('here-1')

describe('on one server', () => {
  let realm: JetStreamRealm
  beforeEach(async () => {
    realm = await realmOnJetStream()
  })
  afterEach(async () => {
    await realm[Symbol.asyncDispose]()
  })

  const options = (more: Partial<ConnectOptions> = {}): ConnectOptions => ({
    servers: [realm.server.url],
    realm: 'reeve',
    name: 'test',
    clock: systemClock,
    random: systemRandom,
    ...more,
  })

  test('what is created is what is compared, field by field', async () => {
    const { connection, log } = await realm.connect('first')
    for (const definition of realmDefinitions(subjects, log.incarnation)) {
      expect(await reportOf(connection, definition)).toEqual({ stream: definition.name, present: true, replicas: 1, differences: [] })
    }
    const absent = await reportOf(connection, eventsDefinition(subjects, 9))
    expect(absent).toEqual({ stream: 'REEVE_EVENTS_9', present: false, replicas: undefined, differences: [] })
  })

  test('a watch that the server has no room for begins when it has', async () => {
    const { connection } = await realm.connect('first')
    expect(await connection.api('STREAM.CREATE.KV_tight', { name: 'KV_tight', subjects: ['$KV.tight.>'], max_msgs_per_subject: 1, max_consumers: 1 })).toMatchObject({ ok: true })
    const bucket = new JetStreamBucket(connection, 'tight', { expires: false, ensure: () => Promise.resolve() })
    const first = bucket.watch(() => {})
    await eventually(async () => (await consumersOf(connection, 'KV_tight')) === 1, { what: 'the first watch' })
    const fails = vi.spyOn(connection.reading, 'fails')
    const heard: BucketChange[] = []
    const second = bucket.watch((change) => heard.push(change))
    await eventually(() => fails.mock.calls.some(([, reason]) => /consumer/.test(reason)), { what: 'a refusal' })
    first.stop()
    await bucket.put('key', bytesOf('value'))
    await eventually(() => heard.some((change) => change.kind === 'set'), { what: 'what the second watch hears' })
    second.stop()
  })

  test('a program refuses a log that was configured otherwise, and names the field', async () => {
    const { connection, log } = await realm.connect('first')
    const answer = await connection.api<{ config: Record<string, unknown> }>(`STREAM.INFO.${log.stream}`)
    if (!answer.ok) throw new Error(answer.error.description)
    await connection.api(`STREAM.UPDATE.${log.stream}`, { ...answer.value.config, allow_direct: true, max_msgs: 1_000_000, description: 'free to differ' })
    const refused = connectCoordinator(options())
    await expect(refused).rejects.toBeInstanceOf(WrongDefinition)
    await expect(refused).rejects.toMatchObject({ differences: [{ field: 'max_msgs', actual: 1_000_000 }, { field: 'allow_direct', actual: true }] })
    await expect(refused).rejects.toThrow(/^stream REEVE_EVENTS_1 has max_msgs = 1000000 where -1 is needed \(and 1 more\): .*$/)
  })

  test('a realm that is not there is an error unless it is to be created', async () => {
    await expect(connectCoordinator(options({ realm: 'other' }))).rejects.toBeInstanceOf(NoSuchRealm)
  })

  test('realms share a server', async () => {
    const { log } = await realm.connect('first')
    const other = await connectCoordinator(options({ realm: 'other', create: true }))
    expect(await other.log.append({ subject: subjectsOf('other').lane('l'), bytes: bytesOf('x'), expectedLast: 0 })).toEqual({ kind: 'landed', position: 1 })
    expect(await log.end()).toBe(0)
    await other.close()
  })

  test('P12: the highest incarnation is the log', async () => {
    await realm.connect('first')
    await realm.raiseIncarnation()
    const { log } = await realm.connect('second')
    expect([log.incarnation, log.stream]).toEqual([2, 'REEVE_EVENTS_2'])
  })

  test('a reader goes on when its consumer was taken away or its connection cut, over thousands of messages', async () => {
    const { log, connection } = await realm.connect('first')
    const total = 12_000
    for (let i = 1; i <= total; i++) {
      connection.connection.publish(lane, bytesOf(`${i}`))
      if (i % 1_000 === 0) await connection.connection.flush()
    }
    await eventually(async () => (await log.end()) === total, { what: 'storing, each write synced,' })
    const seen: string[] = []
    let cuts = 0
    for await (const batch of log.read({ subjects: [lane], from: 1, until: total })) {
      for (const message of batch) seen.push(`${message.position}:${textOf(message.bytes)}`)
      if (seen.length > 500 && cuts === 0) {
        cuts++
        const names = await connection.api<{ consumers: string[] }>(`CONSUMER.NAMES.${log.stream}`)
        if (!names.ok) throw new Error(names.error.description)
        for (const name of names.value.consumers) await connection.api(`CONSUMER.DELETE.${log.stream}.${name}`)
      } else if (seen.length > 3_000 && cuts === 1) {
        cuts++
        realm.proxy.cut()
      }
    }
    expect(cuts).toBe(2)
    expect(seen).toEqual(Array.from({ length: total }, (_, i) => `${i + 1}:${i + 1}`))
    // It leaves no consumer behind on a connection that lives.
    await eventually(async () => {
      const names = await connection.api<{ total: number }>(`CONSUMER.NAMES.${log.stream}`)
      return names.ok && names.value.total <= 1
    })
  })

  test('snapshots and texts are read without a consumer, whole also where others wrote in between; one that lost a piece comes short', async () => {
    const { snapshots, texts, connection } = await realm.connect('first')
    const second = await realm.connect('second')
    expect(await snapshots.names()).toEqual([])
    const large = (seed: number) => new Uint8Array(2_500_000).map((_, index) => (index * seed) >> 3)
    const [one, two] = [large(7), large(11)]
    await Promise.all([snapshots.put('one', one), second.snapshots.put('two', two), texts.put(one), second.texts.put(two)])
    const asked: string[] = []
    connection.connection.subscribe('$JS.API.CONSUMER.>', { callback: (_, { subject }) => void asked.push(subject) })
    await connection.connection.flush()
    for (const [name, bytes] of [['one', one], ['two', two]] as const) expect(Buffer.compare((await second.snapshots.get(name))!, bytes)).toBe(0)
    for (const bytes of [one, two]) expect(Buffer.compare((await texts.get(digestOf(bytes)))!, bytes)).toBe(0)
    expect(await snapshots.names()).toEqual(['one', 'two'])
    await connection.connection.flush()
    expect(asked).toEqual([])

    const about = await aboutObject(connection, 'reeve_snapshots', 'one')
    const piece = await messageFromLeader(connection, 'OBJ_reeve_snapshots', { seq: 10, next_by_subj: chunkSubject('reeve_snapshots', about!.nuid) })
    expect(await connection.api('STREAM.MSG.DELETE.OBJ_reeve_snapshots', { seq: piece!.sequence })).toMatchObject({ ok: true })
    expect((await snapshots.get('one'))!.length).toBe(one.length - piece!.data.length)
  })

  test.each(['{"name":', 'null', '"x"', '{}', '{"name":"one","nuid":"x","chunks":1,"size":1e15}', '{"name":"one","nuid":"x","chunks":1e9,"size":1e14}'])('an object that is described by %s is none, and is put and removed as others are', async (description) => {
    const { snapshots, texts, connection } = await realm.connect('first')
    const text = bytesOf('text')
    const digest = await texts.put(text)
    const damage = async () => {
      await snapshots.put('one', text)
      connection.connection.publish(aboutSubject('reeve_snapshots', 'one'), bytesOf(description))
      connection.connection.publish(aboutSubject('reeve_texts', digest), bytesOf(description))
      await eventually(async () => (await snapshots.get('one')) === undefined && (await texts.get(digest)) === undefined)
    }
    await damage()
    expect(await snapshots.names()).toEqual([])
    await snapshots.put('one', text)
    expect(await texts.put(text)).toBe(digest)
    for (const bytes of [await snapshots.get('one'), await texts.get(digest)]) expect(textOf(bytes!)).toBe('text')
    await damage()
    await snapshots.remove('one')
    await texts.putMany([text])
    expect(textOf((await texts.get(digest))!)).toBe('text')
  })

  test('a large object comes as it is, from any server that has all of it, else from the leader', async () => {
    const { snapshots, connection } = await realm.connect('first')
    const large = Uint8Array.from({ length: 20 * 128 * 1024 + 5 }, (_, index) => index % 251)
    await snapshots.put('large', large)
    let asked = { direct: 0, leader: 0 }
    connection.connection.subscribe('$JS.API.DIRECT.GET.OBJ_reeve_snapshots', { callback: () => void (asked.direct += 1) })
    connection.connection.subscribe('$JS.API.STREAM.MSG.GET.OBJ_reeve_snapshots', { callback: () => void (asked.leader += 1) })
    const got = async () => {
      asked = { direct: 0, leader: 0 }
      const bytes = (await snapshots.get('large'))!
      await connection.connection.flush()
      return bytes
    }
    expect(Buffer.compare(await got(), large)).toBe(0)
    expect(asked).toEqual({ direct: 21, leader: 1 })

    const allow = async (allow_direct: boolean) => {
      const answer = await connection.api<{ config: Record<string, unknown> }>('STREAM.INFO.OBJ_reeve_snapshots')
      if (!answer.ok) throw new Error(answer.error.description)
      expect(await connection.api('STREAM.UPDATE.OBJ_reeve_snapshots', { ...answer.value.config, allow_direct })).toMatchObject({ ok: true })
    }
    await allow(false)
    expect(Buffer.compare(await got(), large)).toBe(0)
    expect(asked).toEqual({ direct: 1, leader: 22 })
    await allow(true)

    const { nuid } = (await aboutObject(connection, 'reeve_snapshots', 'large'))!
    const piece = await messageFromLeader(connection, 'OBJ_reeve_snapshots', { seq: 5, next_by_subj: chunkSubject('reeve_snapshots', nuid) })
    expect(await connection.api('STREAM.MSG.DELETE.OBJ_reeve_snapshots', { seq: piece!.sequence })).toMatchObject({ ok: true })
    expect((await got()).length).toBe(large.length - piece!.data.length)
    expect(asked.leader).toBeGreaterThan(20)
  })

  test('a text that lost a piece is made whole by whoever puts it again', async () => {
    const { texts, connection } = await realm.connect('first')
    const text = bytesOf('text')
    const digest = await texts.put(text)
    for (const put of [() => texts.put(text), () => texts.putMany([text])]) {
      const { nuid } = (await aboutObject(connection, 'reeve_texts', digest))!
      expect(await connection.api('STREAM.PURGE.OBJ_reeve_texts', { filter: chunkSubject('reeve_texts', nuid) })).toMatchObject({ ok: true })
      await expect(texts.get(digest)).rejects.toThrow(Damaged)
      await put()
      expect(textOf((await texts.get(digest))!)).toBe('text')
    }
  })

  test('I11: the whole store of snapshots may be deleted, and comes back with the next one', async () => {
    const { snapshots, connection } = await realm.connect('first')
    await snapshots.put('one', bytesOf('text'))
    expect(await connection.api('STREAM.DELETE.OBJ_reeve_snapshots')).toMatchObject({ ok: true })
    await snapshots.remove('one')
    expect(await snapshots.get('one')).toBeUndefined()
    await snapshots.put('two', bytesOf('next'))
    expect(await snapshots.names()).toEqual(['two'])
    await snapshots.remove('two')
    expect(await snapshots.names()).toEqual([])
  })

  test('readers that former builds left on a stream of objects are removed, those that somebody hears are not', async () => {
    const { snapshots, connection } = await realm.connect('first')
    await removeLeftReaders(connection, 'reeve_snapshots')
    await snapshots.put('a', bytesOf('text'))
    const store = await new Objm(connection.connection).open('reeve_snapshots')
    expect(textOf((await store.getBlob('a'))!)).toBe('text')
    const stream = 'OBJ_reeve_snapshots'
    const inbox = createInbox()
    connection.connection.subscribe(inbox)
    const make = (name: string, deliver: string) =>
      connection.api(`CONSUMER.CREATE.${stream}.${name}`, { stream_name: stream, config: { name, deliver_subject: deliver, ack_policy: 'none', inactive_threshold: 300_000_000_000 } })
    // More than the server lists in one answer.
    await make('heard', inbox)
    for (let index = 0; index < 300; index++) await make(`left-${index}`, createInbox())
    const names = () => connection.api<{ total: number; consumers: string[] }>(`CONSUMER.NAMES.${stream}`)
    expect(await names()).toMatchObject({ ok: true, value: { total: 302 } })
    await removeLeftReaders(connection, 'reeve_snapshots')
    expect(await names()).toMatchObject({ ok: true, value: { total: 1, consumers: ['heard'] } })
  })

  test('a frozen server: the append is indeterminate, and lands when the server goes on', async () => {
    const { log } = await realm.connect('first')
    realm.server.freeze()
    expect(await log.append({ subject: lane, bytes: bytesOf('x'), expectedLast: 0 })).toEqual({ kind: 'indeterminate', reason: 'timeout' })
    realm.server.thaw()
    expect(await eventually(() => log.last(lane))).toMatchObject({ position: 1 })
  })

  test('a watch tells what went without a marker while it was cut off', async () => {
    const near = await realm.connect('near')
    await near.config.put('a', bytesOf('1'))
    await near.config.put('b', bytesOf('1'))
    const seen: string[] = []
    const watch = near.config.watch((change) => seen.push(change.kind === 'set' ? `${change.entry.key} set` : change.kind === 'gone' ? `${change.key} gone` : 'current'))
    await eventually(() => seen.includes('current'))
    const direct = await connectCoordinator(options())
    realm.proxy.cut(true)
    await eventually(() => near.bus.link === 'disconnected')
    await direct.connection.api('STREAM.PURGE.KV_reeve_config', { filter: '$KV.reeve_config.a' })
    realm.proxy.admit()
    await eventually(() => seen.length >= 5)
    expect(seen).toEqual(['a set', 'b set', 'current', 'a gone', 'current'])
    watch.stop()
    await direct.close()
  })

  test('a watch goes on when its bucket was made anew, with revisions that begin again (P18)', async () => {
    const near = await realm.connect('near')
    for (let i = 0; i < 5; i++) await near.agents.put('a', bytesOf(`${i}`))
    await near.agents.put('b', bytesOf('x'))
    const seen: string[] = []
    const watch = near.agents.watch((change) => seen.push(change.kind === 'set' ? `${change.entry.key}=${textOf(change.entry.value)}` : change.kind === 'gone' ? `${change.key} gone` : 'current'))
    await eventually(() => seen.includes('current'))
    await near.connection.api('STREAM.DELETE.KV_reeve_agents')
    const again = await realm.connect('again')
    await again.agents.put('a', bytesOf('new'))
    await eventually(() => seen.includes('a=new') && seen.includes('b gone'))
    expect(seen.slice(0, 3)).toEqual(['a=4', 'b=x', 'current'])
    watch.stop()
  })

  test('any NATS client finds the endpoints and their schemas by the services protocol', async () => {
    const { bus } = await realm.connect('first')
    const served = await bus.serve({
      name: 'reeve',
      version: '0.1.0',
      description: 'service interface',
      metadata: { realm: 'reeve' },
      queue: 'reeve',
      endpoints: [{ name: 'site-list', subject: subjects.api('site', 'list'), metadata: { request: '{"type":"object"}' }, handle: (message) => message.answer(bytesOf('[]')) }],
    })
    await bus.flush(2_000)
    const other = await connect({ servers: realm.server.url })
    try {
      const info = (await other.request('$SRV.INFO.reeve')).json<{ endpoints: unknown[] }>()
      expect(info).toMatchObject({ type: 'io.nats.micro.v1.info_response', name: 'reeve', version: '0.1.0', metadata: { realm: 'reeve' } })
      expect(info.endpoints).toEqual([{ name: 'site-list', subject: 'reeve.api.v1.site.list', queue_group: 'reeve', metadata: { request: '{"type":"object"}' } }])
      expect((await other.request('reeve.api.v1.site.list')).string()).toBe('[]')
    } finally {
      await other.close()
      served.stop()
    }
  })

  test('a KV client of NATS reads what the buckets hold', async () => {
    const { config, connection } = await realm.connect('first')
    await config.put('k', bytesOf('v'))
    const { Kvm } = await import('@nats-io/kv')
    const store = await new Kvm(connection.connection).open('reeve_config')
    expect((await store.get('k'))?.string()).toBe('v')
    await store.put('l', 'w')
    expect(textOf((await config.get('l'))?.value ?? bytesOf('nothing'))).toBe('w')
    await store.delete('l')
    expect(await config.get('l')).toBeUndefined()
  })
})

describe('I8: durability', () => {
  const accounts = 'system_account: SYS\naccounts { SYS { users: [{user: sys, pass: s}] }, APP { jetstream: enabled, users: [{user: app, pass: a}] } }'
  const durabilityOn = async (syncInterval: string, more: Partial<ConnectOptions>) => {
    await using server = await TestNatsServer.start({ configuration: accounts, syncInterval })
    const client = await connectCoordinator({
      servers: [server.url], realm: 'reeve', name: 'test', clock: systemClock, random: systemRandom, create: true, user: 'app', pass: 'a', ...more,
    })
    await client.close()
    return client.durability
  }

  test('the system account reads it', async () => {
    expect(await durabilityOn('always', { systemLogin: { user: 'sys', pass: 's' } })).toEqual({ level: 'synced' })
    expect(await durabilityOn('"10s"', { systemLogin: { user: 'sys', pass: 's' } })).toMatchObject({ level: 'weak', why: expect.stringContaining('every 10 s') })
  })

  test('an ordinary account cannot, and a wrong login neither: unknown, never ok', async () => {
    expect(await durabilityOn('always', {})).toMatchObject({ level: 'unknown' })
    expect(await durabilityOn('always', { systemLogin: { user: 'sys', pass: 'wrong' } })).toMatchObject({ level: 'unknown' })
    expect(await durabilityOn('always', { systemLogin: { user: 'app', pass: 'a' } })).toMatchObject({ level: 'unknown' })
  })

  test('one server that does not sync makes it weak; none that says so, unknown', () => {
    const synced = { server_name: 'a', jetstream: { config: { sync_always: true } } }
    const not = { server_name: 'b', jetstream: { config: { sync_interval: 120_000_000_000 } } }
    expect(durabilityOfServers([synced, synced])).toEqual({ level: 'synced' })
    expect(durabilityOfServers([synced, not])).toMatchObject({ level: 'weak', why: expect.stringContaining('b syncs its log every 120 s') })
    expect(durabilityOfServers([{}, null, undefined])).toMatchObject({ level: 'unknown' })
  })

  test('a cluster is synced when all of its servers say so: any two of them may acknowledge', () => {
    const server = (name: string) => ({ server_name: name, cluster: { name: 'c' }, jetstream: { config: { sync_always: true }, meta: { cluster_size: 3 } } })
    expect(durabilityOfServers(['a', 'b', 'c'].map(server))).toEqual({ level: 'synced' })
    // The page of one of them given twice is that of one.
    expect(durabilityOfServers(['a', 'b', 'b'].map(server))).toMatchObject({ level: 'unknown', why: expect.stringContaining('2 of the 3 servers') })
    expect(durabilityOfServers([{ ...server('a'), jetstream: { config: { sync_always: true } } }])).toMatchObject({ level: 'unknown' })
  })
})

test('no server: one line that names the address', async () => {
  const attempt = connectCoordinator({ servers: ['nats://127.0.0.1:1'], realm: 'reeve', name: 'test', clock: systemClock, random: systemRandom })
  await expect(attempt).rejects.toBeInstanceOf(Unavailable)
  await expect(attempt).rejects.toThrow('nats://127.0.0.1:1')
})

test('the server\'s times, to the millisecond', () => {
  expect(millisecondsOf('1970-01-01T00:00:00Z')).toBe(0)
  expect(millisecondsOf('2026-11-21T15:50:43.080731156Z')).toBe(Date.UTC(2026, 10, 21, 15, 50, 43, 80))
  expect(millisecondsOf('2024-02-29T23:59:59.999999999Z')).toBe(Date.UTC(2024, 1, 29, 23, 59, 59, 999))
  expect(millisecondsOf('2000-03-01T00:00:00.5Z')).toBe(Date.UTC(2000, 2, 1, 0, 0, 0, 500))
  expect(() => millisecondsOf('yesterday')).toThrow(RangeError)
})

test('definitions: a field that the server leaves out counts as off, metadata and replicas are free', () => {
  const definition = eventsDefinition(subjects, 1)
  const { allow_msg_ttl: _, persist_mode: _p, ...answered } = definition.fields
  expect(differences(definition, { ...answered, metadata: { a: 'b' }, num_replicas: 3, placement: { tags: ['x'] } })).toEqual([])
  expect(differences(definition, { ...answered, persist_mode: 'async' })).toMatchObject([{ field: 'persist_mode', actual: 'async' }])
  expect(differences(definition, { ...answered, sources: [{ name: 'X' }] })).toMatchObject([{ field: 'sources' }])
  expect(bucketDefinition(subjects, 'agents').fields['allow_msg_ttl']).toBe(true)
  expect(bucketDefinition(subjects, 'config').fields['allow_msg_ttl']).toBe(false)
})

test('error codes: what is not listed is never taken for "nothing was written"', () => {
  expect(appendOutcomeOfCode.get(apiCodes.wrongLastSequenceUnknown)).toBe('busy')
  expect(appendOutcomeOfCode.get(10_077)).toBeUndefined()
})

async function consumersOf(connection: Link, stream: string): Promise<number> {
  const answer = await connection.api<{ readonly state: { readonly consumer_count: number } }>(`STREAM.INFO.${stream}`)
  return answer.ok ? answer.value.state.consumer_count : -1
}
