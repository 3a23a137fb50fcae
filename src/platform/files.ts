/**
 * Files that must survive `kill -9`: an append-only file with group commit.
 *
 * Invariants of `AppendFile`: (1) bytes reach the file in the order of `append`; (2) `synced()` resolves only when everything
 * appended before the call is on disk (fdatasync); (3) after a failed write or sync nothing more is written and every `synced()`
 * rejects, since what the disk then holds is unknown; (4) a last line without its newline was never reported as synced, and is cut
 * off when the file is opened.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

export class FolderUnusable extends Error {
  override readonly name = 'FolderUnusable'
  readonly retryable = false
  readonly folder: string
  constructor(folder: string, cause: unknown) {
    super(whyNot(folder, cause), { cause })
    this.folder = folder
  }
}

function whyNot(folder: string, cause: unknown): string {
  if (isDiskFull(cause)) return `the disk of data folder ${folder} is full: make room there`
  const { errcode } = (cause ?? {}) as { readonly errcode?: unknown }
  if (sqliteDamaged.some((one) => one === errcode)) return `the file lock of data folder ${folder} is damaged: remove it while nothing runs there`
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? String(cause)
  if (code === 'EEXIST' || code === 'ENOTDIR') return `data folder ${folder} is a file, or lies in one: name a folder`
  return `data folder ${folder} cannot be used (${code}): choose a folder that this user may write`
}

/** SQLite's codes for it. */
const sqliteFull = 13
/** A file that is none of its own, and one of which a part is wrong. */
const sqliteDamaged = [26, 11]

export function isDiskFull(cause: unknown): boolean {
  const { code, errcode } = (cause ?? {}) as { readonly code?: unknown; readonly errcode?: unknown }
  return code === 'ENOSPC' || code === 'EDQUOT' || errcode === sqliteFull
}

export interface AppendFile {
  /** `line` holds no newline; it is on its way to the disk when this returns. */
  append(line: string): void
  /** Resolves when everything appended so far is durable; rejects when that failed. */
  synced(): Promise<void>
  /** Writes and syncs what is left, then closes. Idempotent. */
  close(): Promise<void>
}

/** Opens or creates `path`; hands each whole line already there to `onLine`, first to last, before it resolves. */
export async function openAppendFile(path: string, onLine: (line: string) => void): Promise<AppendFile> {
  let file: FileHandle
  try {
    file = await open(path, 'a+')
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    throw new FolderUnusable(dirname(path), error)
  }
  try {
    const bytes = await file.readFile()
    let start = 0
    for (let end = bytes.indexOf(10, start); end !== -1; end = bytes.indexOf(10, start)) {
      onLine(bytes.toString('utf8', start, end))
      start = end + 1
    }
    if (start < bytes.length) await file.truncate(start)
  } catch (error) {
    await file.close()
    throw error
  }
  return new GroupCommitFile(file)
}

class GroupCommitFile implements AppendFile {
  readonly #file: FileHandle
  #gathered: string[] = []
  #running: Promise<void> | undefined
  #failure: unknown
  #closing: Promise<void> | undefined

  constructor(file: FileHandle) {
    this.#file = file
  }

  append(line: string): void {
    this.#gathered.push(line, '\n')
    if (this.#running) return
    this.#running = this.#drain()
    // Whoever needs the outcome asks `synced()`.
    this.#running.catch(() => {})
  }

  async synced(): Promise<void> {
    if (this.#failure) throw this.#failure
    await this.#running
  }

  close(): Promise<void> {
    this.#closing ??= (this.#running ?? Promise.resolve()).finally(() => this.#file.close())
    return this.#closing
  }

  async #drain(): Promise<void> {
    // What is appended in the same tick goes into the same write.
    await Promise.resolve()
    try {
      while (this.#gathered.length > 0) {
        const text = this.#gathered.join('')
        this.#gathered = []
        await this.#file.appendFile(text)
        await this.#file.datasync()
      }
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      if (!this.#failure) this.#running = undefined
    }
  }
}
