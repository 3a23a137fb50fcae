/** The thread of a long read, against a real server: what it hands over is what the log's own read gives, also over the loss of the server. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pause } from '../../streams/ports/clock.ts'
import type { EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { LogMissing } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { readingInThread } from '../../src/log-reading/thread-reader.ts'
import { type JetStreamRealm, realmOnJetStream } from '../conformance/jetstream-realm.ts'

const lane = subjectsOf('reeve').lane('here-1')
const total = 600
const sizeBytes = 50_000
const options = { subjects: [lane], from: 1, until: total }
/** A thread is begun at the first message, however busy this machine is. */
const atOnce = { sampleBytes: 1, leastBytes: 0, mostLoad: Infinity }
let realm: JetStreamRealm

beforeEach(async () => {
  realm = await realmOnJetStream()
})

afterEach(async () => {
  await realm[Symbol.asyncDispose]()
})

async function filled() {
  const { log } = await realm.connect('reader')
  const appended: Promise<unknown>[] = []
  for (let position = 1; position <= total; position++) {
    appended.push(log.append({ subject: lane, bytes: new Uint8Array(sizeBytes).fill(position), expectedLast: position - 1 }))
    if (position % 50 === 0) await Promise.all(appended)
  }
  // The thread has a connection of its own, to the server itself: the one of this side may be held up.
  const { stream, incarnation } = log
  const gate = new Gate(log)
  const read = readingInThread({ stream, incarnation, read: (read) => gate.read(read) }, { servers: [realm.server.url], name: 'thread' }, atOnce)
  return { read, gate, log }
}

/** This side's own read, message by message, slowly: so that the thread begins while little has come from here. */
class Gate {
  readonly #log: Pick<EventLog, 'read'>
  given = 0

  constructor(log: Pick<EventLog, 'read'>) {
    this.#log = log
  }

  async *read(read: ReadOptions): AsyncGenerator<readonly StoredMessage[]> {
    for await (const batch of this.#log.read(read)) {
      for (const message of batch) {
        await pause(systemClock, 20)
        this.given += 1
        yield [message]
      }
    }
  }
}

const each = (messages: readonly StoredMessage[]) => messages.map(({ subject, position, bytes, storedMs }) => [subject, position, bytes.length, bytes[0], bytes.at(-1), storedMs > 1_700_000_000_000])
const expected = Array.from({ length: total }, (_, index) => [lane, index + 1, sizeBytes, (index + 1) % 256, (index + 1) % 256, true])

test('each message once, in order, most of them from the thread', async () => {
  const { read, gate } = await filled()
  const all: StoredMessage[] = []
  for await (const batch of read(options)) all.push(...batch)
  expect(each(all)).toEqual(expected)
  expect(gate.given).toBeLessThan(total)
}, 60_000)

test('the server is lost while the thread reads: each message once, in order', async () => {
  const { read, gate } = await filled()
  const all: StoredMessage[] = []
  let interrupted = false
  for await (const batch of read(options)) {
    all.push(...batch)
    if (interrupted || all.length === gate.given) continue
    interrupted = true
    await realm.interrupt()
  }
  expect(interrupted).toBe(true)
  expect(each(all)).toEqual(expected)
}, 60_000)

test('P12: the log is gone while the thread reads: it is said as the log\'s own read says it', async () => {
  const { read, gate } = await filled()
  let seen = 0
  let gone = false
  const reading = (async () => {
    for await (const batch of read(options)) {
      seen += batch.length
      if (gone || seen === gate.given) continue
      gone = true
      await realm.raiseIncarnation()
    }
  })()
  await expect(reading).rejects.toThrow(LogMissing)
  expect(gone).toBe(true)
}, 60_000)
