/**
 * The data folder of this machine's part of a realm: what lies where in it, and who may use it.
 *
 * 1. At most one process holds a folder's lock (P20). The lock is the operating system's own lock on an open file, taken
 *    through SQLite, so that it ends with its holder, however that ends; the file itself says nothing and may stay.
 * 2. Who holds it is written beside it for people only. Nobody decides anything by that file.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FolderUnusable } from './files.ts'
import { makeFolder, readTextFile, replaceTextFile } from './folders.ts'

export interface DataFolder {
  readonly path: string
  /** The embedded nats-server's store, log and run-time files. */
  readonly server: string
  /** One folder an agent, named by its id. */
  readonly agents: string
  /** Simulated sites, one folder each. */
  readonly sites: string
  /** Read models, all rebuildable. */
  readonly index: string
  /** Log files of the programs that `reeve up` starts. */
  readonly logs: string
}

/** The layout alone; nothing is made. */
export function dataFolderAt(path: string): DataFolder {
  return {
    path,
    server: join(path, 'nats'),
    agents: join(path, 'agents'),
    sites: join(path, 'sites'),
    index: join(path, 'index'),
    logs: join(path, 'logs'),
  }
}

/** Another process, or another part of this one, uses the folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
  readonly retryable = true
  readonly folder: string
  /** Process id of the holder, as it wrote it down. */
  readonly holder: number | undefined
  constructor(folder: string, holder: number | undefined) {
    const by = holder === undefined ? 'another process' : `process ${holder}`
    super(`the data folder ${folder} is in use by ${by}: stop that one, or name another folder`)
    this.folder = folder
    this.holder = holder
  }
}

export interface FolderLock {
  readonly folder: string
  /** Idempotent. */
  release(): void
}

/** SQLite's code for a file that another connection has locked. */
const sqliteBusy = 5

/** A process that was killed gives its locks up a moment after its children have noticed. */
const dyingHolderMs = 1_000

async function openLock(folder: string): Promise<DatabaseSync> {
  try {
    await makeFolder(folder)
    return new DatabaseSync(join(folder, 'lock'), { timeout: dyingHolderMs })
  } catch (error) {
    throw new FolderUnusable(folder, error)
  }
}

/** Makes the folder where it is missing and takes its lock for as long as this process lives. Throws `FolderUnusable`, `FolderInUse` within about a second. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const holderFile = join(folder, 'holder')
  const file = await openLock(folder)
  try {
    file.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    file.close()
    if (!(error instanceof Error) || !('errcode' in error) || error.errcode !== sqliteBusy) throw new FolderUnusable(folder, error)
    const holder = Number(await readTextFile(holderFile))
    throw new FolderInUse(folder, Number.isSafeInteger(holder) && holder > 0 ? holder : undefined)
  }
  let held = true
  const release = () => {
    if (!held) return
    held = false
    file.close()
  }
  try {
    await replaceTextFile(holderFile, `${process.pid}\n`)
  } catch (error) {
    release()
    throw new FolderUnusable(folder, error)
  }
  return { folder, release }
}
