/** One service interface as a process: `src/service/program.ts` with what the settings say. */
import { requireId } from '../../streams/subjects.ts'
import type { Settings } from '../command-line/configuration.ts'
import { CommandEnd, exitCodes } from '../command-line/exit.ts'
import { placeOf } from '../command-line/session.ts'
import { ServiceReplaced } from '../service/direct.ts'
import { runServiceProgram } from '../service/program.ts'
import { durabilityAt } from './ask-durability.ts'
import { defaultId } from './default-id.ts'

/** Resolves when it has ended as it was told to. Throws what kept it from starting, or ended it. */
export async function runService(settings: Settings, given: string | undefined): Promise<void> {
  const service = requireId('service', given ?? defaultId('service'))
  const place = await placeOf(settings)
  const durability = await durabilityAt(place.monitoringUrl)
  const running = runServiceProgram({
    servers: place.servers.map(({ url }) => url),
    login: settings.login,
    realm: place.realm,
    service,
    region: settings.region,
    acceptWeakDurability: settings.acceptWeakDurability,
    ...(durability === undefined ? {} : { durability }),
    ...(settings.newestFormat === undefined ? {} : { newestFormat: settings.newestFormat }),
  })
  await running.catch((error: unknown) => {
    throw error instanceof ServiceReplaced ? new CommandEnd(exitCodes.refused, error.message) : error
  })
}
