/** Values that leaders watch and write in a bucket, of which somebody else may write or take away any at any time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { WatchedValues } from '../../src/leader/watched-values.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { eventually } from '../support/eventually.ts'

interface Held {
  readonly by: string
}

let realm: MemoryRealm
let changes: number
let open: { stop(): void | Promise<void> }[]
beforeEach(() => {
  realm = new MemoryRealm({ realm: 'reeve', clock: systemClock, random: systemRandom })
  changes = 0
  open = []
})
afterEach(async () => {
  for (const each of open.reverse()) await each.stop()
})

async function watching(name: string) {
  const client = realm.connect({ name, clock: systemClock })
  const bucket = client.mappings
  const values = new WatchedValues<Held>(bucket, { prefix: 'lane.', read: (bytes) => fromBytes<Held>(bytes) }, () => (changes += 1))
  open.push({ stop: () => client.close() }, values)
  await eventually(() => values.current)
  return { values, bucket }
}

it('of two that write on what they saw one is told no, and knows then what stands there', async () => {
  const { values: a } = await watching('a')
  const { values: b, bucket } = await watching('b')
  expect(await a.write('x', { by: 'a' })).toBe(true)
  await eventually(() => b.get('x')?.by === 'a')
  const [first, second] = await Promise.all([a.write('x', { by: 'a again' }), b.write('x', { by: 'b' })])
  expect([first, second]).toEqual([true, false])
  expect(b.get('x')).toEqual({ by: 'a again' })
  expect(await b.write('x', { by: 'b' })).toBe(true)
  expect(fromBytes<Held>((await bucket.get('lane.x'))!.value)).toEqual({ by: 'b' })
})

it('what was taken away is written anew, and keys of other kinds are nothing to it', async () => {
  const { values, bucket } = await watching('a')
  const before = changes
  await bucket.put('collection', new Uint8Array())
  expect(await values.write('x', { by: 'a' })).toBe(true)
  await eventually(() => changes === before + 1)
  await bucket.remove('lane.x')
  await eventually(() => values.get('x') === undefined)
  expect(await values.write('x', { by: 'a' })).toBe(true)
  expect(values.get('x')).toEqual({ by: 'a' })
})

it('over a bucket that was deleted and made anew: known until it is there again, and then what is in the new one', async () => {
  const { values: a } = await watching('a')
  const { values: b, bucket } = await watching('b')
  for (const by of ['1', '2', '3']) expect(await a.write('x', { by })).toBe(true)
  expect(await a.write('y', { by: '1' })).toBe(true)
  await eventually(() => b.get('y') !== undefined)
  realm.deleteBucket('mappings')
  await expect(a.write('x', { by: '4' })).rejects.toMatchObject({ name: 'Unavailable' })
  expect(a.get('x')).toEqual({ by: '3' })
  // Written before anybody hears that it was empty, on a revision long passed in the former one.
  await Promise.all([bucket.ensure(), bucket.put('lane.x', toBytes({ by: 'anew' }))])
  for (const values of [a, b]) await eventually(() => values.get('x')?.by === 'anew' && values.get('y') === undefined)
  expect(await a.write('x', { by: 'a' })).toBe(true)
  await eventually(() => b.get('x')?.by === 'a')
  expect(await b.write('x', { by: 'b' })).toBe(true)
  expect(await b.write('y', { by: 'b' })).toBe(true)
})
