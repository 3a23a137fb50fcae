/** One service interface's process in a simulated world, the real one. */
import { joinRealm } from '../../src/realm/founding.ts'
import { type RunningService, startService } from '../../src/service/service.ts'
import type { Logger } from '../../src/agent/context.ts'
import type { SiteAdapter } from '../../src/sites/adapter.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import type { SimProcess } from './process.ts'

export interface SimServiceOptions {
  readonly service: string
  /** Of an older build: the newest format that it knows. */
  readonly newestFormat: number | undefined
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly adapter: SiteAdapter
  readonly logger: Logger
  /** The program ends by itself; without an error when it was told to. */
  readonly onExit: (error: Error | undefined) => void
}

export interface SimService {
  readonly started: () => RunningService | undefined
  stop(): Promise<void>
}

/** As `src/service/program.ts` does it. */
export function startSimService({ service, process, coordinator, subjects, dice, adapter, logger, onExit, newestFormat }: SimServiceOptions): SimService {
  const formats = newestFormat === undefined ? {} : { newestFormat }
  const { clock } = process
  let running: RunningService | undefined
  const start = async () => {
    await joinRealm({ log: coordinator.log, clock, random: dice }, subjects, { actor: `service:${service}`, region: 'r', durability: coordinator.durability, acceptWeakDurability: false, ...formats })
    running = await startService({ coordinator, subjects, clock, random: dice, logger, service, build: '0.1.0', region: 'r', adapterOf: () => adapter, ...formats })
    return running
  }
  const starting = start()
  starting.then(({ broken }) => broken).catch((error: unknown) => onExit(error as Error))
  return {
    started: () => running,
    async stop() {
      await starting.then((started) => started.stop()).catch(() => {})
      onExit(undefined)
    },
  }
}
