/** What stands in an exported file, and what must not. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportLog } from '../../src/log-file/export.ts'
import { partText } from '../../src/log-file/format.ts'
import { readLogFile, readLogFileHeader, readLogFileWithTexts } from '../../src/log-file/read.ts'
import { redactionBy } from '../../src/log-file/redaction.ts'
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
