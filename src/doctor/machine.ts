/** What can be checked on this machine alone, with no realm running. */
import type { Clock } from '../../streams/ports/clock.ts'
import { fileFacts } from '../platform/folders.ts'
import { isWritableFolder, nodeVersion } from '../platform/own-machine.ts'
import { findNatsServer } from '../server/find.ts'
import { NatsServerError } from '../server/errors.ts'
import { versionText } from '../server/version.ts'
import { type Finding, note, ok, problem } from './finding.ts'

export const leastNodeMajor = 24

export function checkNode(): Finding {
  const version = nodeVersion()
  return Number(version.split('.')[0]) >= leastNodeMajor
    ? ok('node', `Node ${version}`)
    : problem('node', `Node ${version} is too old`, `install Node ${leastNodeMajor} or newer`)
}

/** Nothing is fetched. */
export async function checkNatsServer(clock: Clock, program: string | undefined): Promise<Finding> {
  try {
    const found = await findNatsServer({ clock, mayFetch: false, ...(program === undefined ? {} : { program }) })
    return ok('nats-server', `nats-server ${versionText(found.version)} at ${found.program}`)
  } catch (error) {
    if (!(error instanceof NatsServerError)) throw error
    if (program !== undefined) return problem('nats-server', error.message, 'name another program, or none')
    return note('nats-server', `${error.message.split(':')[0]}: "reeve up" fetches one where it can`, error.message)
  }
}

export async function checkDataFolder(folder: string): Promise<Finding> {
  const facts = await fileFacts(folder)
  if (facts === undefined) return ok('data-folder', `data folder ${folder} (not there yet; "reeve up" makes it)`)
  if (facts.isFile) return problem('data-folder', `the data folder ${folder} is a file`, 'name a folder with --data')
  return (await isWritableFolder(folder))
    ? ok('data-folder', `data folder ${folder}`)
    : problem('data-folder', `this user may not write into the data folder ${folder}`, 'give the rights back, or name another folder with --data')
}
