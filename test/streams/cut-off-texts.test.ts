/** Texts of which only a part had landed, and which are put again. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { digestOf } from '../../streams/codec.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import type { Link } from '../../streams/jetstream/link.ts'
import { openTextStore } from '../../streams/jetstream/text-store.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import { TestNatsServer } from '../support/nats-server.ts'

let server: TestNatsServer
let link: Link
let texts: TextStore

beforeEach(async () => {
  server = await TestNatsServer.start()
  link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  texts = await openTextStore(link, 'two_texts', true, 1)
})
afterEach(async () => {
  await link.close()
  await server[Symbol.asyncDispose]()
})

/** Longer than a batch. */
const long = Buffer.from('as it is planned '.repeat(200_000))

// What commits a batch: its first, its second or a later one does not reach the server.
test.each([1, 2, 3])('cut off at batch %i: it is not there; put again, it is, to the byte', async (cutAt) => {
  const exchange = link.exchange.bind(link)
  let batches = 0
  link.exchange = async (subject, data, options) =>
    options.headers?.['Nats-Batch-Commit'] === '1' && ++batches >= cutAt ? { kind: 'timeout' } : exchange(subject, data, options)
  await expect(texts.putMany([long, Buffer.from('short')])).rejects.toMatchObject({ name: 'Unavailable' })
  link.exchange = exchange
  expect(await texts.get(digestOf(long))).toBeUndefined()
  await texts.putMany([Buffer.from('short'), long])
  expect(Buffer.from((await texts.get(digestOf(long)))!).equals(long)).toBe(true)
  expect(Buffer.from((await texts.get(digestOf(Buffer.from('short'))))!).toString()).toBe('short')
})
