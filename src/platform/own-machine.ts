/** What this machine and its runtime say of themselves. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { availableParallelism, hostname, loadavg } from 'node:os'

/** Without a "v". */
export function nodeVersion(): string {
  return process.versions.node
}

export async function isWritableFolder(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Processors that this process may use. */
export function processors(): number {
  return availableParallelism()
}

/** Tasks that ran or waited to run, on average of the last minute; 0 where the system does not tell. */
export function load(): number {
  return loadavg()[0]!
}

export function hostName(): string {
  return hostname()
}
