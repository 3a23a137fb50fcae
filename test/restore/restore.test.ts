/** Import and restore on a real server: whole or not at all, the same log, and nobody in between. */
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite } from '../../machines/site/site.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { redactionBy } from '../../src/log-file/redaction.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { type RestoreRequest, restoreRealm } from '../../src/restore/restore.ts'
import { fileSource, streamSource } from '../../src/restore/source.ts'
import { compareWithFile, verifyLog } from '../../src/verification/verify.ts'
import { canonicalJson, decodeTurn } from '../../streams/codec.ts'
import { presenceKey, toBytes } from '../../streams/coordination.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { openIncarnations } from '../../streams/jetstream/incarnations.ts'
import type { Incarnations } from '../../streams/ports/incarnations.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { cleanEnvironment, mainFile, reeve } from '../command-line/reeve.ts'
import { record } from '../replay/recorded.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const base = { clock: systemClock, random: systemRandom }
const noFinding = { onFinding: (finding: unknown) => expect(finding).toBeUndefined() }
/** Where the file comes from. */
let origin: TestNatsServer
let one: NatsCoordinator
let folder: string
let file: string
let server: TestNatsServer
let closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  origin = await TestNatsServer.start()
  folder = await mkdtemp(join(tmpdir(), 'reeve-restore-'))
  one = await connectCoordinator({ servers: [origin.url], realm: 'one', name: 'test', create: true, ...base })
  await joinRealm({ log: one.log, ...base }, subjectsOf('one'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  await record(one, subjectsOf('one'), 1_200, 40, ['here-1', 'here-2', 'here-3', 'here-4'])
  file = join(folder, 'one.ndjson')
  await exportLog(one.log, one.texts, { file, realm: 'one' })
})
beforeEach(async () => {
  server = await TestNatsServer.start()
})
afterEach(async () => {
  for (const close of closing.reverse()) await close()
  closing = []
  await server[Symbol.asyncDispose]()
})
afterAll(async () => {
  await one?.close()
  await origin?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function connected(realm: string, create = false): Promise<NatsCoordinator> {
  const coordinator = await connectCoordinator({ servers: [server.url], realm, name: 'test', create, ...base })
  closing.push(() => coordinator.close())
  return coordinator
}

async function incarnationsOf(realm: string): Promise<Incarnations> {
  const incarnations = await openIncarnations({ servers: [server.url], realm, name: 'test', ...base })
  closing.push(() => incarnations.close())
  return incarnations
}

async function importInto(realm: string, more: Partial<RestoreRequest> = {}) {
  const incarnations = await incarnationsOf(realm)
  return restoreRealm({ incarnations, ...base }, { source: await fileSource(file), subjects: subjectsOf(realm), actor: 'program:test', why: 'imported', ...more })
}

async function streams(): Promise<readonly string[]> {
  const link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  const answer = await link.api<{ readonly streams: readonly string[] | null }>('STREAM.NAMES')
  await link.close()
  return answer.ok ? (answer.value.streams ?? []) : []
}

async function addSiteTo({ log }: NatsCoordinator, site: string): Promise<void> {
  await writeAggregate<SiteState, SiteEvent>({ log, ...base }, {
    subject: subjectsOf('two').aggregate('site', site), aggregate: 'site', id: site, empty: absentSite(site), fold: foldSite, actor: 'program:test',
    decide: (state) => addSite(state, { kind: 'simulated', address: `http://${site}`, region: 'here', fencing: 'none' }),
  })
}

const lanesText = async (coordinator: NatsCoordinator, realm: string) => {
  const { lanes, events } = await replayLanes((options) => coordinator.log.read(options), subjectsOf(realm), await coordinator.log.end())
  return { events, text: canonicalJson([...lanes.values()].map((state) => ({ ...state, groups: [...state.groups.values()], commands: [...state.commands] }))) }
}

test('a file that is exported while programs go on writing is a whole log, and is taken as one', { timeout: 120_000 }, async () => {
  const two = await connected('two', true)
  await joinRealm({ log: two.log, ...base }, subjectsOf('two'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  let exported = false
  const write = async () => {
    await record(two, subjectsOf('two'), 500, 40, ['here-1', 'here-2', 'here-3', 'here-4'])
    // However long the export takes, it has not ended before.
    for (let site = 1; !exported; site++) await addSiteTo(two, `late-${site}`)
  }
  const written = write()
  // The texts that it names come first.
  const before = await two.log.end()
  await eventually(async () => (await two.log.end()) > before)
  const busy = join(folder, 'busy.ndjson')
  try {
    expect(await reeve(['log', 'export', '--to', busy, '--server', server.url, '--realm', 'two'], { folder })).toMatchObject({ code: 0, err: '' })
  } finally {
    exported = true
  }
  const { until, end } = JSON.parse((await readFile(busy, 'utf8')).split('\n', 1)[0]!)
  expect(until).toBe(end)
  expect(await reeve(['log', 'import', busy, '--dry-run', '--server', server.url, '--realm', 'three'], { folder })).toMatchObject({ code: 0, err: '' })
  await written
  expect(await two.log.end()).toBeGreaterThan(end)
})

test('more than 100,000 events on another server and under another name: every lane is the same to the byte, and so is every text', async () => {
  const before = await lanesText(one, 'one')
  expect(before.events).toBeGreaterThan(100_000)
  const done = await importInto('two')
  expect(done).toMatchObject({ how: 'import', from: 1, incarnation: 2, texts: 1_200, quarantinedBefore: false })
  const two = await connected('two')
  expect(two.log.stream).toBe('TWO_EVENTS_2')
  expect(await lanesText(two, 'two')).toEqual(before)
  await verifyLog(two.log, 'two', noFinding)
  await compareWithFile(two.log, 'two', file, noFinding)
  // Exported again it is the same log, with one turn more.
  const again = join(folder, 'two.ndjson')
  const exported = await exportLog(two.log, two.texts, { file: again, realm: 'two' })
  expect(exported).toMatchObject({ records: done.turns + 1, texts: 1_200, missingTexts: [] })
})

test('killed half way: no program takes it for a realm, and the same import repeated does all of it', async () => {
  const child = spawn(process.execPath, [mainFile, 'log', 'import', file, '--server', server.url, '--realm', 'two'], { env: cleanEnvironment(), stdio: 'ignore' })
  const link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  closing.push(() => link.close())
  const held = async () => {
    const answer = await link.api<{ readonly state: { readonly messages: number } }>('STREAM.INFO.TWO_EVENTS_2')
    return answer.ok ? answer.value.state.messages : 0
  }
  await eventually(async () => (await held()) > 0, { everyMs: 2, what: 'its first batch' })
  child.kill('SIGKILL')
  await once(child, 'close')
  expect(await held()).toBeLessThan((await one.log.end()) + 1)

  await expect(connected('two', true)).rejects.toMatchObject({ name: 'RealmUnfinished' })
  const agent = await reeve(['agent', '--id', 'a1', '--server', server.url, '--realm', 'two', '--accept-weak-durability'], { folder })
  expect(agent).toMatchObject({ code: 3 })
  expect(agent.err).toMatch(/^reeve: realm two is being imported or restored, or that was cut off \(stream TWO_EVENTS_2 is not whole\).*\n$/)

  const doctor = await reeve(['doctor', '--server', server.url, '--realm', 'two', '--json'], { folder })
  expect(JSON.parse(doctor.out).findings.filter(({ check }: { check: string }) => check === 'streams')).toEqual([
    expect.objectContaining({ level: 'problem', text: expect.stringMatching(/^realm two is being imported or restored/) }),
  ])

  const { code, out, err } = await reeve(['log', 'import', file, '--server', server.url, '--realm', 'two', '--json'], { folder })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(out)).toMatchObject({ ok: true, incarnation: 2 })
  const two = await connected('two')
  await compareWithFile(two.log, 'two', file, noFinding)
  await verifyLog(two.log, 'two', noFinding)
})

test('killed again and again at any step of a restore: the log is the former one or the next one, never half', { timeout: 180_000 }, async () => {
  const two = await connected('two', true)
  await joinRealm({ log: two.log, ...base }, subjectsOf('two'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  await record(two, subjectsOf('two'), 60, 10, ['here-1', 'here-2'])
  const before = await lanesText(two, 'two')
  const link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  closing.push(() => link.close())
  interface Info {
    readonly config: { readonly subjects: readonly string[] }
    readonly state: { readonly messages: number }
  }
  const info = async (incarnation: number) => {
    const answer = await link.api<Info>(`STREAM.INFO.TWO_EVENTS_${incarnation}`)
    return answer.ok ? answer.value : undefined
  }
  const incarnations = await incarnationsOf('two')
  const own = (found: Info | undefined) => found?.config.subjects[0] === 'two.event.>'
  /** What is seen of it when it is killed, as soon as that shows. */
  const steps: readonly ((from: number) => Promise<boolean>)[] = [
    async (from) => (await info(from + 1)) !== undefined,
    async (from) => ((await info(from + 1))?.state.messages ?? 0) > 0,
    async (from) => !own(await info(from)),
    async (from) => own(await info(from + 1)),
  ]
  for (const [index, step] of steps.entries()) {
    const from = (await incarnations.whole())!.incarnation
    const child = spawn(process.execPath, [mainFile, 'log', 'restore', '--server', server.url, '--realm', 'two'], { env: cleanEnvironment(), stdio: 'ignore' })
    await eventually(() => step(from), { everyMs: 1, what: `step ${index}` })
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    const { incarnation, log } = (await incarnations.whole())!
    expect([from, from + 1]).toContain(incarnation)
    await verifyLog(log, 'two', noFinding)
    if (!own(await info(incarnation)) || (incarnation === from && (await info(from + 1)) !== undefined)) await expect(connected('two')).rejects.toMatchObject({ name: 'RealmUnfinished' })
  }
  const { code, out, err } = await reeve(['log', 'restore', '--server', server.url, '--realm', 'two', '--json'], { folder })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const last = await connected('two')
  expect(last.log.incarnation).toBe(JSON.parse(out).incarnation)
  expect(await lanesText(last, 'two')).toEqual(before)
})

test('told to stop half way, or with a file that is damaged near its end, nothing is left of it', async () => {
  const stop = new AbortController()
  await expect(importInto('two', { signal: stop.signal, onProgress: () => stop.abort() })).rejects.toMatchObject({ name: 'RestoreStopped' })
  expect((await streams()).filter((name) => name.includes('EVENTS'))).toEqual([])
  const text = await readFile(file, 'utf8')
  const damaged = join(folder, 'damaged.ndjson')
  await writeFile(damaged, text.slice(0, -2_000))
  await expect(importInto('two', { source: await fileSource(damaged) })).rejects.toMatchObject({ name: 'MalformedLogFile' })
  expect((await streams()).filter((name) => name.includes('EVENTS'))).toEqual([])
})

test('a realm that is not empty, a part of a log, an incarnation that was in use: refused in one line, nothing written', async () => {
  const two = await connected('two', true)
  await joinRealm({ log: two.log, ...base }, subjectsOf('two'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  const end = await two.log.end()
  await expect(importInto('two')).rejects.toMatchObject({ name: 'RestoreRefused', message: expect.stringMatching(/^realm two is not empty \(incarnation 1, 1 turn\)/) })
  expect(await two.log.end()).toBe(end)
  for (const more of [{}, { from: 2 }, { redact: redactionBy(systemRandom.bytes(32)) }]) {
    const part = join(folder, 'part.ndjson')
    await exportLog(one.log, one.texts, { file: part, realm: 'one', until: 300, ...more })
    await expect(fileSource(part)).rejects.toMatchObject({ name: 'RestoreRefused' })
    const { code, err } = await reeve(['log', 'import', part, '--server', server.url, '--realm', 'three'], { folder })
    expect(code).toBe(3)
    expect(err).toMatch(/^reeve: .*cannot be imported.*\n$/)
  }
  await expect(importInto('three', { incarnation: 1 })).rejects.toMatchObject({ name: 'RestoreRefused' })
  const rehearsal = await importInto('three', { dryRun: true })
  expect(rehearsal).toMatchObject({ incarnation: 2 })
  expect((await streams()).filter((name) => name.startsWith('THREE_EVENTS'))).toEqual([])
})

test('written to while it is restored: nothing of that is lost, the former log goes on', async () => {
  const two = await connected('two', true)
  await joinRealm({ log: two.log, ...base }, subjectsOf('two'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  const incarnations = await incarnationsOf('two')
  const source = await streamSource((await incarnations.whole())!, 'two')
  const request = { source, subjects: subjectsOf('two'), actor: 'program:test', why: 'restored' }
  const late = { subject: subjectsOf('two').aggregate('site', 'late'), bytes: toBytes({ late: true }), expectedLast: 0 }
  const restoring = restoreRealm({ incarnations, ...base }, { ...request, onProgress: ({ step }) => void (step === 'writing' && two.log.append(late)) })
  await expect(restoring).rejects.toMatchObject({ name: 'WrittenMeanwhile', message: expect.stringMatching(/^somebody has written to stream TWO_EVENTS_1 meanwhile/) })
  expect((await two.log.last(late.subject))?.position).toBe(2)
  expect((await two.log.append({ ...late, expectedLast: 2 })).kind).toBe('landed')
  expect((await connected('two')).log.incarnation).toBe(1)
})

test('while somebody lives in the realm nothing is restored; a presence that nobody renews ends, and does not hinder', async () => {
  const two = await connected('two', true)
  await joinRealm({ log: two.log, ...base }, subjectsOf('two'), { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
  await two.mappings.put('lane.here-1', toBytes({ lane: 'here-1', agent: 'a1' }))
  await two.snapshots.put('lane.here-1.1', toBytes({}))
  const incarnations = await incarnationsOf('two')
  const restore = async () => restoreRealm({ incarnations, ...base }, { source: await streamSource((await incarnations.whole())!, 'two'), subjects: subjectsOf('two'), actor: 'program:test', why: 'restored from nats://ada:secret@here' })
  const key = presenceKey('01ARZ3NDEKTSV4RRFFQ69G5FAV')
  const value = toBytes({ agent: 'a1', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', role: 'generic', region: 'here', skills: [], build: 'b' })
  let written = await two.agents.createOnce(key, value, { ttlMs: 6_000 })
  let living = true
  const renewing = (async () => {
    while (living) {
      await new Promise<void>((resolve) => systemClock.after(100, resolve))
      if (written.kind === 'written') written = await two.agents.update(key, value, written.revision, { ttlMs: 6_000 })
    }
  })()
  await expect(restore()).rejects.toMatchObject({ name: 'RestoreRefused', message: expect.stringMatching(/^agent a1 lives in the realm/) })
  living = false
  await renewing
  expect((await two.mappings.entries()).length).toBe(1)

  expect(await restore()).toMatchObject({ how: 'restore', from: 1, incarnation: 2 })
  const again = await connected('two')
  // A login in what a person says is in no event (I10).
  const last = decodeTurn((await again.log.last(subjectsOf('two').aggregate('realm', 'self')))!.bytes)
  expect(JSON.stringify(last)).toContain('nats://')
  expect(JSON.stringify(last)).not.toContain('secret')
  expect(again.log.incarnation).toBe(2)
  expect(await again.mappings.entries()).toEqual([])
  expect(await again.agents.entries()).toEqual([])
  expect(await again.snapshots.names()).toEqual([])
  // Who still knows the former incarnation writes nowhere (P12), and what it held can be looked at.
  expect((await two.log.append({ subject: subjectsOf('two').lane('here-1'), bytes: toBytes({}), expectedLast: 0 })).kind).toBe('wrong-incarnation')
  expect(await two.log.end()).toBe(1)
  await verifyLog(again.log, 'two', noFinding)
})
