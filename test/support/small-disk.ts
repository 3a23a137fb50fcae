/** A small disk of its own for what is to meet a full one: a tmpfs that the test mounts, fills, frees and unmounts. Needs root. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, open, readFile, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'

const run = promisify(execFile)
const mounted = new Set<string>()
/** What is mounted, as `/proc/mounts` names it, with the process that mounted it. */
const source = 'reeve-test-'
// A test run that ends early leaves no mount behind; whatever still uses it keeps it until it ends.
process.on('exit', () => mounted.forEach((path) => execFileSync('umount', ['-l', path])))

/** Why no disk can be mounted here; undefined where one can. */
export function noSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'a small disk is a tmpfs, which only Linux has'
  return process.getuid?.() === 0 ? undefined : 'mounting a small disk needs root'
}

export class SmallDisk implements AsyncDisposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async mount(mebibytes: number): Promise<SmallDisk> {
    await unmountLeftBehind()
    const path = await mkdtemp(join(tmpdir(), 'reeve-disk-'))
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, `${source}${process.pid}`, path])
    mounted.add(path)
    return new SmallDisk(path)
  }

  get #ballast(): string {
    return join(this.path, 'ballast')
  }

  /** To the last byte that it takes. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, 'a')
    try {
      for (const size of [1024 * 1024, 4096]) {
        const block = Buffer.alloc(size)
        for (;;) {
          try {
            if ((await file.write(block)).bytesWritten < size) break
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
            break
          }
        }
      }
    } finally {
      await file.close()
    }
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  /** Whoever uses it has to have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!mounted.has(this.path)) return
    // What was killed a moment ago may still be closing its files.
    await eventually(async () => (await run('umount', [this.path])) && true, { what: `the end of whatever uses ${this.path}`, everyMs: 50 })
    mounted.delete(this.path)
    await rmdir(this.path)
  }
}

/** Of a run that was killed. */
async function unmountLeftBehind(): Promise<void> {
  for (const line of (await readFile('/proc/mounts', 'utf8')).split('\n')) {
    const [what = '', path = ''] = line.split(' ')
    if (!what.startsWith(source) || existsSync(`/proc/${what.slice(source.length)}`)) continue
    await run('umount', ['-l', path])
    await rmdir(path)
  }
}
