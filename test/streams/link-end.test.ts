/** What a link leaves when it is closed, on a real server. */
import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
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

test('no socket, which would keep its process: of an attempt at a server that takes the connection and says nothing', async () => {
  const { silent, met } = await listenSilently()
  const { port } = silent.address() as AddressInfo
  await expect(openLink({ servers: [`nats://127.0.0.1:${port}`], name: 'test', clock: systemClock, connectTimeoutMs: 500 })).rejects.toMatchObject({ name: 'Unavailable' })
  await (await met).ended
  silent.close()
})

test('no socket of a link that is closed while it tries a server that says nothing', async () => {
  await using server = await TestNatsServer.start()
  const link = await openLink({ servers: [server.url], name: 'test', clock: systemClock })
  const { port } = server
  await server.kill()
  const { silent, met } = await listenSilently(port)
  const { ended } = await met
  await link.close()
  await ended
  silent.close()
})

/** As a server that is frozen. `met`: the first connection, once it is there; its `ended` resolves when the other side has ended it. */
async function listenSilently(port = 0): Promise<{ readonly silent: Server; readonly met: Promise<{ readonly ended: Promise<unknown> }> }> {
  const silent = createServer()
  const met = once(silent, 'connection').then(([socket]: Socket[]) => ({ ended: once(socket!.resume(), 'close') }))
  silent.listen(port, '127.0.0.1')
  await once(silent, 'listening')
  return { silent, met }
}
