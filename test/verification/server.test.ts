/** `reeve log verify` and `reeve log export` by command, over a real server: what somebody with access to it has done is found. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import type { Link } from '../../streams/jetstream/link.ts'
import { eventsDefinition } from '../../streams/jetstream/streams-definition.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { reeve } from '../command-line/reeve.ts'
import { record } from '../replay/recorded.ts'
import { TestNatsServer } from '../support/nats-server.ts'
import { allOf } from '../support/stored-log.ts'

const subjects = subjectsOf('reeve')
const lanes = ['here-1', 'here-2']
let server: TestNatsServer
let one: NatsCoordinator
let link: Link
let messages: StoredMessage[]
let folder: string
let groups: readonly string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-verify-'))
})
beforeEach(async () => {
  server = await TestNatsServer.start()
  one = await connectCoordinator({ servers: [server.url], realm: 'reeve', name: 'test', create: true, clock: systemClock, random: systemRandom })
  link = one.connection
  await joinRealm({ log: one.log, clock: systemClock, random: systemRandom }, subjects, { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  ;({ groups } = await record(one, subjects, 40, 4, lanes))
  messages = await allOf(one.log)
})
afterEach(async () => {
  await one.close()
  await server[Symbol.asyncDispose]()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const run = (...args: string[]) => reeve([...args, '--server', server.url], { folder })
const verify = async (...args: string[]) => {
  const { code, out, err } = await run('log', 'verify', '--json', ...args)
  return { code, err, ...JSON.parse(out) }
}

async function demand(verb: string, payload: unknown): Promise<void> {
  const answer = await link.api(verb, payload)
  if (!answer.ok) throw new Error(`${verb}: ${answer.error.description}`)
}

/** As somebody with the administrator's login could: the stream taken away, and another one in its place, filled anew. */
async function replaceBy(wanted: readonly { readonly subject: string; readonly bytes: Uint8Array }[], more: Record<string, unknown> = {}): Promise<void> {
  const { persist_mode: _, mirror: _m, sources: _s, republish: _r, subject_transform: _t, ...fields } = eventsDefinition(subjects, 1).fields
  await demand('STREAM.DELETE.REEVE_EVENTS_1', undefined)
  await demand('STREAM.CREATE.REEVE_EVENTS_1', { name: 'REEVE_EVENTS_1', ...fields, ...more, num_replicas: 1 })
  for (const { subject, bytes } of wanted) expect((await link.exchange(subject, bytes, { timeoutMs: 60_000 })).kind).toBe('answer')
}

const isLast = (index: number) => !messages.slice(index + 1).some(({ subject }) => subject === messages[index]!.subject)
const someTurn = () => messages.findIndex(({ subject }, index) => index > 10 && subject === subjects.lane('here-1') && !isLast(index))

describe('verify', () => {
  test('a log that nobody touched: one line, exit code 0; a file of it too', async () => {
    const { code, out, err } = await run('log', 'verify')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(new RegExp(`^the log of realm reeve is what was written: ${messages.length} turns, \\d+ events, positions 1 to ${messages.length}\n$`))
    const file = join(folder, 'whole.ndjson')
    await run('log', 'export', '--to', file)
    expect(await verify('--against', file)).toMatchObject({ code: 0, ok: true, compared: messages.length, findings: [] })
    expect(await reeve(['log', 'verify', '--from', file], { folder })).toMatchObject({ code: 0, err: '' })
  })

  test('a message deleted from a stream that allowed it: which position, and which turn of which subject', async () => {
    await replaceBy(messages, { deny_delete: false })
    const index = someTurn()
    await demand('STREAM.MSG.DELETE.REEVE_EVENTS_1', { seq: index + 1 })
    const found = await verify()
    expect(found).toMatchObject({ code: 1, ok: false, more: 0, err: expect.stringMatching(/^reeve: the log of realm reeve is not what was written: 2 findings, and \d+ turns could be read\n$/) })
    const { number } = decodeTurn(messages[index]!.bytes)
    expect(found.findings).toEqual([
      expect.objectContaining({ kind: 'missing-position', position: index + 1, subject: null }),
      expect.objectContaining({ kind: 'number', subject: subjects.lane('here-1'), text: expect.stringContaining(`turn ${number} was removed`) }),
    ])
    const { out } = await run('log', 'verify')
    expect(out.split('\n').filter((line) => line !== '')).toHaveLength(2)
    // The very last one too, of which no later turn tells.
    await demand('STREAM.MSG.DELETE.REEVE_EVENTS_1', { seq: messages.length })
    expect((await verify()).findings).toContainEqual(expect.objectContaining({ kind: 'missing-position', position: messages.length }))
  })

  test('a stream filled anew without a turn, with a changed one, or with two in each other’s place', async () => {
    const index = someTurn()
    await replaceBy(messages.filter((_, at) => at !== index))
    expect((await verify()).findings).toMatchObject([{ kind: 'number', subject: subjects.lane('here-1') }])
    const changed = new TextEncoder().encode(new TextDecoder().decode(messages[index]!.bytes).replace('"program:test"', '"person:forger"'))
    await replaceBy(messages.map((message, at) => (at === index ? { ...message, bytes: changed } : message)))
    expect((await verify()).findings).toMatchObject([{ kind: 'digest', subject: subjects.lane('here-1') }])
    const next = messages.findIndex(({ subject }, at) => at > index && subject === subjects.lane('here-1'))
    await replaceBy(messages.map((message, at) => (at === index ? messages[next]! : at === next ? messages[index]! : message)))
    expect((await verify()).findings.map(({ kind }: { kind: string }) => kind)).toContain('number')
  })

  test('an end that was cut off is found against a file', async () => {
    const file = join(folder, 'before.ndjson')
    await run('log', 'export', '--to', file)
    await replaceBy(messages.slice(0, -5))
    expect(await verify()).toMatchObject({ code: 0, ok: true })
    const found = await verify('--against', file)
    expect(found).toMatchObject({ code: 1, findings: [{ kind: 'differs', position: messages.length - 4 }] })
    expect(found.findings[0].text).toContain(`5 turns of the file, up to position ${messages.length}, are not in the log`)
  })

  test('a realm that is not there', async () => {
    expect(await run('log', 'verify', '--realm', 'nowhere')).toMatchObject({ code: 4, out: '', err: 'reeve: there is no log of realm nowhere on this server: check the name and the URL\n' })
  })
})

describe('export', () => {
  test('of nothing is refused: of a lane that the log does not have, of positions that it has not reached', async () => {
    const file = join(folder, 'nothing.ndjson')
    expect(await run('log', 'export', '--to', file, '--lane', 'here-9')).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^reeve: there is no turn of lane here-9 in the log[^\n]*\n$/) })
    expect(await run('log', 'export', '--to', file, '--from', '999999')).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/^reeve: there is nothing to write: the log goes to position \d+[^\n]*\n$/) })
    await expect(readFile(file)).rejects.toThrow('ENOENT')
  })

  test('of one group: only its turns, it replays as from the live log, verifies, and is refused by import', async () => {
    const file = join(folder, 'group.ndjson')
    const group = groups[7]!
    const written = JSON.parse((await run('log', 'export', '--to', file, '--only', `group:${group}`, '--json')).out)
    expect(written.records).toBeGreaterThan(3)
    expect(written.records).toBeLessThan(messages.length / 2)
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line))
    expect(lines[0]).toMatchObject({ subjects: [subjects.lane(group.slice(0, group.lastIndexOf('-')))], aggregates: [`group:${group}`], redacted: false })
    for (const { payload, text } of lines.slice(1, -1)) if (text === undefined) expect(payload).toContain(group)
    const live = await run('replay', '--group', group, '--json')
    const replayed = await reeve(['replay', '--group', group, '--from', file, '--json'], { folder })
    expect(replayed.out).toBe(live.out)
    expect(await reeve(['log', 'verify', '--from', file], { folder })).toMatchObject({ code: 0, out: expect.stringContaining('is what was written, but not the whole log: it holds only turns of group:') })
    expect(await verify('--against', file)).toMatchObject({ code: 0, ok: true, compared: written.records })
    const refused = await run('log', 'import', file, '--realm', 'other')
    expect(refused).toMatchObject({ code: 3, out: '' })
    expect(refused.err).toMatch(/^reeve: .* is not a whole log \(it holds only turns of group:.*\) and cannot be imported: .*\n$/)
    const usage = await run('log', 'export', '--to', join(folder, 'x'), '--only', 'nothing:x')
    expect(usage.code).toBe(2)
  })

  test('redacted: nothing that a person or a site wrote is in it; the group replays, but for those texts', async () => {
    const file = join(folder, 'redacted.ndjson')
    const plain = join(folder, 'plain.ndjson')
    await run('log', 'export', '--to', plain)
    expect((await run('log', 'export', '--to', file, '--redact')).out).toContain('and 0 texts')
    const text = await readFile(file, 'utf8')
    const whole = await readFile(plain, 'utf8')
    for (const secret of ['\\"d1\\"', 'group here', '\\"no\\"']) expect([secret, whole.includes(secret), text.includes(secret)]).toEqual([secret, true, false])
    const state = async (from: string) => JSON.parse((await reeve(['replay', '--group', groups[3]!, '--from', from, '--json'], { folder })).out).state
    const [shown, hidden] = [await state(plain), await state(file)]
    expect(hidden).toMatchObject({ phase: shown.phase, revision: shown.revision, executed: shown.executed, assignments: shown.assignments })
    expect(hidden.name).toMatch(/^~[0-9a-f]{16}$/)
    expect((await reeve(['log', 'verify', '--from', file], { folder })).code).toBe(0)
    expect(await run('log', 'verify', '--against', file)).toMatchObject({ code: 3, err: expect.stringMatching(/redacted/) })
    expect(await run('log', 'import', file, '--realm', 'other')).toMatchObject({ code: 3, err: expect.stringMatching(/it is redacted/) })
  })
})
