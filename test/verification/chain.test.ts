/** Any one mutation of a valid log is found, but for those that docs/wire.md and ops/runbooks/backup.md name. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportLog } from '../../src/log-file/export.ts'
import { chainOfHeader, chainOfRecord, recordLine, trailerLine } from '../../src/log-file/format.ts'
import { redactionBy } from '../../src/log-file/redaction.ts'
import { selectionOf } from '../../src/log-file/selection.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { Finding } from '../../src/verification/finding.ts'
import { SmallTable } from '../../src/verification/small-table.ts'
import { compareWithFile, verifyFile, verifyLog } from '../../src/verification/verify.ts'
import { decodeTurn, digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { record } from '../replay/recorded.ts'
import { command, group, tell } from '../replay/story.ts'
import { allOf, renumbered, storedLog } from '../support/stored-log.ts'

const subjects = subjectsOf('reeve')
let folder: string
let coordinator: Coordinator
/** Realm, agents, an instruction and a lane; then many groups in three lanes. */
let messages: StoredMessage[]
let file: string
let lines: readonly string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-verify-'))
  const story = await tell()
  const told = await allOf(story.coordinator.log)
  const many = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  await record(many, subjects, 80, 4, ['here-1', 'here-2', 'here-3'])
  const recorded = await allOf(many.log)
  // One after the other in turn, as a log of several writers is.
  messages = renumbered(Array.from({ length: Math.max(told.length, recorded.length) }, (_, index) => [told[index], recorded[index]]).flat().filter((message) => message !== undefined))
  coordinator = { ...many, log: storedLog(messages, 3) }
  file = join(folder, 'log.ndjson')
  await exportLog(coordinator.log, coordinator.texts, { file, realm: 'reeve' })
  lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function findingsIn(mutated: readonly StoredMessage[], end?: number): Promise<Finding[]> {
  const found: Finding[] = []
  const { findings } = await verifyLog(storedLog(mutated, 3, end), 'reeve', { onFinding: (finding) => found.push(finding) })
  expect(findings).toBe(found.length)
  return found
}

const anIndex = fc.nat({ max: 10_000 }).map((number) => number % messages.length)
const isLast = (index: number) => !messages.slice(index + 1).some(({ subject }) => subject === messages[index]!.subject)
const without = (index: number) => messages.filter((_, at) => at !== index)

describe('the live log', () => {
  test('as it was written has no findings', async () => {
    expect(await findingsIn(messages)).toEqual([])
    expect(messages.length).toBeGreaterThan(100)
  })

  test('one turn deleted, whichever: its position is named', async () => {
    await fc.assert(
      fc.asyncProperty(anIndex, async (index) => {
        const found = await findingsIn(without(index), messages.length)
        expect(found).toContainEqual(expect.objectContaining({ kind: 'missing-position', position: index + 1 }))
        for (const { text } of found) expect(text).not.toContain('\n')
        // Where the subject goes on, it is said which turn of it is gone.
        if (!isLast(index)) expect(found).toContainEqual(expect.objectContaining({ kind: 'number', subject: messages[index]!.subject }))
      }),
    )
  })

  test('one turn left out of a stream that was filled anew: found where its subject goes on, and only there', async () => {
    await fc.assert(
      fc.asyncProperty(anIndex, async (index) => {
        const found = await findingsIn(renumbered(without(index)))
        // Said in docs: a subject does not show what came after its last turn.
        if (isLast(index)) expect(found).toEqual([])
        else expect(found.map(({ kind, subject }) => [kind, subject])).toEqual([['number', messages[index]!.subject]])
      }),
    )
  })

  test('one byte of one turn changed: found, at the latest where its subject goes on', async () => {
    let unseen = 0
    await fc.assert(
      fc.asyncProperty(anIndex, fc.nat(), fc.integer({ min: 1, max: 255 }), async (index, where, change) => {
        const { bytes } = messages[index]!
        const changed = bytes.slice()
        changed[where % bytes.length]! ^= change
        const mutated = messages.map((message, at) => (at === index ? { ...message, bytes: changed } : message))
        const found = await findingsIn(mutated)
        if (found.length === 0) {
          // Said in docs: nothing after it holds its digest.
          expect(isLast(index)).toBe(true)
          unseen += 1
        } else for (const { subject } of found) expect(subject).toBe(messages[index]!.subject)
      }),
      { numRuns: 300 },
    )
    expect(unseen).toBeLessThan(30)
  })

  test('an event without its data, of whichever aggregate: found, and nothing ends by it', async () => {
    for (const [index, message] of messages.entries()) {
      const text = Buffer.from(message.bytes).toString('utf8')
      // As one changed bit leaves it.
      const mutated = messages.map((other, at) => (at === index ? { ...other, bytes: Buffer.from(text.replaceAll('"data"', '"dat`"')) } : other))
      for (const { subject } of await findingsIn(mutated)) expect(subject).toBe(message.subject)
      expect((await findingsIn(mutated)).length > 0 || isLast(index)).toBe(true)
    }
  })

  test('two turns that change places, one that is doubled, one that is put elsewhere', async () => {
    await fc.assert(
      fc.asyncProperty(anIndex, anIndex, async (one, other) => {
        fc.pre(one !== other)
        const [first, second] = [Math.min(one, other), Math.max(one, other)] as const
        const doubled = await findingsIn(renumbered([...messages.slice(0, second), messages[first]!, ...messages.slice(second)]))
        // Between two turns of one subject: the order of turns on different subjects is in positions alone, as docs say.
        const swapped = messages.map((message, at) => (at === first ? messages[second]! : at === second ? messages[first]! : message))
        const inOrder = (all: readonly StoredMessage[], subject: string) => all.filter((message) => message.subject === subject)
        const shows = [messages[first]!.subject, messages[second]!.subject].some((subject) => inOrder(swapped, subject).some((message, at) => message !== inOrder(messages, subject)[at]))
        expect(doubled.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['number']))
        expect((await findingsIn(renumbered(swapped))).length > 0).toBe(shows)
      }),
    )
  })

  test('a turn of another realm, of no subject, and bytes that are no turn', async () => {
    const stranger = (subject: string, bytes: Uint8Array) => findingsIn([...messages, { subject, position: messages.length + 1, bytes, storedMs: 1 }])
    const kinds = async (subject: string, bytes: Uint8Array) => (await stranger(subject, bytes)).map(({ kind }) => kind)
    const { bytes } = messages.at(-1)!
    expect(await kinds('other.event.lane.here-1', bytes)).toEqual(['malformed'])
    expect(await kinds('reeve.event.nothing.x', bytes)).toEqual(['malformed'])
    expect(await kinds(subjects.lane('here-1'), new TextEncoder().encode('{"turn":'))).toEqual(['malformed'])
    // A turn that stands on the subject of another lane.
    expect(await kinds(subjects.lane('here-9'), messages[1]!.bytes)).toContain('malformed')
  })

  test('an aggregate of few turns, of which there are as many as changes: each of its turns removed, changed or doubled', async () => {
    const subject = subjects.aggregate('instruction', command)
    const turn = (number: number, revision: number, previous: string) =>
      encodeTurn({ turn: newUlid(1, systemRandom), schema: 1, incarnation: 1, number, timeMs: number, previous, commits: [{ aggregate: 'instruction', id: command, revision, actor: 'person:ada', events: [{ type: 'InstructionRefused', data: {} }] }] })
    const [first] = messages.filter((message) => message.subject === subject)
    const second = turn(2, 2, digestOf(first!.bytes))
    const third = turn(3, 3, digestOf(second))
    const ours = [first!.bytes, second, third]
    const kinds = async (all: readonly Uint8Array[]) => (await findingsIn(renumbered(all.map((bytes) => ({ subject, position: 0, bytes, storedMs: 1 }))))).map(({ kind }) => kind)
    expect(await kinds(ours)).toEqual([])
    expect(await kinds([second, third])).toEqual(['number'])
    expect(await kinds([first!.bytes, third])).toEqual(['number'])
    expect(await kinds([first!.bytes, turn(2, 2, digestOf(first!.bytes)), third])).toEqual(['digest'])
    expect(await kinds([first!.bytes, second, second])).toEqual(['number'])
    expect(await kinds([first!.bytes, turn(2, 4, digestOf(first!.bytes))])).toEqual(['revision'])
  })

  test('revisions that do not follow, in a chain that was made to fit', async () => {
    const index = messages.findLastIndex(({ subject, bytes }) => subject === subjects.lane('here-1') && decodeTurn(bytes).commits.some(({ revision }) => revision > 3))
    const turn = decodeTurn(messages[index]!.bytes)
    const bytes = encodeTurn({ ...turn, commits: turn.commits.map((commit) => ({ ...commit, revision: commit.revision + 1 })) })
    const found = await findingsIn(messages.map((message, at) => (at === index ? { ...message, bytes } : message)))
    expect(found).toContainEqual(expect.objectContaining({ kind: 'revision', position: index + 1 }))
  })
})

describe('an exported file', () => {
  const verified = async (text: string) => {
    const mutated = join(folder, 'mutated.ndjson')
    await writeFile(mutated, text)
    const found: Finding[] = []
    await verifyFile(mutated, { onFinding: (finding) => found.push(finding) })
    return found
  }
  const joined = (all: readonly string[]) => `${all.join('\n')}\n`

  test('as it was written has no findings; nor has a part of it, and a redacted one', async () => {
    expect(await verified(joined(lines))).toEqual([])
    const part = join(folder, 'part.ndjson')
    for (const more of [
      { from: 20, until: 120 }, { selection: selectionOf(subjects, { lanes: ['here-2'] }) },
      { selection: selectionOf(subjects, { aggregates: [{ aggregate: 'group', id: group }, { aggregate: 'instruction', id: command }, { aggregate: 'agent', id: 'a1' }] }) },
      { redact: redactionBy(systemRandom.bytes(32)) },
    ]) {
      const { records } = await exportLog(coordinator.log, coordinator.texts, { file: part, realm: 'reeve', ...more })
      expect(records).toBeGreaterThan(10)
      expect(await verified(await readFile(part, 'utf8'))).toEqual([])
    }
  })

  test('any character changed, any line removed, doubled, or in the place of the next: found', async () => {
    const text = joined(lines)
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom('change', 'remove', 'double', 'swap', 'cut'), async (where, how) => {
        const line = where % lines.length
        let mutated = text
        if (how === 'change') {
          const at = where % (text.length - 1)
          mutated = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
        } else if (how === 'remove') mutated = joined(lines.filter((_, at) => at !== line))
        else if (how === 'double') mutated = joined([...lines.slice(0, line), lines[line]!, ...lines.slice(line)])
        else if (how === 'swap') mutated = joined(line + 1 < lines.length ? [...lines.slice(0, line), lines[line + 1]!, lines[line]!, ...lines.slice(line + 2)] : lines.slice(1))
        else mutated = text.slice(0, where % (text.length - 1))
        expect((await verified(mutated)).length).toBe(1)
      }),
      { numRuns: 200 },
    )
  })

  test('one whose chain was made anew without a turn: the chain of the turns themselves shows it', async () => {
    const index = messages.findIndex((_, at) => at > 50 && !isLast(at))
    let chain = chainOfHeader(lines[0]!)
    const forged = [lines[0]!]
    for (const { subject, position, bytes, storedMs } of without(index)) {
      const line = { position, subject, storedMs, payload: new TextDecoder().decode(bytes) }
      chain = chainOfRecord(chain, line)
      forged.push(recordLine(line, chain))
    }
    forged.push(trailerLine({ records: messages.length - 1, texts: 0, chain }))
    expect(await verified(joined(forged))).toMatchObject([{ kind: 'number', subject: messages[index]!.subject }])
  })
})

describe('the live log against a file', () => {
  const compared = async (mutated: readonly StoredMessage[], incarnation = 3, realm = 'reeve') => {
    const found: Finding[] = []
    await compareWithFile(storedLog(mutated, incarnation), realm, file, { onFinding: (finding) => found.push(finding) })
    return found
  }

  test('the same log, one that has gone on, and what was imported from it have no findings', async () => {
    expect(await compared(messages)).toEqual([])
    expect(await compared([...messages, { ...messages.at(-1)!, position: messages.length + 1 }])).toEqual([])
    const imported = messages.map((message) => ({ ...message, subject: message.subject.replace('reeve.', 'copy.') }))
    expect(await compared([...imported, { ...imported.at(-1)!, position: messages.length + 1 }], 4, 'copy')).toEqual([])
  })

  test('finds what the log alone cannot show: a cut-off end, the last turn of a subject changed or removed, an order of subjects', async () => {
    const cut = await compared(messages.slice(0, -7))
    expect(cut).toMatchObject([{ kind: 'differs', position: messages.length - 6 }])
    expect(cut[0]!.text).toContain(`7 turns of the file, up to position ${messages.length}, are not in the log`)
    await fc.assert(
      fc.asyncProperty(anIndex, async (index) => {
        expect(await compared(without(index))).toMatchObject([{ position: index + 1 }])
        const turn = decodeTurn(messages[index]!.bytes)
        const bytes = encodeTurn({ ...turn, timeMs: turn.timeMs + 1 })
        expect(await compared(messages.map((message, at) => (at === index ? { ...message, bytes } : message)))).toMatchObject([{ position: index + 1 }])
      }),
      { numRuns: 30 },
    )
    const index = messages.findIndex((message, at) => at > 20 && message.subject !== messages[at + 1]!.subject)
    const swapped = renumbered(messages.map((message, at) => (at === index ? messages[at + 1]! : at === index + 1 ? messages[at - 1]! : message)))
    expect(await findingsIn(swapped)).toEqual([])
    expect(await compared(swapped)).toMatchObject([{ position: index + 1 }, { position: index + 2 }])
  })

  test('a file that nothing can be compared with is refused in one line', async () => {
    const redacted = join(folder, 'redacted.ndjson')
    await exportLog(coordinator.log, coordinator.texts, { file: redacted, realm: 'reeve', redact: redactionBy(systemRandom.bytes(32)) })
    await expect(compareWithFile(coordinator.log, 'reeve', redacted, { onFinding: () => {} })).rejects.toMatchObject({ name: 'NotComparable' })
    await expect(compared(messages, 2)).rejects.toMatchObject({ name: 'NotComparable' })
  })
})

test('a small table keeps what it was given, over any growth', () => {
  const table = new SmallTable(4)
  for (let index = 0; index < 20_000; index++) table.set(`name ${index}`).writeUInt32LE(index)
  expect(table.size).toBe(20_000)
  for (let index = 0; index < 20_000; index += 7) expect(table.get(`name ${index}`)?.readUInt32LE(0)).toBe(index)
  expect(table.get('another')).toBeUndefined()
  table.set('name 5').writeUInt32LE(9)
  expect(table.size).toBe(20_000)
  expect(table.get('name 5')?.readUInt32LE(0)).toBe(9)
})
