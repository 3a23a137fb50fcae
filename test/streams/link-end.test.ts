/** What a link leaves when it is closed, on a real server. */
import { expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { openLink } from '../../streams/jetstream/open-link.ts'
import { countedClock } from '../support/counted-clock.ts'
import { TestNatsServer } from '../support/nats-server.ts'

test('no timer, which would keep its process: of requests that were answered and of one that was not', async () => {
  await using server = await TestNatsServer.start()
  const clock = countedClock(systemClock)
  const link = await openLink({ servers: [server.url], name: 'test', clock })
  await link.api('INFO')
  expect(await link.exchange('nobody', '', { timeoutMs: 25_000 })).toEqual({ kind: 'no-responders' })
  link.connection.subscribe('silent', { callback: () => {} })
  const unanswered = link.exchange('silent', '', { timeoutMs: 25_000, repeatMs: 1_000 })
  await link.api('INFO')
  await link.close()
  expect(await unanswered).toEqual({ kind: 'disconnected' })
  expect(clock.standing).toBe(0)
})
