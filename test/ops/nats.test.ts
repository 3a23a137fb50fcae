/** The configurations of `ops/nats/` start a real nats-server on which a realm is durable; only addresses, ports and folders are others here. */
import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { durabilityOfServers } from '../../streams/jetstream/durability.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { eventually } from '../support/eventually.ts'
import { freePorts } from '../support/free-ports.ts'
import { TestNatsServer } from '../support/nats-server.ts'

const running: TestNatsServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server[Symbol.asyncDispose]()))
})

async function start(file: string, places: readonly (readonly [RegExp, string])[]): Promise<TestNatsServer> {
  const given = await readFile(new URL(`../../ops/nats/${file}`, import.meta.url), 'utf8')
  const server = await TestNatsServer.start({
    whole: (folder, port) =>
      [[/^listen: .*$/m, `listen: "127.0.0.1:${port}"`] as const, [/^http: .*$/m, 'http: "127.0.0.1:-1"'] as const, [/store_dir: .*$/m, `store_dir: ${JSON.stringify(folder)}`] as const, ...places]
        .reduce((text, [pattern, place]) => {
          expect(text).toMatch(pattern)
          return text.replace(pattern, () => place)
        }, given),
  })
  running.push(server)
  return server
}

async function synced(servers: readonly TestNatsServer[]) {
  return durabilityOfServers(await Promise.all(servers.map(async (server) => (await fetch(`${server.monitoringUrl}/varz`)).json())))
}

async function realmOn(urls: readonly string[]) {
  return connectCoordinator({ servers: urls, realm: 'reeve', name: 'test', clock: systemClock, random: systemRandom, create: true })
}

describe('ops/nats', () => {
  test('one-node.conf', async () => {
    const server = await start('one-node.conf', [])
    expect(await synced([server])).toEqual({ level: 'synced' })
    const coordinator = await realmOn([server.url])
    const answer = await coordinator.connection.api<{ readonly config: { readonly num_replicas: number } }>('STREAM.INFO.REEVE_EVENTS_1')
    expect(answer).toMatchObject({ ok: true, value: { config: { num_replicas: 1 } } })
    await coordinator.close()
  })

  test('three-nodes-N.conf: three copies', async () => {
    const ports = await freePorts(3)
    const routes = `routes: [ ${ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')} ]`
    const servers = await Promise.all(
      ports.map((port, index) => start(`three-nodes-${index + 1}.conf`, [[/^  listen: .*$/m, `  listen: "127.0.0.1:${port}"`], [/routes: \[.*\]/, routes]])),
    )
    expect(await synced(servers)).toEqual({ level: 'synced' })
    const urls = servers.map((server) => server.url)
    // The cluster elects a leader of its own first.
    const coordinator = await eventually(() => realmOn(urls), { everyMs: 500, what: 'a realm on three nodes' })
    const answer = await coordinator.connection.api<{ readonly config: { readonly num_replicas: number } }>('STREAM.INFO.REEVE_EVENTS_1')
    expect(answer).toMatchObject({ ok: true, value: { config: { num_replicas: 3 } } })
    await coordinator.close()
  })
})
