/** One program of ours as a process of a fault test, with a way of its own to the server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { processIdentity } from '../../src/platform/process.ts'
import type { Wire } from './wire.ts'

/** In which a program must have said that it is ready. */
const startMs = 180_000

export const mainFile = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
/** Every process that was started here and by `FaultRealm`, and runs. */
export const running = new Set<ChildProcess>()
// A test run that ends early leaves nothing behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

/** One program of ours as a process; started, killed and frozen by its own number. */
export class Program {
  readonly name: string
  readonly #args: (url: string) => readonly string[]
  readonly #realm: { readonly wire: Wire; readonly folder: string; readonly pids: Map<number, string> }
  #child: ChildProcess | undefined
  #starts = 0
  #startedMs = 0
  /** When its processes stood still. */
  readonly frozen: { readonly fromMs: number; untilMs: number }[] = []

  constructor(name: string, args: (url: string) => readonly string[], realm: { readonly wire: Wire; readonly folder: string; readonly pids: Map<number, string> }) {
    this.name = name
    this.#args = args
    this.#realm = realm
  }

  get runs(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** Of the present process, as `wire.writers` names it. */
  get process(): string {
    return `${this.name}#${this.#starts}`
  }

  /** Since when its present process runs. */
  get awakeMs(): number {
    return Math.max(this.#startedMs, this.frozen.at(-1)?.untilMs ?? 0)
  }

  get child(): ChildProcess {
    if (this.#child === undefined) throw new Error(`${this.name} was never started`)
    return this.#child
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    if (this.runs) return
    this.#starts += 1
    this.#startedMs = Date.now()
    const way = await this.#realm.wire.open(this.process)
    const log = createWriteStream(join(this.#realm.folder, `${this.name}.log`), { flags: 'a' })
    // Node itself, not the launcher: a kill has to hit the program.
    const child = spawn(process.execPath, [mainFile, ...this.#args(way.url)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child = child
    running.add(child)
    this.#realm.pids.set(child.pid!, processIdentity(child.pid!) ?? '')
    child.stdout!.pipe(log, { end: false })
    child.stderr!.pipe(log, { end: false })
    void once(child, 'close').then(() => {
      running.delete(child)
      log.end()
      return way.close()
    })
    const [said] = await Promise.race([
      once(child, 'message', { signal: AbortSignal.timeout(startMs) }).catch(() => [{ kind: 'silence' }]),
      once(child, 'exit').then((exit) => [{ kind: 'exit', exit }]),
    ])
    if ((said as { kind: string }).kind !== 'ready') throw new Error(`${this.name} did not start: ${JSON.stringify(said)}\n${await readFile(join(this.#realm.folder, `${this.name}.log`), 'utf8')}`)
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (!this.runs) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }

  /** Gracefully. */
  async stop(): Promise<void> {
    if (!this.runs) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }

  freeze(): void {
    this.frozen.push({ fromMs: Date.now(), untilMs: Infinity })
    this.signal('SIGSTOP')
  }

  thaw(): void {
    if (this.runs) this.signal('SIGCONT')
    this.frozen.at(-1)!.untilMs = Date.now()
  }

  /** What it has said, of all its processes. */
  said(): Promise<string> {
    return readFile(join(this.#realm.folder, `${this.name}.log`), 'utf8')
  }
}
