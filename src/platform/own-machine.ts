/** What this machine and its runtime say of themselves. */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { availableParallelism, hostname } from 'node:os'

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

export function hostName(): string {
  return hostname()
}
