/** A server of our own with a fresh store, synced on every write, and what a benchmark needs to reach it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type NatsServer, startNatsServer } from '../../src/server/run.ts'
import { type NatsCoordinator, connectCoordinator } from '../../streams/jetstream/connect.ts'
import { type Subjects, subjectsOf } from '../../streams/subjects.ts'

export const benchRealm = 'bench'

export interface BenchWorld {
  readonly server: NatsServer
  readonly folder: string
  readonly coordinator: NatsCoordinator
  readonly subjects: Subjects
  stop(): Promise<void>
}

export async function startWorld(): Promise<BenchWorld> {
  const folder = mkdtempSync(join(process.env['REEVE_BENCH_DIR'] ?? tmpdir(), 'reeve-bench-'))
  const server = await startNatsServer({ clock: systemClock, folder: join(folder, 'server') })
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
    folder,
    coordinator,
    subjects: subjectsOf(benchRealm),
    async stop() {
      await coordinator.close()
      await server.stop()
      if (process.env['REEVE_BENCH_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}
