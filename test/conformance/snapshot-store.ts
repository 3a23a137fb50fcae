/** What every adapter of the store of snapshots guarantees. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import type { ConformanceRealm, RealmFactory } from './realm.ts'
import { bytesOf, textOf } from './realm.ts'

export function testSnapshotStore(factory: RealmFactory): void {
  describe('store of snapshots', () => {
    let realm: ConformanceRealm
    let client: Coordinator

    beforeEach(async () => {
      realm = await factory()
      client = await realm.connect('first')
    })
    afterEach(async () => {
      await realm[Symbol.asyncDispose]()
    })

    test('before anything was put there is nothing, and removing it changes nothing', async () => {
      expect(await client.snapshots.get('here-1.a.0')).toBeUndefined()
      await client.snapshots.remove('here-1.a.0')
      expect(await client.snapshots.names()).toEqual([])
    })

    test('what was put is there for everybody, whole, after a restart too; the later one takes the place of the former', async () => {
      const text = 'größer '.repeat(60_000)
      await client.snapshots.put('here-1.a.0', bytesOf('former'))
      await client.snapshots.put('here-1.a.0', bytesOf(text))
      const second = await realm.connect('second')
      await realm.interrupt()
      const found = await eventually(() => second.snapshots.get('here-1.a.0'), { withinMs: 15_000 })
      expect(textOf(found)).toBe(text)
      expect(await second.snapshots.names()).toEqual(['here-1.a.0'])
    })

    test('what was removed is gone, for who had seen it too; the others stay', async () => {
      const second = await realm.connect('second')
      for (const name of ['b', 'a']) await client.snapshots.put(name, bytesOf(name))
      expect(textOf((await second.snapshots.get('a'))!)).toBe('a')
      await client.snapshots.remove('a')
      await client.snapshots.remove('a')
      expect(await second.snapshots.get('a')).toBeUndefined()
      expect(await second.snapshots.names()).toEqual(['b'])
      await client.snapshots.put('a', bytesOf('again'))
      expect(textOf((await second.snapshots.get('a'))!)).toBe('again')
    })

    test('without a server it throws', async () => {
      await realm.stop()
      await eventually(() => client.bus.link === 'disconnected')
      await expect(client.snapshots.put('a', bytesOf('x'))).rejects.toBeInstanceOf(Unavailable)
      await expect(client.snapshots.get('a')).rejects.toBeInstanceOf(Unavailable)
      await realm.start()
    })
  })
}
