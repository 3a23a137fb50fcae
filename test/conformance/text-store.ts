/** What every adapter of the store of texts guarantees (P16). */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../streams/codec.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { eventually } from '../support/eventually.ts'
import { type RealmFactory, bytesOf, eachInItsRealm, textOf } from './realm.ts'

export function testTextStore(factory: RealmFactory): void {
  describe('store of texts', () => {
    const given = eachInItsRealm(factory)

    test('a text is found under its digest, by everybody, after a restart too', async () => {
      const text = bytesOf('größer '.repeat(40_000))
      const digest = await given.client.texts.put(text)
      expect(digest).toBe(digestOf(text))
      expect(await given.client.texts.put(text)).toBe(digest)
      const second = await given.realm.connect('second')
      await given.realm.interrupt()
      const found = await eventually(() => second.texts.get(digest))
      expect(textOf(found)).toBe(textOf(text))
    })

    test('many put at once are found, those too that were there before, are doubled, empty, or longer than a message', async () => {
      const texts = ['', 'one', 'two', 'größer '.repeat(60_000), ...Array.from({ length: 1_200 }, (_, index) => `text ${index}`)].map(bytesOf)
      await given.client.texts.put(bytesOf('two'))
      await given.client.texts.putMany([...texts, bytesOf('one')])
      await given.client.texts.putMany(texts.slice(0, 5))
      await given.client.texts.putMany([])
      const second = await given.realm.connect('second')
      for (const text of [...texts.slice(0, 6), texts.at(-1)!]) expect(textOf((await second.texts.get(digestOf(text)))!)).toBe(textOf(text))
      expect(await given.client.texts.put(bytesOf('text 7'))).toBe(digestOf(bytesOf('text 7')))
    })

    test('what was never put is not there', async () => {
      expect(await given.client.texts.get(digestOf(bytesOf('never')))).toBeUndefined()
    })

    test('an empty text is a text', async () => {
      const digest = await given.client.texts.put(bytesOf(''))
      expect((await given.client.texts.get(digest))?.length).toBe(0)
    })

    test('without a server it throws', async () => {
      await given.realm.stop()
      await eventually(() => given.client.bus.link === 'disconnected')
      await expect(given.client.texts.put(bytesOf('x'))).rejects.toBeInstanceOf(Unavailable)
      await expect(given.client.texts.get(digestOf(bytesOf('x')))).rejects.toBeInstanceOf(Unavailable)
      await given.realm.start()
    })
  })
}
