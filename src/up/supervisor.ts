/**
 * The processes that `reeve up` starts and keeps: each a child of our own program, started again when it ends by itself.
 *
 * 1. A child ends with us, however we end: it holds a channel to us and notices (`onParentGone`).
 * 2. After `stop` was called nothing is started any more, and when it resolves nothing of it runs.
 */
import { type Clock, type Timer, pause } from '../../streams/ports/clock.ts'
import { type Child, type Environment, type ProcessExit, startOwnProgram } from '../platform/process.ts'

export interface SupervisedOptions {
  readonly name: string
  /** Asked at each start. */
  readonly args: () => readonly string[]
  readonly environment: Environment
  readonly logFile: string
  readonly clock: Clock
  /** Told when it ended by itself, and after how long it is started again. */
  readonly onEnded: (name: string, exit: ProcessExit, againInMs: number) => void
  /** Told when it could not be made again, and after how long that is tried once more. */
  readonly onNotMade: (name: string, error: unknown, againInMs: number) => void
  /** Told when it ended as it was told to by somebody else; it is not started again. */
  readonly onStopped: (name: string) => void
  /** Told when it was ready again after that. */
  readonly onBack: (name: string) => void
}

/** First and longest wait before a child is started again; doubled until one has run for `steadyMs`. */
export const restartMs = { first: 500, longest: 15_000, steady: 30_000 } as const

/** What a child says of itself through the channel. */
export interface ChildReady {
  readonly kind: 'ready'
  /** Of a simulated site: where it listens. */
  readonly address?: string
  readonly port?: number
}

export interface ChildRefused {
  readonly kind: 'cannot-start'
  readonly line: string
}

/** The first start of a child failed: what it said itself, or that it ended. */
export class ChildDidNotStart extends Error {
  override readonly name = 'ChildDidNotStart'
  readonly retryable = false
}

export class Supervised {
  readonly name: string
  readonly #options: SupervisedOptions
  #child: Child | undefined
  #stopping = false
  #backoffMs: number = restartMs.first
  #again: Timer | undefined
  #starting: Promise<void> = Promise.resolve()
  #ending: Promise<void> | undefined
  #forced = false
  #ready = false

  constructor(options: SupervisedOptions) {
    this.name = options.name
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.exit() === undefined ? this.#child?.pid : undefined
  }

  /** It has said so, since it was started first. */
  get ready(): boolean {
    return this.#ready
  }

  /** It did not end by itself when it was told to. */
  get forced(): boolean {
    return this.#forced
  }

  /** Resolves when it says that it is ready. Throws `ChildDidNotStart`, `CannotStart`; it is then not tried again. */
  async start(): Promise<ChildReady> {
    if (this.#stopping) throw new ChildDidNotStart(`${this.name}: it was told to stop before it started`)
    const ready = this.#launch(true)
    this.#starting = ready.then(() => {}, () => {})
    return ready
  }

  async #launch(first: boolean): Promise<ChildReady> {
    const { clock, logFile, args, environment } = this.#options
    const child = await startOwnProgram(args(), { logFile, environment })
    this.#child = child
    const startedMs = clock.monotonicMs()
    if (this.#stopping) child.signal('SIGKILL')
    let steady = false
    const said = new Promise<ChildReady | ChildRefused>((resolve) => {
      child.onMessage((message) => {
        const heard = message as ChildReady | ChildRefused
        if (heard.kind === 'ready' || heard.kind === 'cannot-start') resolve(heard)
      })
      void child.exited.then(({ code, signal }) => resolve({ kind: 'cannot-start', line: `ended with ${signal ?? `exit code ${code}`}; its log is ${logFile}` }))
    })
    const answer = await said
    if (answer.kind === 'cannot-start') {
      if (first) {
        child.signal('SIGKILL')
        await child.exited
        throw new ChildDidNotStart(`${this.name}: ${answer.line}`)
      }
    } else {
      steady = true
      this.#ready = true
      if (!first) this.#options.onBack(this.name)
    }
    void child.exited.then((exit) => {
      if (this.#stopping) return
      // It was told to stop by somebody, and did.
      if (steady && exit.code === 0) return this.#options.onStopped(this.name)
      if (steady && clock.monotonicMs() - startedMs >= restartMs.steady) this.#backoffMs = restartMs.first
      this.#options.onEnded(this.name, exit, this.#backoffMs)
      this.#launchLater()
    })
    return answer.kind === 'ready' ? answer : { kind: 'ready' }
  }

  /** Until it can be made: for a while the disk may be full, or no process be had. */
  #launchLater(): void {
    const { clock, onNotMade } = this.#options
    this.#again = clock.after(this.#backoffMs, () => {
      this.#starting = this.#launch(false).then(() => {}, (error: unknown) => {
        if (this.#stopping) return
        onNotMade(this.name, error, this.#backoffMs)
        this.#launchLater()
      })
    })
    this.#backoffMs = Math.min(this.#backoffMs * 2, restartMs.longest)
  }

  /** Gracefully, at most `graceMs`, then by force. Idempotent: it is told once, since an agent takes a second word for an order to end by force. */
  stop(graceMs: number): Promise<void> {
    return (this.#ending ??= this.#end(graceMs))
  }

  async #end(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#again?.cancel()
    const child = this.#child
    // One that is being made just now is ended as soon as it is there.
    if (child === undefined || child.exit() !== undefined) return await this.#starting
    child.signal('SIGTERM')
    // One that is frozen, or does not hear, is ended by force.
    const force = this.#options.clock.after(graceMs, () => this.#force(child))
    await child.exited
    force.cancel()
    await Promise.race([this.#starting, pause(this.#options.clock, 100)])
  }

  kill(): void {
    this.#stopping = true
    this.#again?.cancel()
    if (this.#child !== undefined) this.#force(this.#child)
  }

  #force(child: Child): void {
    // It may have ended by itself before, of which a process that was kept from running has not heard yet.
    if (child.signal('SIGKILL')) void child.exited.then(({ signal }) => (this.#forced = signal === 'SIGKILL'))
  }
}

/** One line that names whom it took force to end; undefined where all ended by themselves. */
export function forcedText(programs: readonly Pick<Supervised, 'name' | 'forced'>[], server: boolean): string | undefined {
  const names = [...programs.filter(({ forced }) => forced).map(({ name }) => name), ...(server ? ['nats-server'] : [])]
  return names.length === 0 ? undefined : `did not end in time, and ${names.length === 1 ? 'was' : 'were'} ended by force: ${names.join(', ')}; what was acknowledged is in the log`
}
