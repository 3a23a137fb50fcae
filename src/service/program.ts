/** The process behind `reeve serve`: one service interface with real ports, until it is told to stop. */
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import type { Login } from '../../streams/jetstream/open-link.ts'
import { sayIntake } from '../../streams/intake.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { sayReading } from '../../streams/reading.ts'
import { requireId, subjectsOf } from '../../streams/subjects.ts'
import { systemClock as clock } from '../platform/clock.ts'
import { type LogLevel, createLogger } from '../platform/logger.ts'
import { ownVersion } from '../platform/own-package.ts'
import { exitNow, onParentGone, onStopSignal, tellParent } from '../platform/process.ts'
import { systemRandom as random } from '../platform/random.ts'
import { threadKeeper } from '../presence/thread-keeper.ts'
import { joinRealm } from '../realm/founding.ts'
import { startService } from './service.ts'

export interface ServiceProgramOptions {
  readonly servers: readonly string[]
  readonly login?: Login
  readonly realm: string
  /** Id of this service. */
  readonly service: string
  /** Of sites that are added without one. */
  readonly region: string
  readonly logFile?: string
  readonly logLevel?: LogLevel
  readonly acceptWeakDurability: boolean
  /** Known by who runs the server; asked of the server when absent (I8). */
  readonly durability?: Durability
  /** `--newest-format`; default: all that this build knows. */
  readonly newestFormat?: number
  /** Called when its endpoints answer. */
  readonly onReady?: () => void
}

const forcedExitCode = 1

/**
 * Resolves when it was stopped: by the first stop signal, or because the program that started it has ended. A second signal, at
 * least a second later, ends the process at once. Throws what keeps it from starting (`MalformedId`, `Unavailable`, `ServerTooOld`,
 * `RealmRefused`, `WrongDefinition`, `ServiceReplaced`), and what ends it (`MalformedTurn`, `LogMissing`, `ServiceReplaced`, `WrongIncarnation`).
 */
export async function runServiceProgram(options: ServiceProgramOptions): Promise<void> {
  const { realm, servers, login = {}, region, logFile, logLevel = 'info', acceptWeakDurability, durability } = options
  const formats = options.newestFormat === undefined ? {} : { newestFormat: options.newestFormat }
  const service = requireId('service', options.service)
  const subjects = subjectsOf(realm)
  const logger = createLogger({ name: `serve ${service}`, level: logLevel, ...(logFile === undefined ? {} : { file: logFile }) })
  let stop = () => {}
  const told = new Promise<void>((resolve) => (stop = resolve))
  const signals = onStopSignal((signal, again) => {
    logger.info({ signal, again }, again ? 'ending at once' : 'stopping')
    if (again) exitNow(forcedExitCode)
    stop()
  })
  const parent = onParentGone(stop)
  try {
    const coordinator = await connectCoordinator({
      servers,
      realm,
      ...login,
      name: `reeve serve ${service}`,
      clock,
      random,
      create: true,
      onIntake: (said) => sayIntake(logger, said),
      onReading: (said) => sayReading(logger, said),
      onTooLarge: (dropped) => logger.error(dropped, 'a message larger than the server takes was not sent'),
      ...(durability === undefined ? {} : { durability }),
    })
    try {
      await joinRealm({ log: coordinator.log, clock, random }, subjects, {
        actor: `service:${service}`,
        region,
        durability: coordinator.durability,
        acceptWeakDurability,
        ...formats,
      })
      let renewalsFailed: Error | undefined
      const keeper = threadKeeper({
        connect: { servers, realm, ...login, name: `reeve serve ${service} (renewals)` },
        clock,
        isConnected: () => coordinator.bus.link === 'connected',
        onFailure: (error) => {
          logger.error({ err: error }, 'the thread that renews the presence has ended')
          renewalsFailed = error
          stop()
        },
      })
      const running = await startService({ coordinator, subjects, clock, random, logger, service, build: ownVersion(), region, keeper, ...formats })
      try {
        logger.info({ service, realm, region }, 'the service interface answers')
        options.onReady?.()
        tellParent({ kind: 'ready' })
        await Promise.race([told, running.broken])
        // Nobody told it to stop: whoever keeps it is to start it again.
        if (renewalsFailed !== undefined) throw renewalsFailed
      } finally {
        await running.stop()
      }
    } finally {
      await coordinator.close()
    }
  } finally {
    signals.stop()
    parent.stop()
    logger.info({ service }, 'the service interface has ended')
  }
}
