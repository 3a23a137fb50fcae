/** A read that goes on in a reader beside is the log's own read: the same messages, the same states, the same faults, at the same place (I6). */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../streams/codec.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { plainLane } from '../../machines/lane/snapshot.ts'
import { readLogFile, readLogFileHeader } from '../../src/log-file/read.ts'
import { readingOn } from '../../src/log-reading/read-on.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { digestLines } from '../../src/replay/digests.ts'
import type { ReadMessages } from '../../src/replay/group.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { record } from '../replay/recorded.ts'
import { allOf, storedLog } from '../support/stored-log.ts'
import { type BesideOptions, readersBeside } from './reader-beside.ts'

const subjects = subjectsOf('reeve')
/** A reader is begun after the first batch of a hundred messages. */
const atOnce = { sampleBytes: 1, leastBytes: 0 }
let recorded: readonly StoredMessage[]

beforeAll(async () => {
  const coordinator = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom }).connect({ name: 'test', clock: systemClock })
  await record(coordinator, subjects, 1_000, 6, ['here-1', 'here-2', 'here-3'])
  recorded = await allOf(coordinator.log)
  await coordinator.close()
})

/** As a log on a server is: between two batches other things have their turn. */
function paced(log: EventLog): Pick<EventLog, 'read'> {
  return {
    async *read(options: ReadOptions) {
      for await (const batch of log.read(options)) {
        await new Promise((resolve) => setImmediate(resolve))
        yield batch
      }
    },
  }
}

function beside(messages: readonly StoredMessage[], options: BesideOptions = {}) {
  const log = paced(storedLog(messages))
  const readers = readersBeside(log, options)
  return { readers, read: readingOn(log, { ...atOnce, startReader: readers.start }), own: ((read) => log.read(read)) as ReadMessages }
}

async function statesOf(read: ReadMessages, realm: string, until: number): Promise<unknown> {
  const { lanes, ...counts } = await replayLanes(read, subjectsOf(realm), until)
  const plain = [...lanes].map(([lane, state]) => {
    const { head, groups, commands } = plainLane(state)
    return [lane, canonicalJson(head), canonicalJson([...groups]), canonicalJson([...commands]), state.fault]
  })
  return { plain, ...counts }
}

/** What a replay ends in, whichever it is. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: Error & { readonly code?: string }) => ({ name: error.name, code: error.code, message: error.message }))
}

async function digestsOf(read: ReadMessages, realm: string, until: number): Promise<unknown[]> {
  const lines = []
  for await (const line of digestLines(read, subjectsOf(realm), { version: 1, every: 16, until }, 'this')) lines.push(line)
  return lines
}

async function readAll(read: ReadMessages, options: Parameters<ReadMessages>[0]): Promise<StoredMessage[]> {
  const all: StoredMessage[] = []
  for await (const batch of read(options)) all.push(...batch)
  return all
}

const plainMessages = (messages: readonly StoredMessage[]) => messages.map(({ bytes, ...rest }) => ({ ...rest, text: Buffer.from(bytes).toString('latin1') }))

describe('1,000 groups interleaved', () => {
  const lanes = [subjects.allLanes]
  const cases = ['here-1', 'here-2'].flatMap((lane) => [
    { subjects: [subjects.lane(lane)], from: 1 },
    { subjects: [subjects.lane(lane)], from: 150 },
  ])

  test.each([{ subjects: [], from: 1 }, { subjects: lanes, from: 1 }, ...cases])('each message once, in order, of %o', async (options) => {
    const until = recorded.length - 7
    const { read, own, readers } = beside(recorded)
    expect(plainMessages(await readAll(read, { ...options, until }))).toEqual(plainMessages(await readAll(own, { ...options, until })))
    expect(readers.pieces).toBeGreaterThan(0)
    expect(readers.running).toBe(0)
  })

  test('the same states, positions, counts and digests', async () => {
    const { read, own, readers } = beside(recorded)
    expect(await statesOf(read, 'reeve', recorded.length)).toEqual(await statesOf(own, 'reeve', recorded.length))
    expect(await digestsOf(read, 'reeve', recorded.length)).toEqual(await digestsOf(own, 'reeve', recorded.length))
    expect(readers).toMatchObject({ started: 2, running: 0 })
  })

  test.each([0, 1, 2, 5])('a reader that is lost after %i pieces: each message once, in order', async (failsAfter) => {
    const large = recorded.map((one) => ({ ...one, bytes: new Uint8Array(20_000).fill(one.position) }))
    const { read, own, readers } = beside(large, { failsAfter })
    expect(plainMessages(await readAll(read, { subjects: [], from: 1, until: large.length }))).toEqual(plainMessages(await readAll(own, { subjects: [], from: 1, until: large.length })))
    expect(readers).toMatchObject({ pieces: failsAfter, started: 1, running: 0 })
  })

  test('a reader that does not start: this side reads on', async () => {
    const { read, readers } = beside(recorded, { failsAtStart: true })
    expect((await readAll(read, { subjects: [], from: 1, until: recorded.length })).length).toBe(recorded.length)
    expect(readers).toMatchObject({ pieces: 0, started: 1, running: 0 })
  })

  test('whoever stops early leaves no reader behind; at most some pieces wait for who does not take them', async () => {
    const large = recorded.map((one) => ({ ...one, bytes: new Uint8Array(100_000) }))
    const { read, readers } = beside(large)
    let seen = 0
    for await (const batch of read({ subjects: [], from: 1, until: large.length })) {
      seen += batch.length
      if (readers.pieces === 0) continue
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      break
    }
    expect(seen).toBeLessThan(large.length)
    expect(readers.pieces).toBeLessThanOrEqual(5)
    expect(readers.running).toBe(0)
  })

  test('a short read, and one without an end, are the log\'s own', async () => {
    const log = storedLog(recorded)
    const readers = readersBeside(log)
    const read = readingOn(log, { startReader: readers.start })
    expect((await readAll(read, { subjects: [], from: 1, until: recorded.length })).length).toBe(recorded.length)
    expect((await readAll(readingOn(log, { ...atOnce, startReader: readers.start }), { subjects: [], from: 1 })).length).toBe(recorded.length)
    expect(readers.started).toBe(0)
  })

  test.each([
    ['an event that no build knows', (text: string) => text.replaceAll('"GroupCompleted"', '"GroupPerfected"')],
    ['a turn that is none', (text: string) => text.replace('"number":', '"numbre":')],
    ['what is not JSON', (text: string) => text.slice(1)],
  ])('%s is said as ever, at the first place', async (_, broken) => {
    const from = Math.floor(recorded.length * 0.6)
    const damaged = recorded.map((one) => (one.position < from ? one : { ...one, bytes: Buffer.from(broken(Buffer.from(one.bytes).toString())) }))
    const { read, own, readers } = beside(damaged)
    const said = await outcome(statesOf(read, 'reeve', damaged.length))
    expect(said).toMatchObject({ name: expect.stringMatching(/ReplayRefused|MalformedTurn/) })
    expect(said).toEqual(await outcome(statesOf(own, 'reeve', damaged.length)))
    expect(await digestsOf(read, 'reeve', damaged.length)).toEqual(await digestsOf(own, 'reeve', damaged.length))
    expect(readers.running).toBe(0)
  })

  test('a lane whose beginning was archived is refused in the same words', async () => {
    const { read, own } = beside(recorded.slice(30))
    expect(await outcome(statesOf(read, 'reeve', recorded.length))).toMatchObject({ name: 'ReplayRefused', code: 'archived' })
    expect(await outcome(statesOf(read, 'reeve', recorded.length))).toEqual(await outcome(statesOf(own, 'reeve', recorded.length)))
  })
})

const golden = fileURLToPath(new URL('../golden', import.meta.url))

describe.each([1, 2])('golden histories of format %i', (format) => {
  test('the same states and digests, whatever is told of the log\'s place', async () => {
    const folder = join(golden, `format-${format}`)
    const files = (await readdir(folder)).filter((name) => name.endsWith('.log.ndjson'))
    expect(files.length).toBeGreaterThan(0)
    let pieces = 0
    for (const name of files) {
      const file = join(folder, name)
      const { realm } = await readLogFileHeader(file)
      const messages: StoredMessage[] = []
      for await (const batch of readLogFile(file)) messages.push(...batch)
      const until = messages.at(-1)!.position
      const one = (list: readonly StoredMessage[]): EventLog => ({
        ...storedLog(list),
        // Message by message, so that a reader has something left to read also of a short log.
        async *read(options: ReadOptions) {
          for await (const batch of storedLog(list).read(options)) for (const message of batch) yield [message]
        },
      })
      const log = paced(one(messages))
      const readers = readersBeside(log)
      const read = readingOn(log, { ...atOnce, startReader: readers.start })
      const own: ReadMessages = (options) => log.read(options)
      expect(await statesOf(read, realm, until)).toEqual(await statesOf(own, realm, until))
      expect(await digestsOf(read, realm, until)).toEqual(await digestsOf(own, realm, until))
      pieces += readers.pieces
      expect(readers.running).toBe(0)
    }
    expect(pieces).toBeGreaterThan(0)
  })
})
