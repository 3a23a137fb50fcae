/** What every adapter of the store of texts guarantees (P16). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../streams/codec.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import type { ConformanceRealm, RealmFactory } from './realm.ts'
import { bytesOf, textOf } from './realm.ts'

export function testTextStore(factory: RealmFactory): void {
  describe('store of texts', () => {
    let realm: ConformanceRealm
    let client: Coordinator

    beforeEach(async () => {
      realm = await factory()
      client = await realm.connect('first')
    })
    afterEach(async () => {
      await realm[Symbol.asyncDispose]()
    })

    test('a text is found under its digest, by everybody, after a restart too', async () => {
      const text = bytesOf('größer '.repeat(40_000))
      const digest = await client.texts.put(text)
      expect(digest).toBe(digestOf(text))
      expect(await client.texts.put(text)).toBe(digest)
      const second = await realm.connect('second')
      await realm.interrupt()
      const found = await eventually(() => second.texts.get(digest), { withinMs: 15_000 })
      expect(textOf(found)).toBe(textOf(text))
    })

    test('many put at once are found, those too that were there before, are doubled, empty, or longer than a message', async () => {
      const texts = ['', 'one', 'two', 'größer '.repeat(60_000), ...Array.from({ length: 1_200 }, (_, index) => `text ${index}`)].map(bytesOf)
      await client.texts.put(bytesOf('two'))
      await client.texts.putMany([...texts, bytesOf('one')])
      await client.texts.putMany(texts.slice(0, 5))
      await client.texts.putMany([])
      const second = await realm.connect('second')
      for (const text of [...texts.slice(0, 6), texts.at(-1)!]) expect(textOf((await second.texts.get(digestOf(text)))!)).toBe(textOf(text))
      expect(await client.texts.put(bytesOf('text 7'))).toBe(digestOf(bytesOf('text 7')))
    })

    test('what was never put is not there', async () => {
      expect(await client.texts.get(digestOf(bytesOf('never')))).toBeUndefined()
    })

    test('an empty text is a text', async () => {
      const digest = await client.texts.put(bytesOf(''))
      expect((await client.texts.get(digest))?.length).toBe(0)
    })

    test('without a server it throws', async () => {
      await realm.stop()
      await eventually(() => client.bus.link === 'disconnected')
      await expect(client.texts.put(bytesOf('x'))).rejects.toBeInstanceOf(Unavailable)
      await expect(client.texts.get(digestOf(bytesOf('x')))).rejects.toBeInstanceOf(Unavailable)
      await realm.start()
    })
  })
}
