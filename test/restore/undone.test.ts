/** What an import or a restore removes when it fails, is in doubt or is one of two: its own unfinished log, and no other. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { restoreRealm } from '../../src/restore/restore.ts'
import { streamSource } from '../../src/restore/source.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { JetStreamIncarnations } from '../../streams/jetstream/incarnations.ts'
import type { ApiAnswer, Link } from '../../streams/jetstream/link.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { toBytes } from '../../streams/coordination.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const base = { clock: systemClock, random: systemRandom }
const subjects = subjectsOf('two')
let server: TestNatsServer
let closing: (() => Promise<void>)[] = []

beforeEach(async () => {
  server = await TestNatsServer.start()
  const two = await connected(true)
  await joinRealm({ log: two.log, ...base }, subjects, { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
  await server[Symbol.asyncDispose]()
})

async function connected(create = false): Promise<NatsCoordinator> {
  const coordinator = await connectCoordinator({ servers: [server.url], realm: 'two', name: 'test', create, ...base })
  closing.push(() => coordinator.close())
  return coordinator
}

type Api = (verb: string, payload?: unknown, timeoutMs?: number) => Promise<ApiAnswer<unknown>>

/** `between`: stands between who restores and the API of the server. */
async function maker(between: (api: Api) => Api = (api) => api): Promise<{ readonly link: Link; readonly incarnations: JetStreamIncarnations }> {
  const link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  closing.push(() => link.close())
  link.api = between(link.api.bind(link)) as Link['api']
  return { link, incarnations: new JetStreamIncarnations(link, subjects, systemClock, systemRandom) }
}

async function restore(incarnations: JetStreamIncarnations) {
  const source = await streamSource((await incarnations.whole())!, 'two')
  return restoreRealm({ incarnations, ...base }, { source, subjects, actor: 'program:test', why: 'restored' })
}

const created = async (link: Link, incarnation: number) => {
  const answer = await link.api<{ readonly created: string }>(`STREAM.INFO.${subjects.streamName(incarnation)}`)
  return answer.ok ? answer.value.created : undefined
}
const isEntering = (verb: string, payload: unknown) => verb === 'STREAM.UPDATE.TWO_EVENTS_2' && JSON.stringify(payload).includes('"two.event.>"]')
const late = { subject: subjects.aggregate('site', 'late'), bytes: toBytes({ late: true }), expectedLast: 0 }

test('the answer to its last step is lost, the step was done: it is the log of the realm, and nothing is removed', async () => {
  let lost = 0
  const { incarnations } = await maker((api) => async (verb, payload, timeoutMs) => {
    const answer = await api(verb, payload, timeoutMs)
    if (isEntering(verb, payload) && lost++ === 0) throw new Unavailable('no answer')
    return answer
  })
  expect(await restore(incarnations)).toMatchObject({ incarnation: 2 })
  expect(lost).toBe(1)
  const again = await connected()
  expect(again.log.incarnation).toBe(2)
  expect((await again.log.append(late)).kind).toBe('landed')
})

test('its last step is lost on the way: it is done again', async () => {
  let lost = 0
  const { incarnations } = await maker((api) => async (verb, payload, timeoutMs) => {
    if (isEntering(verb, payload) && lost++ === 0) throw new Unavailable('no answer')
    return api(verb, payload, timeoutMs)
  })
  expect(await restore(incarnations)).toMatchObject({ incarnation: 2 })
  expect((await connected()).log.incarnation).toBe(2)
})

test.each(['STREAM.PURGE.KV_two_mappings', 'STREAM.UPDATE.TWO_EVENTS_2'])('refused at %s, when the former log is closed: that goes on, and the unfinished one is gone', async (refused) => {
  const { link, incarnations } = await maker((api) => async (verb, payload, timeoutMs) =>
    verb === refused ? { ok: false, error: { code: 503, err_code: 10_008, description: 'not now' } } : api(verb, payload, timeoutMs))
  await expect(restore(incarnations)).rejects.toMatchObject({ name: 'Unavailable', message: expect.stringContaining('not now') })
  expect(await created(link, 2)).toBeUndefined()
  const again = await connected()
  expect(again.log.incarnation).toBe(1)
  expect((await again.log.append(late)).kind).toBe('landed')
})

test('and where the former log cannot be given back either, it says that it is to be repeated; repeated, it does all of it', async () => {
  let failing = false
  const { incarnations } = await maker((api) => async (verb, payload, timeoutMs) => {
    failing ||= verb.startsWith('STREAM.PURGE.')
    if (failing && !verb.startsWith('STREAM.INFO.')) throw new Unavailable('no answer')
    return api(verb, payload, timeoutMs)
  })
  await expect(restore(incarnations)).rejects.toMatchObject({ name: 'Unavailable', message: expect.stringMatching(/^it was not done \(no answer\).*before you repeat it$/) })
  for (const close of closing.splice(1)) await close()
  expect(await restore((await maker()).incarnations)).toMatchObject({ incarnation: 2 })
  expect((await connected()).log.incarnation).toBe(2)
})

test('what somebody else makes under the same name, or has made the log of the realm, is not removed', async () => {
  const first = await maker()
  const abandoned = await first.incarnations.begin(2)
  await first.link.api('STREAM.DELETE.TWO_EVENTS_2')
  const second = await maker()
  const next = await second.incarnations.begin(2)
  const before = await created(second.link, 2)
  await abandoned.abandon()
  expect(await created(second.link, 2)).toBe(before)
  await next.abandon()
  expect(await created(second.link, 2)).toBeUndefined()

  const third = await second.incarnations.begin(2)
  await second.link.api('STREAM.DELETE.TWO_EVENTS_2')
  await restore(first.incarnations)
  await third.abandon()
  expect((await connected()).log.incarnation).toBe(2)
})

test('a log that grows no more is not dropped while its maker lives; after that it is', async () => {
  const first = await maker()
  await first.incarnations.begin(2)
  const before = await created(first.link, 2)
  const second = await maker()
  await expect(second.incarnations.begin(2)).rejects.toMatchObject({ name: 'MadeByAnother', message: expect.stringMatching(/then repeat this$/) })
  expect(await created(second.link, 2)).toBe(before)
  await first.link.close()
  const next = await second.incarnations.begin(2)
  expect(await created(second.link, 2)).not.toBe(before)
  await next.abandon()
})
