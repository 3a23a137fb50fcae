/** What every adapter of the store of snapshots guarantees. */
import { describe, expect, test } from 'vitest'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import { type RealmFactory, bytesOf, eachInItsRealm, textOf } from './realm.ts'

export function testSnapshotStore(factory: RealmFactory): void {
  describe('store of snapshots', () => {
    const given = eachInItsRealm(factory)

    test('before anything was put there is nothing, and removing it changes nothing', async () => {
      expect(await given.client.snapshots.get('here-1.a.0')).toBeUndefined()
      await given.client.snapshots.remove('here-1.a.0')
      expect(await given.client.snapshots.names()).toEqual([])
    })

    test('what was put is there for everybody, whole, after a restart too; the later one takes the place of the former', async () => {
      const text = 'größer '.repeat(60_000)
      await given.client.snapshots.put('here-1.a.0', bytesOf('former'))
      await given.client.snapshots.put('here-1.a.0', bytesOf(text))
      const second = await given.realm.connect('second')
      await given.realm.interrupt()
      const found = await eventually(() => second.snapshots.get('here-1.a.0'))
      expect(textOf(found)).toBe(text)
      expect(await second.snapshots.names()).toEqual(['here-1.a.0'])
    })

    test('what was removed is gone, for who had seen it too; the others stay', async () => {
      const second = await given.realm.connect('second')
      for (const name of ['b', 'a']) await given.client.snapshots.put(name, bytesOf(name))
      expect(textOf((await second.snapshots.get('a'))!)).toBe('a')
      await given.client.snapshots.remove('a')
      await given.client.snapshots.remove('a')
      expect(await second.snapshots.get('a')).toBeUndefined()
      expect(await second.snapshots.names()).toEqual(['b'])
      await given.client.snapshots.put('a', bytesOf('again'))
      expect(textOf((await second.snapshots.get('a'))!)).toBe('again')
    })

    test('without a server it throws', async () => {
      await given.realm.stop()
      await eventually(() => given.client.bus.link === 'disconnected')
      await expect(given.client.snapshots.put('a', bytesOf('x'))).rejects.toBeInstanceOf(Unavailable)
      await expect(given.client.snapshots.get('a')).rejects.toBeInstanceOf(Unavailable)
      await given.realm.start()
    })
  })
}
