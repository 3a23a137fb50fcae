/** A realm that was archived, exported, imported and restored: whole again with its archives, and refused in one line without (I6). */
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { archiveLane } from '../../src/archive/archive.ts'
import { lanesBegunLater } from '../../src/archive/lanes.ts'
import { type ArchiveFile, namedFiles } from '../../src/archive/merged.ts'
import { folderShelf } from '../../src/archive/shelf.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { redactionBy } from '../../src/log-file/redaction.ts'
import { readLogFileHeader } from '../../src/log-file/read.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { restoreRealm } from '../../src/restore/restore.ts'
import { fileSource, streamSource } from '../../src/restore/source.ts'
import type { Finding } from '../../src/verification/finding.ts'
import { compareWithFile, verifyFile, verifyLog } from '../../src/verification/verify.ts'
import { digestOf } from '../../streams/codec.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { allOf } from '../support/stored-log.ts'
import { lanes, subjects, stageOfTest } from './stage.ts'

const base = { clock: systemClock, random: systemRandom }
const [lane] = lanes

const started = stageOfTest()

const archivesAt = async (folder: string) => (await namedFiles([{ path: folder, isFolder: true }])).archives!
const lined = ({ subject, bytes }: { readonly subject: string; readonly bytes: Uint8Array }) => `${subject.slice(subject.indexOf('.'))} ${digestOf(bytes)}`

/** Archived twice; the whole log as it was before the last of its turns were purged, and a file of what is left. */
async function archived() {
  const stage = await started(10, 4)
  await stage.hold()
  const { log, texts } = stage.coordinator
  const whole = new Map((await allOf(log)).map((message) => [message.position, message]))
  await stage.archive(lane)
  for (const message of await allOf(log)) whole.set(message.position, message)
  await stage.archive(lane, { olderThanMs: 0 })
  for (const one of lanes.slice(1)) await stage.archive(one)
  for (const message of await allOf(log)) whole.set(message.position, message)
  const file = join(stage.folder, 'rest.ndjson')
  await exportLog(log, texts, { file, realm: 'reeve', archived: await lanesBegunLater(log, subjects, lanes) })
  return { at: stage, file, whole: [...whole.values()].sort((a, b) => a.position - b.position) }
}

/** As if the turn at this position had never been. */
function lacking(log: EventLog, position: number): EventLog {
  const proxied: Partial<EventLog> = {
    async *read(options) {
      for await (const batch of log.read(options)) yield batch.filter((message) => message.position !== position)
    },
  }
  return new Proxy(log, { get: (of, name) => proxied[name as 'read'] ?? (typeof of[name as 'read'] === 'function' ? of[name as 'read'].bind(of) : of[name as 'read']) })
}

async function findingsOf(verify: (options: { onFinding: (finding: Finding) => void }) => Promise<unknown>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  await verify({ onFinding: (finding) => findings.push(finding) })
  return findings
}

test('an exported file says where it begins, and is imported only with the archives; then it is the whole log', async () => {
  const { at, file, whole } = await archived()
  const header = await readLogFileHeader(file)
  expect(header.archived?.map(({ lane: of }) => of)).toEqual([...lanes])
  expect(await findingsOf((options) => verifyFile(file, options))).toEqual([])
  await expect(fileSource(file)).rejects.toMatchObject({ name: 'RestoreRefused', message: expect.stringMatching(/lane here-1 begins with turn \d+ .*--archive DIR/) })
  const archives = await archivesAt(at.folder)
  for (const { path } of archives.lanes.get(lane)!) await expect(fileSource(path)).rejects.toMatchObject({ message: expect.stringContaining('it is an archive') })

  const realm = new MemoryRealm({ realm: 'other', ...base })
  const incarnations = realm.incarnations({ name: 'import', clock: systemClock })
  const source = await fileSource(file, archives)
  const done = await restoreRealm({ incarnations, ...base }, { source, subjects: subjectsOf('other'), actor: 'program:test', why: 'imported' })
  expect(done.turns).toBe(whole.length)
  // Of every text that a turn names: the archives bring theirs.
  expect(done.texts).toBe(10)
  const { log } = realm.connect({ name: 'reads', clock: systemClock })
  expect((await allOf(log)).slice(0, -1).map(lined)).toEqual(whole.map(lined))
  expect(await findingsOf((options) => verifyLog(log, 'other', options))).toEqual([])
})

test('turns that are archived while they are exported: no file is written', async () => {
  const stage = await started(6, 3)
  await stage.hold()
  const { log, texts } = stage.coordinator
  const file = join(stage.folder, 'rest.ndjson')
  const archivedNow = () => lanesBegunLater(log, subjects, lanes)
  const { incarnation } = log
  async function* read(options: Parameters<typeof log.read>[0]) {
    await stage!.archive(lane)
    yield* log.read(options)
  }
  const during = { incarnation, end: () => log.end(), read }
  await expect(exportLog(during, texts, { file, realm: 'reeve', archived: await archivedNow(), archivedNow })).rejects.toMatchObject({ name: 'ArchivedMeanwhile', message: expect.stringContaining('lane here-1') })
  expect(await readdir(stage.folder)).not.toContain('rest.ndjson')
  expect(await exportLog(log, texts, { file, realm: 'reeve', archived: await archivedNow(), archivedNow })).toMatchObject({ file })
})

test('a stream that was put back is restored only with the archives, and may be archived anew', async () => {
  const { at, whole } = await archived()
  const incarnations = at.realm.incarnations({ name: 'restore', clock: at.clock })
  const stream = (await incarnations.whole())!
  await expect(streamSource(stream, 'reeve')).rejects.toMatchObject({ name: 'RestoreRefused', message: expect.stringContaining('--archive DIR') })
  const source = await streamSource(stream, 'reeve', await archivesAt(at.folder))
  const request = { subjects, actor: 'program:test', why: 'restored' }
  const done = await restoreRealm({ incarnations, ...base }, { source, ...request })
  expect(done).toMatchObject({ turns: whole.length, incarnation: 2 })
  const coordinator = at.realm.connect({ name: 'after', clock: at.clock })
  expect((await allOf(coordinator.log)).slice(0, -1).map(lined)).toEqual(whole.map(lined))
  // The records of the former incarnation are history: what may be archived begins with turn 1 again.
  const again = { lane, olderThanMs: 0, actor: 'person:ann', signal: new AbortController().signal }
  // Nobody could read the folder any more.
  await expect(archiveLane({ ...at.context, coordinator }, { ...again, shelf: folderShelf(at.folder, coordinator) })).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringMatching(/holds archives of incarnation 1 of realm reeve .*name another folder/) })
  const rehearsed = await archiveLane({ ...at.context, coordinator }, { ...again, shelf: folderShelf(join(at.folder, 'anew'), coordinator), dryRun: true })
  expect(rehearsed).toMatchObject({ finished: null, archived: { from: 1 } })
  await coordinator.close()
})

test('a restored lane of which nothing more is old than before is archived anew, and goes on', async () => {
  const stage = await started(10, 4)
  await stage.hold()
  const old = { olderThanMs: 3_600_000 }
  const before = await stage.archive(lane, old)
  const incarnations = stage.realm.incarnations({ name: 'restore', clock: stage.clock })
  const source = await streamSource((await incarnations.whole())!, 'reeve', await archivesAt(stage.folder))
  await restoreRealm({ incarnations, ...base }, { source, subjects, actor: 'program:test', why: 'restored' })
  const coordinator = stage.realm.connect({ name: 'after', clock: stage.clock })
  await stage.hold('b')
  const again = (olderThanMs: number) => archiveLane({ ...stage!.context, coordinator }, { lane, shelf: folderShelf(join(stage!.folder, 'anew'), coordinator), olderThanMs, actor: 'person:ann', signal: new AbortController().signal })
  const { number } = before.archived!
  expect(await again(old.olderThanMs)).toMatchObject({ finished: null, archived: { from: 1, number } })
  expect(await again(0)).toMatchObject({ finished: null, archived: { from: number + 1 } })
  await coordinator.close()
})

test('archives that go on where a file ends are read as far as it does', async () => {
  const stage = await started(6, 3)
  const { log, texts } = stage.coordinator
  const file = join(stage.folder, 'early.ndjson')
  await exportLog(log, texts, { file, realm: 'reeve' })
  const turns = (await allOf(log)).map(lined)
  for (const agent of ['a', 'b', 'c']) await stage.hold(agent)
  await stage.archive(lane, { olderThanMs: 0 })
  const archives = await archivesAt(stage.folder)
  expect(archives.until).toBeGreaterThan(turns.length)
  const incarnations = new MemoryRealm({ realm: 'other', ...base }).incarnations({ name: 'import', clock: systemClock })
  const done = await restoreRealm({ incarnations, ...base }, { source: await fileSource(file, archives), subjects: subjectsOf('other'), actor: 'program:test', why: 'imported' })
  expect(done.turns).toBe(turns.length)
})

test('where one archive is missing, one line says which', async () => {
  const { at, file } = await archived()
  const archives = await archivesAt(at.folder)
  const [first, second] = [...archives.lanes.get(lane)!] as [ArchiveFile, ArchiveFile]
  await mkdir(join(at.folder, 'some'))
  await copyFile(first.path, join(at.folder, 'some', first.path.slice(at.folder.length + 1)))
  await expect(fileSource(file, await archivesAt(join(at.folder, 'some')))).rejects.toMatchObject({ message: expect.stringMatching(/lacks turns \d+ to \d+ of lane here-1/) })
  await rm(first.path)
  await expect(archivesAt(at.folder)).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringMatching(/turns 1 to \d+ of lane here-1 are in no file/) })
  expect(await readdir(at.folder)).toContain(second.path.slice(at.folder.length + 1))
})

test('a file from before the archive is compared with what is left, and with all of it', async () => {
  const stage = await started(8, 3)
  await stage.hold()
  const { log, texts } = stage.coordinator
  const file = join(stage.folder, 'before.ndjson')
  await exportLog(log, texts, { file, realm: 'reeve' })
  for (const one of lanes) await stage.archive(one)
  const archives = await archivesAt(stage.folder)
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options))).toEqual([])
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options, archives))).toEqual([])
  // What is left is not what the file has.
  const left = (await log.first(subjects.lane(lane)))!
  stage.realm.purge(subjects.lane(lane), left.position)
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options, archives))).toMatchObject([{ kind: 'differs', position: left.position }])
})

test('a redacted file of an archived log says where it begins, without digests', async () => {
  const { at } = await archived()
  const { log, texts } = at.coordinator
  const file = join(at.folder, 'redacted.ndjson')
  const later = await lanesBegunLater(log, subjects, lanes)
  await exportLog(log, texts, { file, realm: 'reeve', archived: later.map((one) => ({ ...one, turn: '' })), redact: redactionBy(systemRandom.bytes(32)) })
  const text = await readFile(file, 'utf8')
  for (const { turn } of later) expect(text).not.toContain(turn)
  expect(await findingsOf((options) => verifyFile(file, options))).toEqual([])
})

test('a file from after the archive is compared with the log that it came from, with its archives and without', async () => {
  const { at, file } = await archived()
  const { log } = at.coordinator
  const header = await readLogFileHeader(file)
  const archives = await archivesAt(at.folder)
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options))).toEqual([])
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options, archives))).toEqual([])
  // More of it leaves the log afterwards.
  for (const agent of ['b', 'c']) await at.hold(agent)
  await at.archive(lane, { olderThanMs: 0 })
  const more = await archivesAt(at.folder)
  expect(more.lanes.get(lane)!.length).toBe(archives.lanes.get(lane)!.length + 1)
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options))).toEqual([])
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options, more))).toEqual([])
  const last = (await allOf(log)).filter(({ subject, position }) => subject === subjects.lane(lanes[1]) && position <= header.until).at(-1)!
  for (const given of [undefined, more]) {
    expect(await findingsOf((options) => compareWithFile(lacking(log, last.position), 'reeve', file, options, given))).toMatchObject([{ kind: 'differs', position: last.position }])
  }
})

test('an import is compared with the file and its archives, and with what is in the file alone', async () => {
  const { at, file, whole } = await archived()
  const archives = await archivesAt(at.folder)
  const realm = new MemoryRealm({ realm: 'other', ...base })
  await restoreRealm({ incarnations: realm.incarnations({ name: 'import', clock: systemClock }), ...base }, { source: await fileSource(file, archives), subjects: subjectsOf('other'), actor: 'program:test', why: 'imported' })
  const { log } = realm.connect({ name: 'reads', clock: systemClock })
  const compared = (given?: typeof archives) => compareWithFile(log, 'other', file, { onFinding: (finding) => expect.fail(finding.text) }, given)
  expect(await compared(archives)).toMatchObject({ turns: whole.length, findings: 0, without: [] })
  const alone = await compared()
  expect(alone).toMatchObject({ findings: 0, without: lanes.map((of) => ({ lane: of })) })
  expect(alone.turns).toBeLessThan(whole.length)
  // A turn that only the archives have.
  const second = (await allOf(log)).filter(({ subject }) => subject === subjectsOf('other').lane(lane))[1]!
  const less = lacking(log, second.position)
  expect(await findingsOf((options) => compareWithFile(less, 'other', file, options))).toEqual([])
  expect((await findingsOf((options) => compareWithFile(less, 'other', file, options, archives)))[0]).toMatchObject({ kind: 'differs' })
  // Archives of neither.
  await expect(compareWithFile(log, 'other', file, { onFinding() {} }, { ...archives, incarnation: 7 })).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining(file) })
})

test('a file and its archives are verified together; one that was cut off is a finding that says what to do', async () => {
  const { at, file, whole } = await archived()
  const { log } = at.coordinator
  const archives = await archivesAt(at.folder)
  const onFinding = ({ text }: Finding) => expect.fail(text)
  expect(await verifyFile(file, { onFinding }, archives)).toMatchObject({ turns: whole.length, findings: 0 })
  const [first] = archives.lanes.get(lane) as readonly ArchiveFile[]
  await expect(verifyFile(first!.path, { onFinding }, archives)).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining('is an archive itself') })
  await expect(verifyFile(file, { onFinding }, { ...archives, incarnation: 7 })).rejects.toMatchObject({ name: 'ArchiveRefused' })
  const text = await readFile(first!.path, 'utf8')
  await writeFile(first!.path, text.slice(0, text.length / 2))
  const cut = [{ kind: 'file', text: expect.stringMatching(/line \d+: is not JSON: the file is damaged or was cut off; take another copy of it$/) }]
  expect(await findingsOf((options) => verifyFile(file, options, archives))).toMatchObject(cut)
  expect(await findingsOf((options) => verifyLog(log, 'reeve', options, archives))).toMatchObject(cut)
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options))).toEqual([])
  expect(await findingsOf((options) => compareWithFile(log, 'reeve', file, options, archives))).toMatchObject([{ kind: 'file', text: expect.stringContaining('was not compared') }])
})
