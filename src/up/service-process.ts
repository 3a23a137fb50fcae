/** One service interface as a process: connected, its realm joined, its endpoints answering. */
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { requireId, subjectsOf } from '../../streams/subjects.ts'
import type { Settings } from '../command-line/configuration.ts'
import type { RunningProgram } from '../command-line/programs.ts'
import { placeOf } from '../command-line/session.ts'
import { systemClock as clock } from '../platform/clock.ts'
import { createLogger } from '../platform/logger.ts'
import { ownVersion } from '../platform/own-package.ts'
import { systemRandom as random } from '../platform/random.ts'
import { joinRealm } from '../realm/founding.ts'
import { startService } from '../service/service.ts'
import { durabilityAt } from './ask-durability.ts'
import { defaultId } from './default-id.ts'

export async function startServiceProgram(settings: Settings, given: string | undefined): Promise<RunningProgram> {
  const service = requireId('service', given ?? defaultId('service'))
  const place = await placeOf(settings)
  const subjects = subjectsOf(place.realm)
  const durability = await durabilityAt(place.monitoringUrl)
  const logger = createLogger({ name: `serve ${service}`, level: 'info' })
  const coordinator = await connectCoordinator({
    servers: [place.url], realm: place.realm, name: `reeve serve ${service}`, clock, random, create: true, ...settings.login, ...(durability === undefined ? {} : { durability }),
  })
  try {
    await joinRealm({ log: coordinator.log, clock, random }, subjects, {
      actor: `service:${service}`,
      region: settings.region,
      durability: coordinator.durability,
      acceptWeakDurability: settings.acceptWeakDurability,
    })
    const running = await startService({ coordinator, subjects, clock, random, logger, service, build: ownVersion(), region: settings.region })
    logger.info({ realm: place.realm, region: settings.region }, 'the service interface answers')
    return {
      ended: running.broken,
      stop: async () => {
        await running.stop()
        await coordinator.close()
      },
    }
  } catch (error) {
    await coordinator.close()
    throw error
  }
}
