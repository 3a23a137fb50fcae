/** What every adapter of a bucket guarantees. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Bucket, BucketChange, WriteOutcome } from '../../streams/ports/bucket.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import type { ConformanceRealm, RealmFactory } from './realm.ts'
import { bytesOf, textOf } from './realm.ts'

function revisionOf(outcome: WriteOutcome): number {
  if (outcome.kind !== 'written') throw new Error(`expected a written value, got ${outcome.kind}`)
  return outcome.revision
}

const told = (change: BucketChange): string =>
  change.kind === 'set' ? `${change.entry.key}=${textOf(change.entry.value)}` : change.kind === 'gone' ? `${change.key} gone` : change.kind

export function testBucket(factory: RealmFactory): void {
  describe('bucket', () => {
    let realm: ConformanceRealm
    let client: Coordinator
    let bucket: Bucket

    beforeEach(async () => {
      realm = await factory()
      client = await realm.connect('first')
      bucket = client.agents
    })
    afterEach(async () => {
      await realm[Symbol.asyncDispose]()
    })

    test('create, get, update, put and entries', async () => {
      expect(await bucket.get('k')).toBeUndefined()
      const first = revisionOf(await bucket.create('k', bytesOf('1')))
      expect(await bucket.create('k', bytesOf('x'))).toEqual({ kind: 'conflict' })
      const second = revisionOf(await bucket.update('k', bytesOf('2'), first))
      expect(second).toBeGreaterThan(first)
      expect(await bucket.update('k', bytesOf('x'), first)).toEqual({ kind: 'conflict' })
      expect(await bucket.get('k')).toMatchObject({ key: 'k', revision: second })
      revisionOf(await bucket.put('k', bytesOf('3')))
      revisionOf(await bucket.put('l', bytesOf('4')))
      expect((await bucket.entries()).map((entry) => `${entry.key}=${textOf(entry.value)}`).sort()).toEqual(['k=3', 'l=4'])
    })

    test('a watch of one key tells of that key alone', async () => {
      const seen: string[] = []
      revisionOf(await bucket.put('a.k', bytesOf('1')))
      revisionOf(await bucket.put('a.l', bytesOf('2')))
      const watch = bucket.watch((change) => seen.push(told(change)), 'a.l')
      await eventually(() => seen.includes('current'))
      revisionOf(await bucket.put('a.k', bytesOf('3')))
      revisionOf(await bucket.put('a.l', bytesOf('4')))
      // One that is overwritten before it was sent is not told: a bucket keeps the last value only.
      await eventually(() => seen.includes('a.l=4'))
      revisionOf(await bucket.remove('a.l'))
      await eventually(() => seen.includes('a.l gone'))
      expect(seen).toEqual(['a.l=2', 'current', 'a.l=4', 'a.l gone'])
      watch.stop()
    })

    test('update expecting revision 0 writes only where nothing is', async () => {
      revisionOf(await bucket.update('k', bytesOf('1'), 0))
      expect(await bucket.update('k', bytesOf('2'), 0)).toEqual({ kind: 'conflict' })
    })

    test('P17: a marker lets create write, and createOnce not', async () => {
      const revision = revisionOf(await bucket.createOnce('k', bytesOf('1')))
      expect(await bucket.remove('k', revision + 1)).toEqual({ kind: 'conflict' })
      revisionOf(await bucket.remove('k', revision))
      expect(await bucket.get('k')).toBeUndefined()
      expect(await bucket.goneBy('k')).toMatchObject({ how: 'removed' })
      expect(await bucket.entries()).toEqual([])
      expect(await bucket.createOnce('k', bytesOf('2'))).toEqual({ kind: 'conflict' })
      revisionOf(await bucket.create('k', bytesOf('3')))
      expect([await bucket.goneBy('k'), await bucket.goneBy('never')]).toEqual([undefined, undefined])
      expect(textOf((await bucket.get('k'))?.value ?? bytesOf('nothing'))).toBe('3')
    })

    test('a key expires, unless it was renewed, and leaves a marker that watchers see', async () => {
      const seen: string[] = []
      const watch = client.lease.watch((change) => seen.push(told(change)))
      await eventually(() => seen.includes('current'))
      const created = revisionOf(await client.lease.create('leader', bytesOf('a'), { ttlMs: 3_000 }))
      revisionOf(await client.lease.update('leader', bytesOf('b'), created, { ttlMs: 4_000 }))
      await eventually(() => seen.includes('leader=b'))
      const renewedMs = (await client.lease.get('leader'))!.storedMs
      await eventually(() => seen.includes('leader gone'))
      expect(seen).toEqual(['current', 'leader=a', 'leader=b', 'leader gone'])
      expect(await client.lease.get('leader')).toBeUndefined()
      const gone = await client.lease.goneBy('leader')
      expect(gone?.how).toBe('expired')
      expect(gone!.goneMs - renewedMs).toBeGreaterThanOrEqual(3_999)
      expect(await client.lease.createOnce('leader', bytesOf('c'))).toEqual({ kind: 'conflict' })
      revisionOf(await client.lease.create('leader', bytesOf('d'), { ttlMs: 60_000 }))
      watch.stop()
    })

    test.each(['request', 'answer'] as const)('a write whose %s was lost is indeterminate, and the key tells what became of it', async (loss) => {
      realm.loseNextBucketWrite('agents', 'k', loss)
      expect(await bucket.createOnce('k', bytesOf('mine'), { ttlMs: 60_000 })).toEqual({ kind: 'indeterminate' })
      const found = await bucket.get('k')
      expect(found === undefined ? 'nothing' : textOf(found.value)).toBe(loss === 'request' ? 'nothing' : 'mine')
    })

    test('of those who create a key at once, one does', async () => {
      const second = await realm.connect('second')
      for (let round = 0; round < 10; round++) {
        const outcomes = await Promise.all([bucket, second.agents, bucket].map((each) => each.create(`k${round}`, bytesOf('x'))))
        expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['conflict', 'conflict', 'written'])
      }
    })

    test('a watch tells what is there, then what changes, in order, and nothing once stopped', async () => {
      await bucket.put('a', bytesOf('1'))
      await bucket.put('b', bytesOf('2'))
      await bucket.put('a', bytesOf('3'))
      await bucket.put('c', bytesOf('4'))
      await bucket.remove('c')
      const seen: string[] = []
      const watch = bucket.watch((change) => seen.push(told(change)))
      await eventually(() => seen.includes('current'))
      expect(seen).toEqual(['b=2', 'a=3', 'current'])
      await bucket.put('b', bytesOf('5'))
      await bucket.remove('a')
      await eventually(() => seen.length === 5)
      expect(seen.slice(3)).toEqual(['b=5', 'a gone'])
      watch.stop()
      const second = await realm.connect('second')
      const later: string[] = []
      const other = second.agents.watch((change) => later.push(told(change)))
      await bucket.put('d', bytesOf('6'))
      await eventually(() => later.includes('d=6'))
      expect(seen).toHaveLength(5)
      other.stop()
    })

    test('a watch heals over the loss of the server: no change lost, none told twice', async () => {
      const watcher = await realm.connect('watcher')
      await bucket.put('a', bytesOf('1'))
      await bucket.put('b', bytesOf('1'))
      const seen: string[] = []
      const watch = watcher.agents.watch((change) => seen.push(told(change)))
      await eventually(() => seen.includes('current'))
      await realm.interrupt()
      await eventually(async () => (await bucket.put('b', bytesOf('2'))).kind === 'written')
      await eventually(async () => (await bucket.remove('a')).kind === 'written')
      await eventually(() => seen.includes('b=2') && seen.includes('a gone') && seen.lastIndexOf('current') > 2)
      expect(seen.slice(0, 3)).toEqual(['a=1', 'b=1', 'current'])
      expect(seen.slice(3).filter((line) => line !== 'current').sort()).toEqual(['a gone', 'b=2'])
      watch.stop()
    })

    test('P18: a bucket that is missing is told so; made anew it is empty, what was told is gone, and revisions begin again', async () => {
      for (const value of ['1', '2', '3']) await bucket.put('a', bytesOf(value))
      await bucket.put('b', bytesOf('1'))
      const seen: string[] = []
      const watch = bucket.watch((change) => seen.push(told(change)))
      await eventually(() => seen.includes('current'))
      await realm.deleteBucket('agents')
      await eventually(() => seen.includes('missing'))
      await expect(bucket.get('a')).rejects.toBeInstanceOf(Unavailable)
      expect(await bucket.createOnce('c', bytesOf('1'))).toEqual({ kind: 'indeterminate' })
      const second = await realm.connect('second')
      await Promise.all([bucket.ensure(), second.agents.ensure()])
      await bucket.ensure()
      expect(await bucket.get('a')).toBeUndefined()
      expect(await bucket.createOnce('a', bytesOf('new'))).toEqual({ kind: 'written', revision: 1 })
      await eventually(() => seen.includes('a=new') && seen.includes('b gone') && seen.lastIndexOf('current') > seen.indexOf('missing'))
      expect(seen.slice(0, 3)).toEqual(['a=3', 'b=1', 'current'])
      expect((await bucket.entries()).map(({ key }) => key)).toEqual(['a'])
      watch.stop()
    })

    test('without a server reads throw and writes are not known to have happened', async () => {
      await realm.stop()
      await eventually(() => client.bus.link === 'disconnected')
      await expect(bucket.get('k')).rejects.toBeInstanceOf(Unavailable)
      await expect(bucket.entries()).rejects.toBeInstanceOf(Unavailable)
      expect(await bucket.put('k', bytesOf('1'))).toEqual({ kind: 'indeterminate' })
      await realm.start()
    })
  })
}
