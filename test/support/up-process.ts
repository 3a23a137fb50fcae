/** `reeve up` as a process with everything that it starts, all of it known by the folder that it works in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunResult, cleanEnvironment, mainFile, reeve } from '../command-line/reeve.ts'
import { realNatsServer } from '../server/program.ts'
import { eventually } from './eventually.ts'

const startMs = 120_000
const running = new Set<ChildProcess>()
// A test run that ends early leaves no realm behind: what `up` started ends with it.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export interface UpProcess {
  readonly child: ChildProcess
  readonly out: () => string
  /** Resolves when it has said so. Throws when it ended before. */
  readonly until: (text: string | RegExp, withinMs?: number) => Promise<unknown>
}

/** Every process, but ours, that names the folder: all that `up` starts do. */
export function processesOf(folder: string): readonly number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return false
    }
  })
}

export async function endAllOf(folder: string): Promise<void> {
  for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL')
  await eventually(() => processesOf(folder).length === 0, { what: 'the end of every process' })
}

/** `args` name the data folder, inside `folder`. */
export function spawnUp(folder: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): UpProcess {
  const child = spawn(process.execPath, [mainFile, 'up', ...args], { cwd: folder, env: cleanEnvironment(environment), stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (out += text))
  return {
    child,
    out: () => out,
    until: (text, withinMs = startMs) =>
      eventually(
        () => {
          if (child.exitCode !== null) throw new Error(`up ended with ${child.exitCode}:\n${out}`)
          return typeof text === 'string' ? out.includes(text) : text.test(out)
        },
        { withinMs, what: `"${text}" of up` },
      ).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}; it said:\n${out}`, { cause: error })
      }),
  }
}

/** A realm of `reeve up`, for the tests of one file. */
export class RunningRealm implements AsyncDisposable {
  readonly folder: string
  readonly data: string
  readonly up: UpProcess

  private constructor(folder: string, data: string, up: UpProcess) {
    this.folder = folder
    this.data = data
    this.up = up
  }

  /** Resolves when everything runs. */
  static async start(...args: readonly string[]): Promise<RunningRealm> {
    const natsServer = await realNatsServer()
    const folder = await mkdtemp(join(tmpdir(), 'reeve-realm-'))
    const data = join(folder, 'data')
    const realm = new RunningRealm(folder, data, spawnUp(folder, ['--data', data, '--nats-server', natsServer, ...args]))
    try {
      await realm.up.until('Ctrl-C ends it')
    } catch (error) {
      await realm[Symbol.asyncDispose]()
      throw error
    }
    return realm
  }

  /** The URL of its server. */
  get url(): string {
    return /nats:\/\/127\.0\.0\.1:\d+/.exec(this.up.out())![0]
  }

  run(...args: readonly string[]): Promise<RunResult> {
    return reeve([...args, '--data', this.data], { folder: this.folder, withinMs: startMs })
  }

  /** What a command with `--json` says. Throws unless its exit code is 0. */
  async json<T = any>(...args: readonly string[]): Promise<T> {
    const { code, out, err } = await this.run(...args, '--json')
    if (code !== 0) throw new Error(`reeve ${args.join(' ')} ended with ${code}: ${err}`)
    return JSON.parse(out) as T
  }

  /**
   * Everything that people asked for and what became of it, a line an event: equal before and after, nothing was half done. Positions
   * say less: a refusal appends a turn (P4), on record where a lane refused (P15), and agents come and go.
   */
  async asked(): Promise<readonly string[]> {
    const { code, out, err } = await this.run('log', 'tail', '--from', '1', '--no-follow', '--json')
    if (code !== 0) throw new Error(`the log cannot be read: ${err}`)
    const turns = out.trimEnd().split('\n').map((line) => JSON.parse(line) as Shown)
    return turns.flatMap(({ turn }) =>
      turn.commits
        .filter(({ aggregate }) => aggregate !== 'agent' && aggregate !== 'realm')
        .flatMap(({ aggregate, id, events }) => events.filter(({ type }) => !/^(Lane(Taken|Released)|CommandRefused)$/.test(type)).map(({ type, data }) => `${aggregate} ${id} ${type} ${JSON.stringify(data)}`)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.up.child.exitCode === null && this.up.child.signalCode === null) {
      const ended = once(this.up.child, 'exit')
      this.up.child.kill('SIGKILL')
      await ended
    }
    await endAllOf(this.folder)
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

interface Shown {
  readonly turn: { readonly commits: readonly { readonly aggregate: string; readonly id: string; readonly events: readonly { readonly type: string; readonly data: unknown }[] }[] }
}
