import type { NatsConnection } from 'nats'
import { describe, expect, it } from 'vitest'
import { framesOf, publishAll } from '../../streams/jetstream/frames.ts'

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes))
const limit = 1_000

describe('frames of the client protocol', () => {
  it('say each message in order, sizes counted in bytes', () => {
    const frames = framesOf(
      [
        { subject: 'a.b', data: 'grün' },
        { subject: 'a.ö', data: new TextEncoder().encode('{}'), reply: '_INBOX.x.1' },
        { subject: 'log', data: new Uint8Array([120]), reply: 'r', headers: { 'Nats-Expected-Stream': 'S', 'Nats-TTL': '2s' } },
        { subject: 'none', data: '', headers: {} },
      ],
      limit,
    )
    const head = 'NATS/1.0\r\nNats-Expected-Stream: S\r\nNats-TTL: 2s\r\n\r\n'
    expect(text(frames)).toBe(
      `PUB a.b 5\r\ngrün\r\nPUB a.ö _INBOX.x.1 2\r\n{}\r\nHPUB log r ${head.length} ${head.length + 1}\r\n${head}x\r\nHPUB none 12 12\r\nNATS/1.0\r\n\r\n\r\n`,
    )
  })

  it('are not made of a message that is larger than the server takes, its headers counted', () => {
    expect(framesOf([{ subject: 'a', data: 'x'.repeat(limit) }], limit)).toBeDefined()
    expect(framesOf([{ subject: 'a', data: 'x'.repeat(limit + 1) }], limit)).toBeUndefined()
    expect(framesOf([{ subject: 'a', data: 'x'.repeat(limit - 10), headers: {} }], limit)).toBeUndefined()
  })
})

describe('publishing all', () => {
  const messages = [
    { subject: 'a', data: 'one', reply: 'r' },
    { subject: 'b', data: 'two', headers: { name: 'value' } },
  ]

  it('gives the client all frames at once', () => {
    const taken: string[] = []
    const connection = { protocol: { info: { max_payload: limit }, sendCommand: (frames: Uint8Array) => taken.push(text(frames)!) } }
    publishAll(connection as unknown as NatsConnection, messages)
    expect(taken).toEqual([text(framesOf(messages, limit))])
  })

  it('publishes one by one where a message is too large, or the client takes no frames', () => {
    for (const protocol of [undefined, { info: { max_payload: 2 }, sendCommand: () => expect.unreachable() }]) {
      const published: unknown[] = []
      const publish = (subject: string, data: unknown, options: { reply?: string; headers?: { get(name: string): string } }) =>
        published.push([subject, data, options.reply, options.headers?.get('name')])
      publishAll({ protocol, publish } as unknown as NatsConnection, messages)
      expect(published).toEqual([
        ['a', 'one', 'r', undefined],
        ['b', 'two', undefined, 'value'],
      ])
    }
  })

  it('leaves out what is larger than the server takes, and publishes the rest', () => {
    const published: string[] = []
    const publish = (subject: string) => published.push(subject)
    publishAll({ info: { max_payload: 2 }, protocol: { info: { max_payload: 2 }, sendCommand: () => expect.unreachable() }, publish } as unknown as NatsConnection, [
      { subject: 'a', data: 'ab' },
      { subject: 'b', data: 'abc' },
      { subject: 'c', data: 'é' },
      { subject: 'd', data: '', headers: {} },
    ])
    expect(published).toEqual(['a', 'c'])
  })
})
