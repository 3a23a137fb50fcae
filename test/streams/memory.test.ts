/** What the realm in memory adds to the ports: virtual time, faults, and equal runs for equal seeds. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock, Random, Timer } from '../../streams/ports/clock.ts'
import type { BucketChange } from '../../streams/ports/bucket.ts'

/** Time that passes only in `pass`, timers in order of their time, then of their making. */
class HandClock implements Clock {
  #nowMs = 0
  #made = 0
  readonly #timers = new Map<number, { readonly dueMs: number; readonly task: () => void }>()

  nowMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, task: () => void): Timer {
    const id = ++this.#made
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), task })
    return { cancel: () => void this.#timers.delete(id) }
  }

  get pending(): number {
    return this.#timers.size
  }

  async pass(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs
    await settled()
    for (;;) {
      const next = [...this.#timers].sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0]
      if (next === undefined || next[1].dueMs > endMs) break
      this.#timers.delete(next[0])
      this.#nowMs = next[1].dueMs
      next[1].task()
      await settled()
    }
    this.#nowMs = endMs
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

function seeded(seed: number): Random {
  let state = seed >>> 0
  return {
    bytes(length) {
      return Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state >>> 24
      })
    },
  }
}

const subject = 'reeve.event.lane.a-1'
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

let clock: HandClock
beforeEach(() => {
  clock = new HandClock()
})

function realmWith(faults: MemoryFaults, seed = 1): MemoryRealm {
  return new MemoryRealm({ realm: 'reeve', clock, random: seeded(seed), faults })
}

describe('faults of an append', () => {
  test('one that arrives after its time-out is indeterminate, and lands', async () => {
    const { log } = realmWith({ append: () => ({ requestMs: 6_000 }) }).connect({ name: 'a', clock })
    const outcome = log.append({ subject, bytes: bytes('x'), expectedLast: 0 })
    await clock.pass(5_000)
    expect(await outcome).toEqual({ kind: 'indeterminate', reason: 'timeout' })
    expect(await log.end()).toBe(0)
    await clock.pass(1_000)
    expect(await log.end()).toBe(1)
  })

  test('an answer that is late by less than the time-out comes', async () => {
    const { log } = realmWith({ append: () => ({ requestMs: 10, answerMs: 20 }) }).connect({ name: 'a', clock })
    let done = false
    const outcome = log.append({ subject, bytes: bytes('x'), expectedLast: 0 }).finally(() => (done = true))
    await clock.pass(29)
    expect(done).toBe(false)
    await clock.pass(1)
    expect(await outcome).toEqual({ kind: 'landed', position: 1 })
    expect(clock.pending).toBe(0)
  })

  test.each(['busy', 'unavailable', 'conflict'] as const)('told to refuse as %s, nothing is written', async (refuse) => {
    const { log } = realmWith({ append: () => ({ refuse }) }).connect({ name: 'a', clock })
    expect(await log.append({ subject, bytes: bytes('x'), expectedLast: 0 })).toMatchObject({ kind: refuse })
    expect(await log.end()).toBe(0)
  })

  test('what is changed after the append does not change what is stored', async () => {
    const { log } = realmWith({}).connect({ name: 'a', clock })
    const data = bytes('x')
    await log.append({ subject, bytes: data, expectedLast: 0 })
    data[0] = 0
    expect(text((await log.last(subject))!.bytes)).toBe('x')
  })
})

describe('reach of a client', () => {
  test('disconnected: what is under way is indeterminate at once; the server may have it', async () => {
    const realm = realmWith({ append: () => ({ requestMs: 5, answerMs: 5 }) })
    const near = realm.connect({ name: 'a', clock })
    const far = realm.connect({ name: 'b', clock })
    const outcome = near.log.append({ subject, bytes: bytes('x'), expectedLast: 0 })
    await clock.pass(1)
    realm.setReach('a', 'disconnected')
    expect(await outcome).toEqual({ kind: 'indeterminate', reason: 'disconnected' })
    await clock.pass(10)
    expect(await far.log.end()).toBe(1)
  })

  test('silent: nobody is told, everything times out, and followers catch up afterwards', async () => {
    const realm = realmWith({})
    const near = realm.connect({ name: 'a', clock })
    const far = realm.connect({ name: 'b', clock })
    const seen: BucketChange[] = []
    const positions: number[] = []
    far.lease.watch((change) => seen.push(change))
    void (async () => {
      for await (const batch of far.log.read({ subjects: [], from: 1 })) positions.push(...batch.map((message) => message.position))
    })()
    await clock.pass(0)
    realm.setReach('b', 'silent')
    expect(far.bus.link).toBe('connected')
    const heard: string[] = []
    far.bus.subscribe('s', (message) => heard.push(text(message.data)))
    near.bus.publish('s', bytes('x'))
    await near.log.append({ subject, bytes: bytes('x'), expectedLast: 0 })
    await near.lease.put('k', bytes('1'))
    const asking = far.bus.ask('nobody', bytes(''), { timeoutMs: 100 })
    const outcome = far.log.append({ subject, bytes: bytes('y'), expectedLast: 1 })
    await clock.pass(5_000)
    expect(await asking).toEqual({ kind: 'timeout' })
    expect(await outcome).toMatchObject({ kind: 'indeterminate' })
    expect({ heard, positions, changes: seen.map((change) => change.kind) }).toEqual({ heard: [], positions: [], changes: ['current'] })
    realm.setReach('b', 'connected')
    await clock.pass(0)
    expect({ heard, positions, changes: seen.map((change) => change.kind) }).toEqual({ heard: [], positions: [1], changes: ['current', 'set', 'current'] })
    await far.close()
  })
})

test('a key expires by the clock alone, in whole seconds rounded up, counted from its last renewal', async () => {
  const { lease } = realmWith({}).connect({ name: 'a', clock })
  const created = await lease.create('leader', bytes('a'), { ttlMs: 1_500 })
  await clock.pass(1_900)
  expect(await lease.get('leader')).toBeDefined()
  if (created.kind !== 'written') throw new Error(created.kind)
  await lease.update('leader', bytes('b'), created.revision, { ttlMs: 1_500 })
  await clock.pass(1_999)
  expect(text((await lease.get('leader'))!.value)).toBe('b')
  await clock.pass(1)
  expect(await lease.get('leader')).toBeUndefined()
  expect(await lease.createOnce('leader', bytes('c'))).toEqual({ kind: 'conflict' })
})

describe('messages', () => {
  test('are lost, late and doubled as the faults say', async () => {
    const realm = realmWith({ message: ({ subject: on }) => (on === 'lost' ? [] : on === 'late' ? [50] : on === 'twice' ? [0, 10] : undefined) })
    const { bus } = realm.connect({ name: 'a', clock })
    const heard: string[] = []
    bus.subscribe('*', (message) => heard.push(message.subject))
    for (const on of ['late', 'lost', 'twice', 'plain']) bus.publish(on, bytes(''))
    await clock.pass(9)
    expect(heard).toEqual(['twice', 'plain'])
    await clock.pass(41)
    expect(heard).toEqual(['twice', 'plain', 'twice', 'late'])
  })

  test('an answer may be lost though the question arrived', async () => {
    const realm = realmWith({ message: ({ answer }) => (answer ? [] : [0]) })
    const { bus } = realm.connect({ name: 'a', clock })
    let asked = 0
    bus.subscribe('q', (message) => {
      asked++
      message.answer(bytes('yes'))
    })
    const asking = bus.ask('q', bytes(''), { timeoutMs: 10 })
    await clock.pass(10)
    expect(await asking).toEqual({ kind: 'timeout' })
    expect(asked).toBe(1)
  })
})

/** Four clients that race, ask and watch under faults drawn from the seed; all that they saw, in order. */
async function storyOf(seed: number): Promise<string[]> {
  clock = new HandClock()
  const dice = seeded(seed)
  const roll = (sides: number) => (dice.bytes(1)[0] as number) % sides
  const realm = realmWith(
    {
      append: () => ({ requestMs: roll(20), answerMs: roll(20), ...(roll(5) === 0 && { lose: roll(2) ? 'request' : 'answer' }) }),
      message: () => Array.from({ length: roll(3) }, () => roll(30)),
      readLag: () => roll(10),
      watchLag: () => roll(10),
    },
    seed,
  )
  const story: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) {
    const client = realm.connect({ name, clock })
    client.bus.subscribe('work', (message) => story.push(`${name} hears ${text(message.data)}`), { queue: 'q' })
    client.config.watch((change) => story.push(`${name} sees ${change.kind}`))
    void (async () => {
      for await (const batch of client.log.read({ subjects: [], from: 1 })) story.push(`${name} reads ${batch.map((message) => text(message.bytes))}`)
    })()
    void (async () => {
      for (let i = 0; i < 10; i++) {
        const last = await client.log.last(subject)
        const outcome = await client.log.append({ subject, bytes: bytes(`${name}${i}`), expectedLast: last?.position ?? 0 })
        story.push(`${name} ${outcome.kind}`)
        client.bus.publish('work', bytes(`${name}${i}`))
        await client.config.put('k', bytes(`${name}${i}`))
      }
    })()
  }
  await clock.pass(120_000)
  return story
}

test('equal seeds give equal runs, other seeds others', async () => {
  const first = await storyOf(7)
  expect(first.length).toBeGreaterThan(100)
  expect(await storyOf(7)).toEqual(first)
  expect(await storyOf(8)).not.toEqual(first)
})
