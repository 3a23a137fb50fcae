/** What every adapter of the event log guarantees. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { appendTurn } from '../../streams/append.ts'
import { encodeTurn, newUlid } from '../../streams/codec.ts'
import { firstDigest, schemaVersion } from '../../streams/envelope.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import { LogMissing, Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import type { ConformanceRealm, RealmFactory } from './realm.ts'
import { bytesOf, textOf } from './realm.ts'

async function readAll(log: EventLog, options: ReadOptions): Promise<StoredMessage[]> {
  const found: StoredMessage[] = []
  for await (const batch of log.read(options)) {
    expect(batch.length).toBeGreaterThan(0)
    found.push(...batch)
  }
  return found
}

function freshTurn(number: number): { readonly turn: string; readonly bytes: Uint8Array } {
  const turn = newUlid(systemClock.nowMs(), systemRandom)
  const timeMs = systemClock.nowMs()
  return { turn, bytes: encodeTurn({ turn, schema: schemaVersion, incarnation: 1, number, timeMs, previous: firstDigest, commits: [] }) }
}

export function testEventLog(factory: RealmFactory): void {
  describe('event log', () => {
    let realm: ConformanceRealm
    let client: Coordinator
    let log: EventLog
    let lane: string
    let other: string

    beforeEach(async () => {
      realm = await factory()
      client = await realm.connect('first')
      log = client.log
      lane = `${realm.realm}.event.lane.here-1`
      other = `${realm.realm}.event.site.s1`
    })
    afterEach(async () => {
      await realm[Symbol.asyncDispose]()
    })

    const append = (subject: string, text: string, expectedLast: number) => log.append({ subject, bytes: bytesOf(text), expectedLast })

    test('an append on the expected position lands, and positions are of the whole log', async () => {
      expect(await append(lane, 'a', 0)).toEqual({ kind: 'landed', position: 1 })
      expect(await append(other, 'b', 0)).toEqual({ kind: 'landed', position: 2 })
      expect(await append(lane, 'c', 1)).toEqual({ kind: 'landed', position: 3 })
      expect(await log.end()).toBe(3)
    })

    test.each([
      ['expecting nothing where something is', 0],
      ['expecting an older message', 1],
      ['expecting what is not there yet', 9],
    ])('I5: %s is a conflict and writes nothing', async (_, expectedLast) => {
      await append(lane, 'a', 0)
      await append(lane, 'b', 1)
      expect(await append(lane, 'c', expectedLast)).toEqual({ kind: 'conflict' })
      expect(await log.end()).toBe(2)
    })

    test('last, at and end say what is stored, to the byte', async () => {
      expect(await log.last(lane)).toBeUndefined()
      expect(await log.end()).toBe(0)
      const beforeMs = systemClock.nowMs()
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      await log.append({ subject: lane, bytes, expectedLast: 0 })
      await append(other, 'ž', 0)
      const last = await log.last(lane)
      expect(last).toMatchObject({ subject: lane, position: 1 })
      expect([...(last as StoredMessage).bytes]).toEqual([...bytes])
      expect((last as StoredMessage).storedMs).toBeGreaterThanOrEqual(beforeMs - 2)
      expect((last as StoredMessage).storedMs).toBeLessThanOrEqual(systemClock.nowMs() + 2)
      expect(textOf(((await log.at(2)) as StoredMessage).bytes)).toBe('ž')
      expect(await log.at(3)).toBeUndefined()
    })

    test('a bounded read gives what was asked for, in order, and ends', async () => {
      for (let i = 0; i < 5; i++) await append(lane, `l${i}`, i === 0 ? 0 : i * 2 - 1).then(() => append(other, `o${i}`, i === 0 ? 0 : i * 2))
      const positions = async (options: ReadOptions) => (await readAll(log, options)).map((message) => message.position)
      expect(await positions({ subjects: [], from: 1, until: 10 })).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect(await positions({ subjects: [lane], from: 2, until: 8 })).toEqual([3, 5, 7])
      expect(await positions({ subjects: [other], from: 1, until: 9 })).toEqual([2, 4, 6, 8])
      expect(await positions({ subjects: [lane, other], from: 4, until: 5 })).toEqual([4, 5])
      expect(await positions({ subjects: [`${realm.realm}.event.lane.*`], from: 9, until: 10 })).toEqual([9])
      expect(await positions({ subjects: [`${realm.realm}.event.agent.nobody`], from: 1, until: 10 })).toEqual([])
      expect(await positions({ subjects: [], from: 6, until: 5 })).toEqual([])
      const [first] = await readAll(log, { subjects: [lane], from: 1, until: 1 })
      expect(first).toMatchObject({ subject: lane, position: 1 })
      expect(textOf((first as StoredMessage).bytes)).toBe('l0')
    })

    test('a read that holds few ahead gives all of it, in order, also messages larger than many are together', async () => {
      const texts = Array.from({ length: 100 }, (_, index) => (index % 40 === 39 ? 'x'.repeat(200_000) : `m${index}`))
      for (const [index, text] of texts.entries()) await append(lane, text, index)
      const read = await readAll(log, { subjects: [lane], from: 1, until: texts.length, aheadMessages: 16, aheadBytes: 1024 * 1024 })
      expect(read.map(({ position }) => position)).toEqual(texts.map((_, index) => index + 1))
      expect(read.map(({ bytes }) => textOf(bytes))).toEqual(texts)
    })

    test('a bounded read past the end waits for the log to get there', async () => {
      await append(lane, 'a', 0)
      const reading = readAll(log, { subjects: [lane], from: 1, until: 3 })
      await append(other, 'x', 0)
      await append(other, 'y', 2)
      expect((await reading).map((message) => message.position)).toEqual([1])
    })

    test('an unbounded read follows the log until its signal', async () => {
      const stop = new AbortController()
      const seen: number[] = []
      const reading = (async () => {
        for await (const batch of log.read({ subjects: [lane], from: 1, signal: stop.signal })) seen.push(...batch.map((message) => message.position))
      })()
      for (let i = 0; i < 3; i++) await append(lane, `${i}`, i)
      await eventually(() => seen.length === 3)
      await append(lane, '3', 3)
      await eventually(() => seen.length === 4)
      stop.abort()
      await reading
      expect(seen).toEqual([1, 2, 3, 4])
    })

    test('purged messages leave gaps that reading passes over', async () => {
      for (let i = 0; i < 4; i++) await append(lane, `${i}`, i)
      await append(other, 'x', 0)
      await realm.purge(lane, 3)
      expect(await log.at(2)).toBeUndefined()
      expect((await log.last(lane))?.position).toBe(4)
      expect((await readAll(log, { subjects: [], from: 1, until: 5 })).map((message) => message.position)).toEqual([4, 5])
      expect(await append(lane, '4', 4)).toEqual({ kind: 'landed', position: 6 })
    })

    test('the first message of a subject is the oldest that is left', async () => {
      expect(await log.first(lane)).toBeUndefined()
      await append(other, 'x', 0)
      for (let i = 0; i < 3; i++) await append(lane, `${i}`, i === 0 ? 0 : i + 1)
      expect(await log.first(lane)).toMatchObject({ subject: lane, position: 2 })
      await log.purge(lane, 3)
      expect(await log.first(lane)).toMatchObject({ position: 4 })
      expect(await log.first(other)).toMatchObject({ position: 1 })
    })

    test('a purge removes one subject up to a position, may be repeated, and never takes the last message', async () => {
      for (let i = 0; i < 4; i++) await append(lane, `${i}`, i)
      await append(other, 'x', 0)
      await append(lane, '4', 4)
      const left = async () => (await readAll(log, { subjects: [], from: 1, until: await log.end() })).map(({ position }) => position)
      await log.purge(lane, 2)
      expect(await left()).toEqual([3, 4, 5, 6])
      await log.purge(lane, 2)
      await log.purge(`${realm.realm}.event.lane.nobody`, 6)
      expect(await left()).toEqual([3, 4, 5, 6])
      await log.purge(lane, 100)
      expect(await left()).toEqual([5, 6])
      await log.purge(other, 5)
      expect(await left()).toEqual([5, 6])
      // Positions and expectations go on (I5).
      expect(await append(lane, '5', 5)).toEqual({ kind: 'conflict' })
      expect(await append(lane, '5', 6)).toEqual({ kind: 'landed', position: 7 })
    })

    test('a reader that follows a subject goes on over a purge', async () => {
      const stop = new AbortController()
      const seen: number[] = []
      for (let i = 0; i < 5; i++) await append(lane, `${i}`, i)
      const reading = (async () => {
        for await (const batch of log.read({ subjects: [lane], from: 1, signal: stop.signal })) seen.push(...batch.map(({ position }) => position))
      })()
      await eventually(() => seen.length === 5)
      await log.purge(lane, 4)
      await append(lane, '5', 5)
      await eventually(() => seen.length === 6)
      stop.abort()
      await reading
      expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    })

    test('without a server, and of another incarnation, a purge says so', async () => {
      await append(lane, 'a', 0)
      await append(lane, 'b', 1)
      await realm.raiseIncarnation()
      await expect(log.purge(lane, 1)).rejects.toBeInstanceOf(LogMissing)
      await expect(log.first(lane)).rejects.toBeInstanceOf(LogMissing)
      await realm.stop()
      await eventually(() => client.bus.link === 'disconnected')
      await expect(log.purge(lane, 1)).rejects.toBeInstanceOf(Unavailable)
    })

    test('I5 property: of all who append on one position exactly one wins, and the others conflict', async () => {
      const second = await realm.connect('second')
      let expectedLast = 0
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 10 }), async (rounds) => {
          for (const contenders of rounds) {
            const outcomes = await Promise.all(
              Array.from({ length: contenders }, (_, i) => (i % 2 === 0 ? log : second.log).append({ subject: lane, bytes: bytesOf(`by ${i}`), expectedLast })),
            )
            const winners = outcomes.flatMap((outcome, i) => (outcome.kind === 'landed' ? [{ i, position: outcome.position }] : []))
            expect(winners).toHaveLength(1)
            expect(outcomes.filter((outcome) => outcome.kind === 'conflict')).toHaveLength(contenders - 1)
            const [winner] = winners as [{ i: number; position: number }]
            expect(textOf(((await log.last(lane)) as StoredMessage).bytes)).toBe(`by ${winner.i}`)
            expectedLast = winner.position
          }
        }),
        { numRuns: 10 },
      )
    })

    test.each([
      ['request', 0],
      ['answer', 1],
    ] as const)('I5: an append whose %s was lost is indeterminate', async (loss, stored) => {
      realm.loseNextAppend(lane, loss)
      expect(await append(lane, 'a', 0)).toMatchObject({ kind: 'indeterminate' })
      expect(await log.end()).toBe(stored)
    })

    test.each(['request', 'answer'] as const)('I5: a turn whose %s was lost stands once in the log', async (loss) => {
      const first = freshTurn(1)
      realm.loseNextAppend(lane, loss)
      expect(await appendTurn(log, systemClock, { subject: lane, ...first, expectedLast: 0 })).toEqual({ kind: 'landed', position: 1 })
      expect(await log.end()).toBe(1)
    })

    test('I5: a turn whose answer was lost landed, though another wrote since', async () => {
      const second = await realm.connect('second')
      const mine = freshTurn(1)
      realm.loseNextAppend(lane, 'answer')
      const appending = appendTurn(log, systemClock, { subject: lane, ...mine, expectedLast: 0 })
      const theirs = freshTurn(2)
      await eventually(async () => (await second.log.end()) === 1)
      expect(await second.log.append({ subject: lane, bytes: theirs.bytes, expectedLast: 1 })).toEqual({ kind: 'landed', position: 2 })
      expect(await appending).toEqual({ kind: 'landed', position: 1 })
    })

    test('P12: an append to another incarnation is refused as such', async () => {
      await append(lane, 'a', 0)
      await realm.raiseIncarnation()
      expect(await append(lane, 'b', 1)).toEqual({ kind: 'wrong-incarnation' })
    })

    test('P12: of another incarnation nothing can be read any more, and a reader ends, also one that waits for what is to come', async () => {
      await append(lane, 'a', 0)
      const heard: string[] = []
      const following = (async () => {
        for await (const batch of log.read({ subjects: [lane], from: 1 })) heard.push(...batch.map(({ bytes }) => textOf(bytes)))
      })()
      following.catch(() => {})
      await eventually(() => heard.length === 1)
      await realm.raiseIncarnation()
      await expect(following).rejects.toBeInstanceOf(LogMissing)
      await expect(readAll(log, { subjects: [lane], from: 1 })).rejects.toBeInstanceOf(LogMissing)
      await expect(log.last(lane)).rejects.toBeInstanceOf(LogMissing)
      await expect(log.at(1)).rejects.toBeInstanceOf(LogMissing)
      await expect(log.end()).rejects.toBeInstanceOf(LogMissing)
    })

    test('without a server an append writes nothing and says so, reads throw, and all of it works again afterwards', async () => {
      await append(lane, 'a', 0)
      await realm.stop()
      await eventually(() => client.bus.link === 'disconnected')
      expect(await append(lane, 'b', 1)).toMatchObject({ kind: 'unavailable' })
      await expect(log.last(lane)).rejects.toBeInstanceOf(Unavailable)
      await expect(log.end()).rejects.toBeInstanceOf(Unavailable)
      await realm.start()
      await eventually(() => client.bus.link === 'connected')
      // Nothing was kept back to be sent later.
      expect(await eventually(() => log.end())).toBe(1)
      expect(await eventually(async () => (await append(lane, 'b', 1)).kind === 'landed')).toBe(true)
    })

    test('reading follows through the loss of the server: each message once, in order', async () => {
      const stop = new AbortController()
      const seen: number[] = []
      const reader = await realm.connect('reader')
      const reading = (async () => {
        for await (const batch of reader.log.read({ subjects: [lane], from: 1, signal: stop.signal })) seen.push(...batch.map((message) => message.position))
      })()
      const total = 60
      const writing = (async () => {
        let expectedLast = 0
        for (let number = 1; number <= total; number++) {
          const outcome = await appendTurn(log, systemClock, { subject: lane, ...freshTurn(number), expectedLast })
          expect(outcome.kind).toBe('landed')
          if (outcome.kind === 'landed') expectedLast = outcome.position
        }
      })()
      await eventually(() => seen.length >= 10)
      await realm.interrupt()
      await writing
      await eventually(() => seen.length >= total)
      stop.abort()
      await reading
      expect(seen).toEqual(Array.from({ length: total }, (_, i) => i + 1))
    })

    test('closing ends reads and everything that waits', async () => {
      const reading = readAll(log, { subjects: [], from: 1 })
      await client.close()
      expect(await reading).toEqual([])
      await client.close()
      expect(await append(lane, 'a', 0)).toMatchObject({ kind: 'unavailable' })
    })
  })
}
