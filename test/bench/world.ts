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
  // Whoever ends the benchmark early ends its server too; agents end by themselves when the program that started them is gone.
  const end = () => {
    process.kill(server.pid, 'SIGKILL')
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
