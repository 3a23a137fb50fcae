/** One agent as a process: `src/agent/program.ts` with what the settings say. */
import type { AgentRole } from '../../machines/agent/agent.ts'
import { requireId } from '../../streams/subjects.ts'
import { runAgentProgram } from '../agent/program.ts'
import { CommandEnd, exitCodes } from '../command-line/exit.ts'
import type { LockAsking } from '../executor/executor.ts'
import type { Settings } from '../command-line/configuration.ts'
import { placeOf } from '../command-line/session.ts'
import { join } from 'node:path'
import { dataFolderAt } from '../platform/data-folder.ts'
import { durabilityAt } from './ask-durability.ts'
import { defaultId } from './default-id.ts'

/** Resolves when it has ended as it was told to. Throws what kept it from starting, or ended it. */
export async function runAgent(settings: Settings, given: { readonly id: string | undefined; readonly role: AgentRole; readonly skills: readonly string[]; readonly locks?: LockAsking }): Promise<void> {
  const agent = requireId('agent', given.id ?? defaultId(given.role))
  const place = await placeOf(settings)
  const durability = await durabilityAt(place.monitoringUrl)
  const end = await runAgentProgram({
    servers: place.servers.map(({ url }) => url),
    regions: place.servers.map(({ region }) => region),
    login: settings.login,
    realm: place.realm,
    agent,
    role: given.role,
    region: settings.region,
    skills: given.skills,
    ...(given.locks === undefined ? {} : { locks: given.locks }),
    dataFolder: join(dataFolderAt(settings.data).agents, agent),
    acceptWeakDurability: settings.acceptWeakDurability,
    ...(durability === undefined ? {} : { durability }),
    ...(settings.newestFormat === undefined ? {} : { newestFormat: settings.newestFormat }),
  })
  if (end.kind === 'replaced') throw new CommandEnd(exitCodes.refused, `another process is agent ${agent} now (instance ${end.by}): give this one another --id`)
}
