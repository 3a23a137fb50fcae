/** Three real nats-servers in a cluster on loopback, every write synced; each can be killed and started again on its data. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { TestNatsServer } from './nats-server.ts'

export class TestNatsCluster implements AsyncDisposable {
  /** Named `n1`, `n2`, `n3`. */
  readonly servers: ReadonlyMap<string, TestNatsServer>

  private constructor(servers: ReadonlyMap<string, TestNatsServer>) {
    this.servers = servers
  }

  static async start(): Promise<TestNatsCluster> {
    const ports = await freePorts(3)
    const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')
    const starting = ports.map(async (port, i) => {
      const name = `n${i + 1}`
      const configuration = `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`
      return [name, await TestNatsServer.start({ name, configuration })] as const
    })
    const started = await Promise.allSettled(starting)
    const servers = new Map(started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
    const cluster = new TestNatsCluster(servers)
    const failure = started.find((result) => result.status === 'rejected')
    if (failure === undefined) return cluster
    await cluster[Symbol.asyncDispose]()
    throw failure.reason
  }

  get urls(): readonly string[] {
    return [...this.servers.values()].map((server) => server.url)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.servers.values()].map((server) => server[Symbol.asyncDispose]()))
  }
}

/** Routes name each other, so these ports must be known before any of the servers listens. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const holders = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(holders.map((holder) => once(holder, 'listening')))
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port)
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))))
  return ports
}
