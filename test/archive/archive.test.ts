/** Archives of lanes: what is old leaves the log, and nobody sees another state (I6); each step may be repeated. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { laneSchema } from '../../machines/lane/snapshot.ts'
import { type ArchiveFailpoint, archiveLane } from '../../src/archive/archive.ts'
import { demandSameLog, namedFiles, withArchives } from '../../src/archive/merged.ts'
import { folderShelf } from '../../src/archive/shelf.ts'
import { renewLane } from '../../src/archive/renew.ts'
import { beginningOf, laneBeginning } from '../../src/lane/beginning.ts'
import { foldMessage, foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { digestLines } from '../../src/replay/digests.ts'
import { type ReadMessages, replayGroup } from '../../src/replay/group.ts'
import { verifyFile, verifyLog } from '../../src/verification/verify.ts'
import type { Finding } from '../../src/verification/finding.ts'
import { canonicalJson, decodeTurn } from '../../streams/codec.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { type RenewedSnapshot, renewedKey, snapshotKey } from '../../streams/lane-snapshot.ts'
import { ArchiveStage, lanes, subjects, textOf, stageOfTest } from './stage.ts'

const [lane, other] = lanes
const never = new AbortController().signal
const failpoints: readonly ArchiveFailpoint[] = ['snapshot-cut', 'text-put', 'file-written', 'file-verified', 'recorded', 'purged']

const started = stageOfTest()

async function archivesIn(folder: string) {
  return (await namedFiles([{ path: folder, isFolder: true }])).archives!
}

async function digestOfAll(read: ReadMessages, until: number): Promise<unknown> {
  let last: unknown
  for await (const line of digestLines(read, subjects, { version: 1, every: 1_000, until }, '')) last = line
  return last
}

async function findingsOf(at: ArchiveStage, withFiles: boolean): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  await verifyLog(at.coordinator.log, 'reeve', { onFinding: (finding) => findings.push(finding) }, withFiles ? await archivesIn(at.folder) : undefined)
  return findings
}

/** Nothing that is left of it, and what the log and the files together hold, is other than before. */
async function foldedFromLog(at: ArchiveStage, of: string): Promise<string> {
  const folded = unfoldedLane(of, at.state.constants)
  await foldOn(at.coordinator.log, at.clock, subjects.lane(of), folded, never, beginningOf(at.context, of))
  return textOf(folded.state)
}

test('what is old leaves the log for a file; who starts afterwards knows the same, from snapshots and without any (I6)', async () => {
  const at = await started()
  await at.hold()
  const { log, mappings } = at.coordinator
  const done = await at.archive()
  expect(done).toMatchObject({ finished: null, why: null })
  const { archived } = done
  const first = decodeTurn((await log.first(subjects.lane(lane)))!.bytes)
  expect(first.number).toBe(archived!.number + 1)
  expect(archived!.number).toBeGreaterThan(20)
  expect(await readdir(at.folder)).toEqual([`reeve.1.${lane}.1-${archived!.number}.ndjson`])
  // Another lane keeps all of its turns.
  expect(decodeTurn((await log.first(subjects.lane(other)))!.bytes).number).toBe(1)

  // The same log, before it was archived, with the same record in it.
  const whole = unfoldedLane(lane, at.state.constants)
  const read = withArchives(await archivesIn(at.folder), subjects, (options) => log.read(options))
  for await (const batch of read({ subjects: [subjects.lane(lane)], from: 1, until: await log.end() })) {
    for (const message of batch) foldMessage(whole, message)
  }
  expect(whole.state.fault).toBeNull()
  expect(whole.state.archived?.number).toBe(archived!.number)
  expect(await foldedFromLog(at, lane)).toBe(textOf(whole.state))
  await mappings.remove(snapshotKey(lane), (await mappings.get(snapshotKey(lane)))!.revision)
  expect(await foldedFromLog(at, lane)).toBe(textOf(whole.state))
  // A holder takes what is left, and goes on.
  await at.hold('b')
  expect(decodeTurn((await log.last(subjects.lane(lane)))!.bytes).number).toBeGreaterThan(whole.state.number)
})

test('views, projections, replays and digests are the same before and after (I6)', async () => {
  const at = await started(20, 4)
  const { log } = at.coordinator
  const groups = new Map<string, string>()
  const until = await log.end()
  const known = await at.known()
  const digest = await digestOfAll((options) => log.read(options), until)
  const positions = { kind: 'position', position: until } as const
  for (const group of JSON.parse(known).positions.map(([group]: [string]) => group)) groups.set(group, canonicalJson(await replayGroup((options) => log.read(options), subjects, group, positions, until)))
  expect(groups.size).toBe(20)
  await at.hold()
  const before = JSON.parse(await at.known())
  for (const one of lanes) await at.archive(one)
  const after = JSON.parse(await at.known())
  // What was recorded and shown of groups is the same; the lanes have gone on by the record itself.
  for (const key of ['positions', 'shown', 'desired']) expect(after[key]).toEqual(before[key])
  const without = (texts: string[]) => texts.map((text) => ({ ...JSON.parse(text), archived: null, number: 0, revision: 0, timeMs: 0, commands: [] })).sort((a, b) => a.lane.localeCompare(b.lane))
  expect(without(after.lanes)).toEqual(without(before.lanes))
  const read = withArchives(await archivesIn(at.folder), subjects, (options) => log.read(options))
  expect(await digestOfAll(read, until)).toEqual(digest)
  for (const [group, text] of groups) expect(canonicalJson(await replayGroup(read, subjects, group, positions, until))).toBe(text)
  // Without the files one line says where it is.
  const [group] = [...groups.keys()]
  const end = await log.end()
  for (const point of [{ kind: 'end' }, positions, { kind: 'revision', revision: 2 }] as const) await expect(replayGroup((options) => log.read(options), subjects, group!, point, end)).rejects.toMatchObject({ name: 'ReplayRefused', code: 'archived', message: expect.stringContaining('they were archived') })
  await expect(digestOfAll((options) => log.read(options), end)).rejects.toMatchObject({ code: 'archived' })
})

test.each(failpoints)('killed at %s and repeated it ends the same, and at every moment the state is the log\'s', async (failpoint) => {
  const at = await started(8, 4)
  await at.hold()
  const groups = () => at.known().then((text) => JSON.parse(text).positions)
  const before = await groups()
  await expect(at.archive(lane, { failpoint: async (name) => void (name === failpoint && (() => { throw new Error('killed') })()) })).rejects.toThrow('killed')
  expect(await groups()).toEqual(before)
  expect(await findingsOf(at, false)).toEqual([])
  const done = await at.archive(lane)
  expect(await groups()).toEqual(before)
  expect(await findingsOf(at, false)).toEqual([])
  expect(await findingsOf(at, true)).toEqual([])
  // Cut off after the record, only the purge was left; what came since may be archived too.
  const wasRecorded = failpoint === 'recorded' || failpoint === 'purged'
  expect(done.finished === null).toBe(failpoint !== 'recorded')
  if (!wasRecorded) expect(done.archived).not.toBeNull()
  const files = await readdir(at.folder)
  expect(files.every((name) => name.endsWith('.ndjson'))).toBe(true)
})

test('archives follow on one another: I6 over any ages and kills (property)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), fc.array(fc.record({ shareOfTurns: fc.double({ min: 0, max: 1, noNaN: true }), killedAt: fc.option(fc.constantFrom(...failpoints), { nil: undefined }) }), { minLength: 1, maxLength: 3 }), async (seed, steps) => {
      const at = await ArchiveStage.start(6, 3, seed)
      try {
        await at.hold()
        at.standsAtMs = at.clock.nowMs()
        const { log } = at.coordinator
        const all = JSON.parse(await at.known())
        const times: number[] = []
        for await (const batch of log.read({ subjects: [subjects.lane(lane)], from: 1, until: await log.end() })) for (const { bytes } of batch) times.push(decodeTurn(bytes).timeMs)
        let share = 0
        for (const { shareOfTurns, killedAt } of steps) {
          share = Math.max(share, shareOfTurns)
          const olderThanMs = at.clock.nowMs() - times[Math.floor(share * (times.length - 1))]!
          const failpoint = async (name: ArchiveFailpoint) => void (name === killedAt && (() => { throw new Error('killed') })())
          await at.archive(lane, { olderThanMs, failpoint }).catch((error: Error) => expect(error.message).toBe('killed'))
          const now = JSON.parse(await at.known())
          for (const key of ['positions', 'shown', 'desired']) expect(now[key]).toEqual(all[key])
          expect(await findingsOf(at, false)).toEqual([])
          const files = await readdir(at.folder)
          if (files.some((name) => name.endsWith('.ndjson'))) expect(await findingsOf(at, true)).toEqual([])
          // With its snapshot of now dropped, from the archive alone.
          expect(await foldedFromLog(at, lane)).toBe(now.lanes.find((text: string) => JSON.parse(text).lane === lane))
        }
      } finally {
        await at.end()
      }
    }),
    { numRuns: 15 },
  )
})

test('a file that was changed, or is not the one on record, purges nothing', async () => {
  const at = await started(6, 3)
  await at.hold()
  await expect(at.archive(lane, { failpoint: async (name) => void (name === 'recorded' && (() => { throw new Error('killed') })()) })).rejects.toThrow('killed')
  const [name] = await readdir(at.folder)
  const path = join(at.folder, name!)
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace('north', 'south'))
  await expect(at.archive()).rejects.toMatchObject({ name: 'DamagedArchive' })
  expect((await verifyFile(path, { onFinding: () => {} })).findings).toBeGreaterThan(0)
  expect(decodeTurn((await at.coordinator.log.first(subjects.lane(lane)))!.bytes).number).toBe(1)
  await writeFile(path, text)
  const bytes = await readFile(path)
  // Lost before the purge it is written again, the same to the byte.
  await rm(path)
  expect(await at.archive()).toMatchObject({ finished: expect.any(Number) })
  expect((await readFile(path)).equals(bytes)).toBe(true)
  expect(await findingsOf(at, true)).toEqual([])
})

test.each<[ArchiveFailpoint, string]>([
  ['text-put', 'left the log while they were written to a file'],
  ['file-verified', 'do not follow'],
])('two who archive at once: who comes too late, behind %s, is told so, and its file stands before no other', async (failpoint, told) => {
  const at = await started(10, 4)
  await at.hold()
  at.standsAtMs = at.clock.nowMs()
  const times: number[] = []
  for await (const batch of at.coordinator.log.read({ subjects: [subjects.lane(lane)], from: 1, until: await at.coordinator.log.end() })) for (const { bytes } of batch) times.push(decodeTurn(bytes).timeMs)
  // However long the other one takes meanwhile.
  const nowMs = at.clock.nowMs()
  const half = { lane, shelf: folderShelf(at.folder, at.coordinator), olderThanMs: nowMs - times[times.length >> 1]!, actor: 'person:bob', signal: never }
  let first: unknown
  const archiveHalf = async () => void (first = await archiveLane({ ...at.context, clock: { ...at.clock, nowMs: () => nowMs } }, half))
  const second = at.archive(lane, { olderThanMs: 0, failpoint: async (name) => void (name === failpoint && (await archiveHalf())) })
  await expect(second).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining(told) })
  expect(first).toMatchObject({ archived: { from: 1 }, why: null })
  expect(await findingsOf(at, true)).toEqual([])
  expect(await at.archive(lane, { olderThanMs: 0 })).toMatchObject({ finished: null, why: null })
  expect(await findingsOf(at, true)).toEqual([])
})

test('a file on no record that is damaged: one line says to move it away, and then it is written anew', async () => {
  const at = await started(6, 3)
  await at.hold()
  await expect(at.archive(lane, { failpoint: async (name) => void (name === 'file-written' && (() => { throw new Error('killed') })()) })).rejects.toThrow('killed')
  const path = join(at.folder, (await readdir(at.folder))[0]!)
  await writeFile(path, (await readFile(path, 'utf8')).slice(0, -9))
  await expect(at.archive()).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringMatching(/^(?!.*another copy).*move it away/) })
  await rm(path)
  expect(await at.archive()).toMatchObject({ archived: { from: 1 } })
})

test('archives of a lane are not scattered by mistake: its newest must be in the folder, and end as it should', async () => {
  const at = await started(8, 4)
  await at.hold()
  const times: number[] = []
  for await (const batch of at.coordinator.log.read({ subjects: [subjects.lane(lane)], from: 1, until: await at.coordinator.log.end() })) for (const { bytes } of batch) times.push(decodeTurn(bytes).timeMs)
  at.standsAtMs = at.clock.nowMs()
  await at.archive(lane, { olderThanMs: at.standsAtMs - times[times.length >> 1]! })
  const [name] = await readdir(at.folder)
  const anew = join(at.folder, 'anew')
  for (const dryRun of [true, false]) {
    await expect(at.archive(lane, { olderThanMs: 0, dryRun }, anew)).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining(`${join(anew, name!)} is missing; name the folder that has it with --to, or say --elsewhere`) })
  }
  // Refused before anything is made.
  expect(await readdir(at.folder)).toEqual([name])
  const path = join(at.folder, name!)
  const bytes = await readFile(path)
  for (const cut of [1, 9, 400, bytes.length]) {
    await writeFile(path, bytes.subarray(0, bytes.length - cut))
    await expect(at.archive(lane, { olderThanMs: 0 })).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining('was cut off') })
  }
  await writeFile(path, bytes)
  expect(await at.archive(lane, { olderThanMs: 0, elsewhere: true }, anew)).toMatchObject({ why: null, archived: { from: expect.any(Number) } })
  expect(await readdir(anew)).toHaveLength(1)
})

test('repeated on an idle lane it ends: records of archives are no reason for another', async () => {
  const at = await started(6, 3)
  await at.hold()
  expect(await at.archive(lane, { olderThanMs: -60_000 })).toMatchObject({ why: null })
  // What of the lane came before the record is archived with it.
  await at.archive(lane, { olderThanMs: -60_000 })
  const { number } = decodeTurn((await at.coordinator.log.last(subjects.lane(lane)))!.bytes)
  const files = await readdir(at.folder)
  for (let run = 0; run < 3; run++) expect(await at.archive(lane, { olderThanMs: -60_000 })).toMatchObject({ finished: null, archived: null, why: expect.stringMatching(/records of its archives|no turn before/) })
  expect(decodeTurn((await at.coordinator.log.last(subjects.lane(lane)))!.bytes).number).toBe(number)
  expect(await readdir(at.folder)).toEqual(files)
})

test('a file that is lost while its turns are half purged: nothing more is purged, and one line names it', async () => {
  const at = await started(6, 3)
  await at.hold()
  await expect(at.archive(lane, { failpoint: async (name) => void (name === 'recorded' && (() => { throw new Error('killed') })()) })).rejects.toThrow('killed')
  at.realm.purge(subjects.lane(lane), (await at.coordinator.log.first(subjects.lane(lane)))!.position)
  await expect(at.archive(lane, {}, join(at.folder, 'elsewhere'))).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringMatching(/here-1\.1-\d+\.ndjson is not there: name the folder of that file with --to/) })
  expect(decodeTurn((await at.coordinator.log.first(subjects.lane(lane)))!.bytes).number).toBe(2)
  expect(await at.archive()).toMatchObject({ finished: expect.any(Number) })
})

test('verify tells what was removed from what was archived', async () => {
  const at = await started(10, 4)
  await at.hold()
  const { log } = at.coordinator
  await at.archive()
  const first = (await log.first(subjects.lane(lane)))!
  expect(await findingsOf(at, false)).toEqual([])
  // Somebody purges one turn more.
  at.realm.purge(subjects.lane(lane), first.position)
  const findings = await findingsOf(at, false)
  expect(findings.map(({ kind }) => kind)).toContain('number')
  await expect(at.archive()).rejects.toMatchObject({ name: 'ArchiveRefused', message: expect.stringContaining('log verify') })
})

test('a lane whose snapshot is of another schema says so in one line, and is made anew from the files', async () => {
  const at = await started(6, 3)
  await at.hold()
  await at.archive()
  const { texts, mappings, log } = at.coordinator
  const known = await foldedFromLog(at, lane)
  const begins = (await log.first(subjects.lane(lane)))!
  const beginning = (await laneBeginning(at.context, lane, decodeTurn(begins.bytes).number - 1, never))!
  await mappings.remove(snapshotKey(lane), (await mappings.get(snapshotKey(lane)))!.revision)
  const gone = { ...at.context, coordinator: { ...at.coordinator, texts: { ...texts, get: async () => undefined } } }
  await expect(laneBeginning(gone, lane, 1, never)).rejects.toMatchObject({ name: 'LaneBeginsLater', message: expect.stringMatching(/^turns 1 to \d+ of lane here-1 .*--renew --to DIR/) })
  const older = Buffer.from(Buffer.from((await texts.get(beginning.archive.snapshot))!).toString('utf8').replace(`"schema":${laneSchema}`, '"schema":3'))
  const old = { ...at.context, coordinator: { ...at.coordinator, texts: { ...texts, get: async (digest: string) => (digest === beginning.archive.snapshot ? older : texts.get(digest)) } } }
  await expect(laneBeginning(old, lane, 1, never)).rejects.toMatchObject({ name: 'LaneBeginsLater', message: expect.stringContaining('of schema 3') })
  // Of the same schema it is the very same one, to the byte.
  expect(await renewLane(at.context, lane, await archivesIn(at.folder), never)).toBe(beginning.archive.number)
  const renewed = fromBytes<RenewedSnapshot>((await mappings.get(renewedKey(lane)))!.value)
  expect(renewed.digest).toBe(beginning.archive.snapshot)
  const newer = Buffer.from((await texts.get(renewed.digest))!).toString('utf8').replace(`"schema":${laneSchema}`, `"schema":${laneSchema},"later":true`)
  await mappings.put(renewedKey(lane), toBytes({ ...renewed, digest: await texts.put(Buffer.from(newer)) }))
  const folded = unfoldedLane(lane, at.state.constants)
  await foldOn(log, at.clock, subjects.lane(lane), folded, never, beginningOf(old, lane))
  expect(textOf(folded.state)).toBe(known)
  // One that says another turn is passed over.
  await mappings.put(renewedKey(lane), toBytes({ incarnation: 1, number: 1, turn: 'x', schema: laneSchema, digest: 'y' }))
  expect(await foldedFromLog(at, lane)).toBe(known)
})

test('an archive of another incarnation is not read with this log', async () => {
  const at = await started(4, 3)
  await at.hold()
  await at.archive()
  const archives = await archivesIn(at.folder)
  expect(() => demandSameLog(archives, { realm: 'reeve', incarnation: 2 }, 'the log')).toThrow(/incarnation 1 of realm reeve/)
})

test('a purge that was cut off half way is passed over, and finished by the next', async () => {
  const at = await started(10, 4)
  await at.hold()
  await expect(at.archive(lane, { failpoint: async (name) => void (name === 'recorded' && (() => { throw new Error('killed') })()) })).rejects.toThrow('killed')
  const before = JSON.parse(await at.known())
  const turns: number[] = []
  for await (const batch of at.coordinator.log.read({ subjects: [subjects.lane(lane)], from: 1, until: await at.coordinator.log.end() })) turns.push(...batch.map(({ position }) => position))
  at.realm.purge(subjects.lane(lane), turns[9]!)
  expect(JSON.parse(await at.known())).toEqual(before)
  const findings = await findingsOf(at, false)
  expect(findings.map(({ text }) => text).join()).toContain('repeat "reeve log archive"')
  expect(await at.archive()).toMatchObject({ finished: expect.any(Number) })
  expect(await findingsOf(at, true)).toEqual([])
  const now = JSON.parse(await at.known())
  expect(now.positions).toEqual(before.positions)
})

test('a view that meets the gap while the log does not answer asks again, and does not end', async () => {
  const at = await started(6, 3)
  await at.hold()
  await at.archive()
  const known = await at.known()
  let lost = 0
  // What is read to find the archive, not the question where the log ends.
  at.faults.logRead = () => (lost++ % 3 !== 0 && lost < 8 ? { lose: true } : undefined)
  expect(await at.known()).toBe(known)
  expect(lost).toBeGreaterThan(3)
})
