/** How other commands on this machine find the realm that `reeve up` started: `running.json` in its data folder. */
import { join } from 'node:path'
import { readTextFile, removeFile, replaceTextFile } from '../platform/folders.ts'
import { processIdentity } from '../platform/process.ts'

export interface RunningRealm {
  /** Of the nearest server. */
  readonly url: string
  /** Of all of them, the nearest first. Absent where an older `up` wrote the file. */
  readonly servers?: readonly string[]
  /** Absent where `up` was given a server and no monitoring page. */
  readonly monitoringUrl?: string
  readonly realm: string
  /** Of `reeve up`, and what tells this process from a later one with the same number. */
  readonly pid: number
  readonly identity?: string
}

function fileIn(dataFolder: string): string {
  return join(dataFolder, 'running.json')
}

export async function writeRunning(dataFolder: string, running: RunningRealm): Promise<void> {
  await replaceTextFile(fileIn(dataFolder), `${JSON.stringify(running)}\n`)
}

export async function removeRunning(dataFolder: string): Promise<void> {
  await removeFile(fileIn(dataFolder))
}

/** What `up` wrote, and whether that process still runs. Undefined where there is no such file. */
export async function readRunning(dataFolder: string): Promise<(RunningRealm & { readonly alive: boolean }) | undefined> {
  try {
    const found = JSON.parse((await readTextFile(fileIn(dataFolder))) ?? '') as RunningRealm
    if (typeof found.url !== 'string' || typeof found.pid !== 'number') return undefined
    const identity = processIdentity(found.pid)
    return { ...found, alive: found.identity === undefined ? true : identity === found.identity }
  } catch {
    return undefined
  }
}
