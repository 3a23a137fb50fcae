/**
 * Folders and the few files that our own programs keep in them: private by default (0700, 0600), replaced by rename so
 * that a reader never sees half of one.
 */
import { createHash, randomBytes } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { access, mkdir, mkdtemp, open, readFile, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** The operating system's code of an error (`ENOENT`, `EACCES`, …), where it has one. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Made with its parents where it is missing; only its owner may look into it. */
export async function makeFolder(path: string): Promise<void> {
  if (await isMade(path)) return
  // Not `recursive`: where a system lets nobody make a folder (/proc), that tries for ever.
  if (!(await exists(dirname(path)))) await makeFolder(dirname(path))
  // Who makes another folder there may have made its parents in between.
  if (!(await isMade(path))) await mkdir(path)
}

/** False where its parent is missing, as far as the system says. */
async function isMade(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    return true
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT') return false
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return true
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** A new folder of its own, in `parent` (made where it is missing) or in the system's folder for temporary files. */
export async function makeTemporaryFolder(prefix: string, parent?: string): Promise<string> {
  if (parent !== undefined) await makeFolder(parent)
  return mkdtemp(join(parent ?? tmpdir(), prefix))
}

/** With everything in it. No error where there is none. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 })
}

export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error
  })
}

/** Names in a folder, sorted; empty where there is no such folder. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort()
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Undefined where there is no such file. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The part of a file from `fromByte` on; empty where there is none. */
export async function readTextFrom(path: string, fromByte: number): Promise<string> {
  const text = await readFile(path).catch(() => undefined)
  return text === undefined ? '' : text.subarray(fromByte).toString('utf8')
}

/** The last bytes of a file, at most `bytes`. Throws the system's own errors. */
export async function readTextEnd(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const from = Math.max(0, (await file.stat()).size - bytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, from)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Replaces the file at once: a reader sees the old text or the new one; the new one is on the disk when this resolves. */
export async function replaceTextFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

/** Moves a finished folder to its place. False where something is there already (another process was faster). */
export async function moveFolderIntoPlace(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'EPERM') return false
    throw error
  }
}

/** What a user without special rights may still write on the disk of a folder. */
export async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

export interface FileFacts {
  readonly bytes: number
  readonly modifiedMs: number
  readonly isFile: boolean
}

/** Undefined where nothing is there. */
export async function fileFacts(path: string): Promise<FileFacts | undefined> {
  try {
    const found = await stat(path)
    return { bytes: found.size, modifiedMs: found.mtimeMs, isFile: found.isFile() }
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** SHA-256 of a file's bytes in lower-case hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array)
  return hash.digest('hex')
}

export async function isExecutableFile(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

/** Every executable of that name on the search path (`PATH`), in its order. */
export async function executablesOnPath(name: string, searchPath: string | undefined): Promise<readonly string[]> {
  const found: string[] = []
  for (const folder of (searchPath ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, name)
    if (await isExecutableFile(path)) found.push(path)
  }
  return found
}

/** Begins a log file anew where it has grown beyond `limitBytes`; one older file is kept beside it. */
export async function rotateLogFile(path: string, limitBytes: number): Promise<void> {
  const facts = await fileFacts(path)
  if (facts !== undefined && facts.bytes > limitBytes) await rename(path, `${path}.1`)
  await makeFolder(dirname(path))
}
