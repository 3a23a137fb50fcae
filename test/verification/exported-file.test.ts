/** What stands in an exported file, and what must not. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportLog } from '../../src/log-file/export.ts'
import { partText } from '../../src/log-file/format.ts'
import { readLogFile, readLogFileHeader, readLogFileWithTexts } from '../../src/log-file/read.ts'
import { redactionBy } from '../../src/log-file/redaction.ts'
import { verifyFile } from '../../src/verification/verify.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { decodeTurn, digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Commit, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { groupId, subjectsOf } from '../../streams/subjects.ts'
import { storedLog } from '../support/stored-log.ts'

const subjects = subjectsOf('one')
const encoder = new TextEncoder()
const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const newId = () => newUlid(systemClock.nowMs(), systemRandom)
let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'reeve-exported-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

function messageOf(position: number, subject: string, previous: string, commit: Omit<Commit, 'actor' | 'revision'>): StoredMessage {
  const bytes = encodeTurn({ turn: newId(), schema: schemaVersion, incarnation: 1, number: 1, timeMs: 1, previous, commits: [{ ...commit, actor: 'program:test', revision: 1 }] })
  return { subject, position, bytes, storedMs: 1 }
}

const [plan, full, open] = ['a plan', 'what was said at length', 'a plan whose group is not opened yet']
const command = newId()
const group = groupId('here-1', command)
const messages = [
  messageOf(1, subjects.aggregate('instruction', command), digest('a turn before it'), { aggregate: 'instruction', id: command, events: [{ type: 'InstructionTaken', data: { lane: 'here-1', plan: digest(plan), text: 'rename them' } }] }),
  messageOf(2, subjects.lane('here-1'), firstDigest, { aggregate: 'group', id: group, events: [
    { type: 'GroupOpened', data: { plan: digest(plan), digest: digest('a name') } },
    { type: 'JobFailed', data: { job: 1, reason: { code: 'refused', text: 'no', full: digest(full) } } },
    { type: 'JobFailed', data: { job: 2, reason: { code: 'refused', text: 'no', full: digest(full) } } },
  ] }),
  messageOf(3, subjects.aggregate('instruction', 'x'), firstDigest, { aggregate: 'instruction', id: 'x', events: [{ type: 'InstructionTaken', data: { lane: 'here-1', plan: digest(open), text: 'rename them' } }] }),
]

async function exported(more: object = {}) {
  const { texts } = new MemoryRealm({ realm: 'one', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  for (const text of [plan, full, open]) await texts.put(encoder.encode(text))
  const file = join(folder, `${newId()}.ndjson`)
  return { file, done: await exportLog(storedLog(messages, 1), texts, { file, realm: 'one', ...more }) }
}

test('every text that is named stands in it once, before the turn: also the plan of an instruction whose group is not opened', async () => {
  const { file, done } = await exported()
  expect(done).toMatchObject({ records: 3, texts: 3, missingTexts: [] })
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').slice(1, -1).map((line) => JSON.parse(line) as { text?: string; position?: number })
  expect(lines.map(({ text, position }) => text ?? position)).toEqual([digest(plan), 1, digest(full), 2, digest(open), 3])
  const found: string[] = []
  for await (const { texts } of readLogFileWithTexts(file)) found.push(...texts.map(({ payload }) => payload))
  expect(found).toEqual([plan, full, open])
})

test('a prefix of a log says that it is a part; the whole one does not', async () => {
  const [whole, prefix] = [await exported(), await exported({ until: 2 })]
  expect(await readLogFileHeader(whole.file)).toMatchObject({ until: 3, end: 3 })
  expect(partText(await readLogFileHeader(whole.file))).toBeUndefined()
  expect(partText(await readLogFileHeader(prefix.file))).toBe('it ends at position 2, and the log went on to 3')
  const { end: _, ...old } = await readLogFileHeader(prefix.file)
  expect(partText(old)).toBeUndefined()
  const archived = [{ lane: 'here-1', number: 5, turn: '' }]
  const all = await readLogFileHeader(whole.file)
  expect(partText({ ...all, archived })).toBe('lane here-1 begins with turn 6 in it, turns 1 to 5 are in archives')
  // Each reason is said, not the first alone.
  expect(partText({ ...all, archived, redacted: true, from: 2, until: 2 })).toBe('it is redacted; it begins at position 2; lane here-1 begins with turn 6 in it, turns 1 to 5 are in archives; it ends at position 2, and the log went on to 3')
})

test('redacted: no digest by which a guess could be confirmed; equal ones stay equal, and it is still read', async () => {
  const { file } = await exported({ redact: redactionBy(systemRandom.bytes(32)) })
  const text = await readFile(file, 'utf8')
  for (const secret of [plan, full, open, 'a name', 'a turn before it']) expect([secret, text.includes(digest(secret))]).toEqual([secret, false])
  for (const { bytes } of messages) expect(text).not.toContain(digestOf(bytes))
  const turns = []
  for await (const batch of readLogFile(file)) turns.push(...batch.map(({ bytes }) => decodeTurn(bytes)))
  const [taken, opened] = turns.map(({ commits }) => commits[0]!.events.map(({ data }) => data as { plan?: string; reason?: { full: string } }))
  expect(taken![0]!.plan).toMatch(/^[0-9a-f]{64}$/)
  expect(opened![0]!.plan).toBe(taken![0]!.plan)
  expect(opened![1]!.reason!.full).toBe(opened![2]!.reason!.full)
})

test.each<readonly [string, (lines: string[]) => string[], string, number]>([
  ['the header', (lines) => lines.with(0, lines[0]!.replace('"incarnation":1', '"incarnation":2')), 'line 1 or 2: the digest of position 1 is wrong: the file was changed or is damaged; take another', 0],
  ['the first turn', (lines) => lines.with(1, lines[1]!.replace('InstructionTaken', 'InstructionToken')), 'line 1 or 2: the digest of position 1 is wrong: the file was changed or is damaged; take another', 0],
  ['a first line that is none of such a file', (lines) => lines.with(0, '# Notes'), 'line 1: is not JSON: a file written by "reeve log export", or one of an archive, was expected; take another', 0],
  ['the third turn', (lines) => lines.with(3, lines[3]!.replace('InstructionTaken', 'InstructionToken')), 'line 4: the digest of position 3 is wrong: the file was changed or is damaged; what stands before that line is as it was written: take another', 2],
  ['what is no text', (lines) => lines.with(3, '\ud800'), 'line 4: is not JSON: the file is damaged or was cut off; what stands before that line is as it was written: take another', 2],
])('changed: %s. Only what the digests show is said, and what could be read is counted', async (_what, change, text, turns) => {
  const { file } = await exported({ redact: redactionBy(systemRandom.bytes(32)) })
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  await writeFile(file, `${change(lines).join('\n')}\n`)
  const findings: string[] = []
  expect(await verifyFile(file, { onFinding: (finding) => findings.push(finding.text) })).toMatchObject({ findings: 1, turns })
  expect(findings).toEqual([expect.stringContaining(`${file}, ${text} copy of the file, or export again`)])
})
