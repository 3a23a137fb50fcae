/** What every adapter of the alarms guarantees: little, since whoever hears one looks at the log. */
import { describe, expect, test } from 'vitest'
import type { Alarm } from '../../streams/ports/alarms.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import { type RealmFactory, eachInItsRealm } from './realm.ts'

const far = () => Date.now() + 3_600_000

export function testAlarms(factory: RealmFactory): void {
  describe('alarms', () => {
    const given = eachInItsRealm(factory)

    const heardBy = (coordinator: Coordinator) => {
      const heard: Alarm[] = []
      const watch = coordinator.alarms.watch((alarm) => heard.push(alarm))
      return { heard, watch }
    }
    const set = (trigger: string, atMs: number) => eventually(async () => (await given.client.alarms.set(trigger, atMs)).kind === 'done')

    test('one is due once, at its time, for everybody who listens', async () => {
      const second = await given.realm.connect('second')
      const [one, other] = [heardBy(given.client), heardBy(second)]
      const atMs = Date.now() + 2_500
      await set('nightly', atMs)
      expect([...(await given.client.alarms.pending())]).toEqual(['nightly'])
      await eventually(() => one.heard.length > 0 && other.heard.length > 0)
      expect(Date.now()).toBeGreaterThanOrEqual(atMs - 5)
      expect(one.heard).toEqual([{ trigger: 'nightly', atMs }])
      expect(other.heard).toEqual([{ trigger: 'nightly', atMs }])
      await eventually(async () => (await given.client.alarms.pending()).size === 0)
    })

    test('a second one replaces the first of its trigger, and of no other', async () => {
      const { heard } = heardBy(given.client)
      await set('a', far())
      await set('b', far())
      const atMs = Date.now() + 300
      await set('a', atMs)
      await eventually(() => heard.length > 0)
      expect(heard).toEqual([{ trigger: 'a', atMs }])
      expect([...(await given.client.alarms.pending())]).toEqual(['b'])
    })

    test('one that is cancelled never comes, nor one that was due before', async () => {
      const atMs = Date.now() + 3_000
      await set('a', atMs)
      await set('gone', Date.now() - 10)
      await eventually(async () => !(await given.client.alarms.pending()).has('gone'))
      expect(await given.client.alarms.cancel('a')).toEqual({ kind: 'done' })
      expect(await given.client.alarms.cancel('gone')).toEqual({ kind: 'done' })
      expect(await given.client.alarms.cancel('never')).toEqual({ kind: 'done' })
      expect((await given.client.alarms.pending()).size).toBe(0)
      const { heard } = heardBy(given.client)
      // Behind this one, the other would have come.
      await set('b', Math.max(Date.now(), atMs) + 300)
      await eventually(() => heard.some((alarm) => alarm.trigger === 'b'))
      expect(heard.map((alarm) => alarm.trigger)).toEqual(['b'])
    })

    test('what lies in the past is due at once; who comes later hears the last of each', async () => {
      const atMs = Date.now() - 60_000
      await set('a', atMs)
      await eventually(async () => (await given.client.alarms.pending()).size === 0)
      const second = await given.realm.connect('second')
      const { heard } = heardBy(second)
      await eventually(() => heard.length > 0)
      expect(heard).toEqual([{ trigger: 'a', atMs }])
    })

    test('one that falls due while the server is down comes late, and one that is set stays set', async () => {
      const { heard } = heardBy(given.client)
      const atMs = Date.now() + 1_500
      await set('a', atMs)
      await set('b', far())
      await given.realm.stop()
      await eventually(() => given.client.bus.link === 'disconnected')
      await expect(given.client.alarms.pending()).rejects.toBeInstanceOf(Unavailable)
      expect(await given.client.alarms.set('a', far())).toEqual({ kind: 'indeterminate' })
      expect(await given.client.alarms.cancel('b')).toEqual({ kind: 'indeterminate' })
      await eventually(() => Date.now() > atMs)
      await given.realm.start()
      await eventually(() => heard.some((alarm) => alarm.trigger === 'a' && alarm.atMs === atMs))
      expect([...(await eventually(() => given.client.alarms.pending()))]).toEqual(['b'])
    })

    test('nothing is heard after the watch was stopped', async () => {
      const stopped = heardBy(given.client)
      const { heard } = heardBy(given.client)
      stopped.watch.stop()
      await set('a', Date.now() + 100)
      await eventually(() => heard.length > 0)
      expect(stopped.heard).toEqual([])
    })

    test('I11: all can be deleted, and set again', async () => {
      await set('a', far())
      await given.realm.deleteAlarms()
      expect((await given.client.alarms.pending()).size).toBe(0)
      const { heard } = heardBy(given.client)
      const atMs = Date.now() + 200
      await set('a', atMs)
      await eventually(() => heard.length > 0)
      expect(heard).toEqual([{ trigger: 'a', atMs }])
    })
  })
}
