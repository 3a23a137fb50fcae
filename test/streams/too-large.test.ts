/** A message larger than the server takes is not sent, ends nothing, and holds up nothing else: on a real server. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { NatsBus } from '../../streams/jetstream/bus.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { JetStreamEventLog } from '../../streams/jetstream/event-log.ts'
import type { Link, TooLarge } from '../../streams/jetstream/link.ts'
import { eventually } from '../support/eventually.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const limitBytes = 4_096
let server: TestNatsServer
let link: Link
let dropped: TooLarge[]
let heard: number[]
let bus: NatsBus

beforeEach(async () => {
  server = await TestNatsServer.start({ configuration: `max_payload: ${limitBytes}` })
  link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  dropped = []
  heard = []
  link.onTooLarge = (one) => dropped.push(one)
  bus = new NatsBus(link)
  bus.subscribe('here', ({ data, answer }) => {
    heard.push(data.length)
    answer(data)
  })
  await bus.flush(2_000)
})
afterEach(async () => {
  await link.close()
  await server[Symbol.asyncDispose]()
})

const ofBytes = (count: number) => new Uint8Array(count).fill(120)

it('published: it is dropped and told of, and what was published before and after it in the same moment arrives', async () => {
  bus.publish('here', ofBytes(1))
  bus.publish('here', ofBytes(limitBytes + 1))
  // Bytes count, not characters.
  bus.publish('here', 'ö'.repeat(limitBytes / 2 + 1))
  bus.publish('here', ofBytes(limitBytes))
  await eventually(() => heard.length === 2, { what: 'the two that fit' })
  expect(heard).toEqual([1, limitBytes])
  expect(dropped).toEqual([limitBytes + 1, limitBytes + 2].map((sizeBytes) => ({ subject: 'here', sizeBytes, limitBytes })))
  expect(link.state).toBe('connected')
})

it('asked: it ends at once as one that was not sent, and what else is asked is answered', async () => {
  const [large, small] = await Promise.all([bus.ask('here', ofBytes(limitBytes + 1), { timeoutMs: 60_000 }), bus.ask('here', ofBytes(2), { timeoutMs: 60_000 })])
  expect(large).toEqual({ kind: 'offline' })
  expect(small).toMatchObject({ kind: 'answer' })
  expect(heard).toEqual([2])
})

it('appended: nothing was written, and the outcome says why', async () => {
  const log = new JetStreamEventLog(link, 'S', 1, () => {})
  expect(await log.append({ subject: 'here', bytes: ofBytes(limitBytes), expectedLast: 0 })).toMatchObject({ kind: 'unavailable', reason: expect.stringContaining(`than the ${limitBytes} that`) as string })
})
