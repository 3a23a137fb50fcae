/** `reeve up` as a process with everything that it starts, all of it known by the folder that it works in. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
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
  const isEnded = () => {
    const left = processesOf(folder)
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    return left.length === 0
  }
  await eventually(isEnded, { what: 'the end of every process' })
}

const upItself = [process.execPath, mainFile, 'up'] as const

/** `args` name the data folder, inside `folder`. */
export function spawnUp(folder: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}, [program, ...first]: readonly [string, ...string[]] = upItself): UpProcess {
  const child = spawn(program, [...first, ...args], { cwd: folder, env: cleanEnvironment(environment), stdio: ['ignore', 'pipe', 'pipe'], detached: true })
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

/** A folder of its own with the data of a realm, which `reeve up` serves as often as a test wants; nothing outlives it. */
export class RealmFolder implements AsyncDisposable {
  readonly folder: string
  readonly data: string
  readonly natsServer: string

  protected constructor(folder: string, natsServer: string) {
    this.folder = folder
    this.data = join(folder, 'data')
    this.natsServer = natsServer
  }

  static async create(): Promise<RealmFolder> {
    const natsServer = await realNatsServer()
    return new RealmFolder(await mkdtemp(join(tmpdir(), 'reeve-realm-')), natsServer)
  }

  /** `reeve up`; whether it comes up is the caller's to see. */
  spawn(...args: readonly string[]): UpProcess {
    return spawnUp(this.folder, ['--data', this.data, '--nats-server', this.natsServer, ...args])
  }

  /** Resolves when everything runs. */
  async up(...args: readonly string[]): Promise<UpProcess> {
    const running = this.spawn(...args)
    await running.until('Ctrl-C ends it')
    return running
  }

  /** Ctrl-C: it ends, and with it all that it started. */
  async end({ child }: UpProcess): Promise<void> {
    child.kill('SIGINT')
    if (child.exitCode === null) await once(child, 'close')
    expect(processesOf(this.folder)).toEqual([])
  }

  run(...args: readonly string[]): Promise<RunResult> {
    return reeve([...args, '--data', this.data], { folder: this.folder, withinMs: startMs, environment: { REEVE_NATS_SERVER: this.natsServer } })
  }

  /** What a command with `--json` says. Throws unless its exit code is 0. */
  async json<T = any>(...args: readonly string[]): Promise<T> {
    const { code, out, err } = await this.run(...args, '--json')
    if (code !== 0) throw new Error(`reeve ${args.join(' ')} ended with ${code}: ${err}${out}`)
    return JSON.parse(out) as T
  }

  /** Resolves when no lane changes hands any more, as some do when one agent after the other has come: the leader knows all of them, and each lane is held by whom its mapping names. */
  async atRest(): Promise<void> {
    await eventually(
      async () => {
        const [{ agents }, { lanes }, { mapping }] = await Promise.all([this.json('agent', 'list'), this.json('lane', 'list'), this.json('agent', 'mapping')])
        const isHeld = ({ lane, holder }: any) => mapping.lanes.some((one: any) => one.lane === lane && one.agent === holder?.agent)
        return mapping !== null && agents.every(({ agent }: any) => mapping.agents.some((one: any) => one.agent === agent)) && lanes.every(isHeld)
      },
      { what: 'every lane with its holder' },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAllOf(this.folder)
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A realm of `reeve up`, for the tests of one file. */
export class RunningRealm extends RealmFolder {
  readonly running: UpProcess

  private constructor({ folder, natsServer }: RealmFolder, running: UpProcess) {
    super(folder, natsServer)
    this.running = running
  }

  /** Resolves when everything runs. */
  static async start(...args: readonly string[]): Promise<RunningRealm> {
    const folder = await RealmFolder.create()
    try {
      return new RunningRealm(folder, await folder.up(...args))
    } catch (error) {
      await folder[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The URL of its server. */
  get url(): string {
    return /nats:\/\/127\.0\.0\.1:\d+/.exec(this.running.out())![0]
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
}

interface Shown {
  readonly turn: { readonly commits: readonly { readonly aggregate: string; readonly id: string; readonly events: readonly { readonly type: string; readonly data: unknown }[] }[] }
}
