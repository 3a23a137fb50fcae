/**
 * The process behind `reeve agent`: one agent with real ports. Its data folder is locked for as long as it lives and remembers
 * the realm (P20); presence and lease are renewed by a thread of its own (P8).
 */
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { sayIntake } from '../../streams/intake.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import type { Durability } from '../../streams/ports/coordinator.ts'
import { sayReading } from '../../streams/reading.ts'
import { systemClock } from '../platform/clock.ts'
import { optimizeSooner } from '../platform/compile-cache.ts'
import type { LockAsking } from '../executor/executor.ts'
import { lockFolder } from '../platform/data-folder.ts'
import { type LogLevel, createLogger } from '../platform/logger.ts'
import { collectSeldom } from '../platform/memory.ts'
import { ownVersion } from '../platform/own-package.ts'
import { exitNow, onParentGone, onStopSignal, tellParent } from '../platform/process.ts'
import { systemRandom } from '../platform/random.ts'
import { threadKeeper } from '../presence/thread-keeper.ts'
import { rememberRealm, rememberedRealm } from '../up/realm-identity.ts'
import { type AgentEnd, startAgent } from './agent.ts'

export interface AgentProgramOptions {
  /** URLs, nearest first [508]. */
  readonly servers: readonly string[]
  /** Region of each of `servers`, where it is known. */
  readonly regions?: readonly (string | null)[]
  readonly login?: { readonly token?: string; readonly user?: string; readonly pass?: string }
  readonly realm: string
  readonly agent: string
  readonly role: AgentRole
  readonly region: string
  readonly skills: readonly string[]
  /** This agent's own, `<data>/agents/<agent>`. */
  readonly dataFolder: string
  readonly logFile?: string
  readonly logLevel?: LogLevel
  readonly acceptWeakDurability: boolean
  /** Known by who runs the server; asked of the server when absent (I8). */
  readonly durability?: Durability
  /** Only taken by the program that founds the realm. */
  readonly constants?: RealmConstants
  /** `--newest-format`; default: all that this build knows. */
  readonly newestFormat?: number
  /** How it asks for locks; default: by credit. */
  readonly locks?: LockAsking
  /** Called when it is present and takes part. */
  readonly onReady?: (instance: string) => void
}

/** Longest that a graceful stop may take once nobody waits for it any more (its parent is gone). */
const orphanGraceMs = 2_500
const forcedExitCode = 1

/**
 * Runs until the agent ends. Resolves with how it ended, `failed` excepted, which is thrown, as is everything that keeps it
 * from starting: `FolderInUse`, `Unavailable`, `ServerTooOld`, `RealmRefused`, `WrongDefinition`. The first stop signal stops it
 * gracefully; a second one, at least a second later, ends the process at once.
 */
export async function runAgentProgram(options: AgentProgramOptions): Promise<AgentEnd> {
  const { agent, role, region, skills, realm, servers, login = {}, dataFolder } = options
  const logger = createLogger({
    name: `agent ${agent}`,
    level: options.logLevel ?? 'info',
    ...(options.logFile === undefined ? {} : { file: options.logFile }),
  })
  collectSeldom()
  const lock = await lockFolder(dataFolder)
  try {
    const { regions } = options
    const connect = { servers, realm, ...login, ...(regions === undefined ? {} : { regions }) }
    const expectedRealm = await rememberedRealm(dataFolder)
    const coordinator = await connectCoordinator({
      ...connect,
      name: `agent ${agent}`,
      clock: systemClock,
      random: systemRandom,
      create: true,
      onIntake: (said) => sayIntake(logger, said),
      onReading: (said) => sayReading(logger, said),
      onTooLarge: (dropped) => logger.error(dropped, 'a message larger than the server takes was not sent'),
      ...(options.durability === undefined ? {} : { durability: options.durability }),
    })
    try {
      let renewalsFailed: Error | undefined
      const keeper = threadKeeper({
        connect: { ...connect, name: `agent ${agent} (renewals)` },
        clock: systemClock,
        isConnected: () => coordinator.bus.link === 'connected',
        onFailure: (error) => {
          logger.error({ err: error }, 'the thread that renews presence and lease has ended')
          renewalsFailed = error
          void running.force()
        },
      })
      const running = startAgent({
        agent,
        role,
        region,
        skills,
        build: ownVersion(),
        realmName: realm,
        coordinator,
        clock: systemClock,
        random: systemRandom,
        logger,
        keeper,
        acceptWeakDurability: options.acceptWeakDurability,
        ...(expectedRealm === undefined ? {} : { expectedRealm }),
        ...(options.constants === undefined ? {} : { constants: options.constants }),
        ...(options.newestFormat === undefined ? {} : { newestFormat: options.newestFormat }),
        ...(options.locks === undefined ? {} : { locks: options.locks }),
        // At rest it would only cost.
        onTransition: ({ event }) => {
          if (event === 'QueueWaiting') optimizeSooner()
        },
      })
      const signals = onStopSignal((signal, again) => {
        logger.info({ signal, again }, again ? 'ending at once' : 'stopping')
        if (again) exitNow(forcedExitCode)
        void running.stop()
      })
      const parent = onParentGone(() => {
        logger.warn({}, 'the program that started this agent has ended; stopping')
        systemClock.after(orphanGraceMs, () => void running.force())
        void running.stop()
      })
      running.joined.then((state) => rememberRealm(dataFolder, state.realm)).catch(() => {})
      running.ready.then(
        () => {
          logger.info({ agent, instance: running.instance, role, region, skills }, 'agent is ready')
          options.onReady?.(running.instance)
          tellParent({ kind: 'ready' })
        },
        () => {},
      )
      const end = await running.ended
      // A thread that was never used is ended too.
      await keeper.close()
      signals.stop()
      parent.stop()
      logger.info({ agent, end: end.kind }, 'agent has ended')
      if (end.kind === 'failed') throw end.error
      // Nobody told it to stop: whoever keeps it is to start it again.
      if (renewalsFailed !== undefined) throw renewalsFailed
      return end
    } finally {
      await coordinator.close()
    }
  } finally {
    lock.release()
  }
}
