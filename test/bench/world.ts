/** A server of our own, or three of them, with a fresh store, synced on every write, and what a benchmark needs to reach it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { startNatsServer } from '../../src/server/run.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'
import { TestNatsCluster } from '../support/nats-cluster.ts'
import type { TestNatsServer } from '../support/nats-server.ts'

export const benchRealm = 'bench'

/** Where clients find it, and what runs. */
export interface BenchServer {
  readonly url: string
  /** Of each server. */
  readonly monitoringUrls: readonly string[]
  /** One, or those of a cluster. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

export interface BenchWorld {
  readonly server: BenchServer
  /** Of every stream. */
  readonly replicas: number
  readonly folder: string
  readonly coordinator: NatsCoordinator
  readonly subjects: Subjects
  stop(): Promise<void>
}

export function startWorld(): Promise<BenchWorld> {
  return worldOn(1, async (folder) => {
    const server = await startNatsServer({ clock: systemClock, folder: join(folder, 'server') })
    return { url: server.url, monitoringUrls: [server.monitoringUrl], pids: [server.pid], stop: () => server.stop() }
  })
}

/** Three servers on this very machine and disk. */
export function startClusterWorld(): Promise<BenchWorld> {
  return worldOn(3, async () => {
    const cluster = await TestNatsCluster.start()
    const servers = [...cluster.servers.values()]
    const [first] = servers as [TestNatsServer, ...TestNatsServer[]]
    return { url: first.url, monitoringUrls: servers.map(({ monitoringUrl }) => monitoringUrl), pids: servers.map(({ pid }) => pid), stop: () => cluster[Symbol.asyncDispose]() }
  })
}

async function worldOn(replicas: number, startServer: (folder: string) => Promise<BenchServer>): Promise<BenchWorld> {
  const folder = mkdtempSync(join(process.env['REEVE_BENCH_DIR'] ?? tmpdir(), 'reeve-bench-'))
  const server = await startServer(folder)
  // Whoever ends the benchmark early ends its server too; agents end by themselves when the program that started them is gone.
  const end = () => {
    for (const pid of server.pids) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupted = () => process.exit(130)
  process.once('exit', end)
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  const coordinator = await connectCoordinator({
    servers: [server.url],
    realm: benchRealm,
    name: 'bench',
    clock: systemClock,
    random: systemRandom,
    create: true,
    durability: { level: 'synced' },
  })
  return {
    server,
    replicas,
    folder,
    coordinator,
    subjects: subjectsOf(benchRealm),
    async stop() {
      process.off('exit', end)
      process.off('SIGINT', interrupted)
      process.off('SIGTERM', interrupted)
      await coordinator.close()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
