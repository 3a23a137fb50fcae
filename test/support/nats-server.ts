/**
 * A real nats-server with JetStream that syncs every write, on loopback, its data in a folder of its own: started, stopped,
 * killed, frozen and started again on the same data and the same port.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realNatsServer } from '../server/program.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-ports.ts'

export interface NatsServerOptions {
  /** `test` when absent. */
  readonly name?: string
  /** Lines for the configuration file, after those of this module. */
  readonly configuration?: string
  /** The whole configuration in place of ours, for clients on this port and data in this folder. */
  readonly whole?: (folder: string, port: number) => string
  /** `always` when absent. */
  readonly syncInterval?: string
  /** Of its store; a folder of its own when absent. */
  readonly store?: string
  /** Lines for the block `jetstream`. */
  readonly jetstream?: string
}

const running = new Set<ChildProcess>()
// A test run that ends early leaves no server behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export class TestNatsServer implements AsyncDisposable {
  readonly #folder: string
  readonly #program: string
  readonly #options: NatsServerOptions
  #child: ChildProcess | undefined
  readonly #port: number
  #monitoringUrl = ''

  private constructor(folder: string, program: string, port: number, options: NatsServerOptions) {
    this.#folder = folder
    this.#program = program
    this.#port = port
    this.#options = options
  }

  static async start(options: NatsServerOptions = {}): Promise<TestNatsServer> {
    const folder = await mkdtemp(join(tmpdir(), 'reeve-nats-'))
    const server = new TestNatsServer(folder, await realNatsServer(), await freePort(), options)
    try {
      await server.start()
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  get monitoringUrl(): string {
    return this.#monitoringUrl
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('this nats-server does not run')
    return this.#child.pid
  }

  /** Always on the same port. */
  async start(): Promise<void> {
    if (this.#child !== undefined) throw new Error('this nats-server runs already')
    const configuration = join(this.#folder, 'server.conf')
    const { whole } = this.#options
    const portsFile = `ports_file_dir: ${JSON.stringify(this.#folder)}\n`
    await writeFile(
      configuration,
      whole !== undefined ? portsFile + whole(join(this.#folder, 'data'), this.#port) : [
        `listen: "127.0.0.1:${this.#port}"`,
        'http: "127.0.0.1:-1"',
        `server_name: "${this.#options.name ?? 'test'}"`,
        `ports_file_dir: ${JSON.stringify(this.#folder)}`,
        `jetstream { store_dir: ${JSON.stringify(this.#options.store ?? join(this.#folder, 'data'))}, sync_interval: ${this.#options.syncInterval ?? 'always'}, ${this.#options.jetstream ?? ''} }`,
        this.#options.configuration ?? '',
      ].join('\n'),
    )
    const log: string[] = []
    const child = spawn(this.#program, ['-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text))
    await eventually(() => child.exitCode !== null || log.join('').includes('Server is ready'), { what: 'the start of nats-server' })
    if (child.exitCode !== null) {
      this.#child = undefined
      throw new Error(`nats-server ended at its start:\n${log.join('')}`)
    }
    const ports = await eventually(async () => {
      const name = (await readdir(this.#folder)).find((file) => file.endsWith(`_${child.pid}.ports`))
      if (name === undefined) return undefined
      return JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as { monitoring: string[] }
    })
    this.#monitoringUrl = ports.monitoring[0] as string
  }

  /** As a power failure of the process; what the kernel was given stays. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** When it returns, none of its threads runs: one may go on for a moment after the signal. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP')
    const endMs = performance.now() + 1_000
    while (performance.now() < endMs && !this.#standsStill()) continue
  }

  #standsStill(): boolean {
    const tasks = `/proc/${this.pid}/task`
    if (!existsSync(tasks)) return true
    try {
      return readdirSync(tasks).every((task) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')))
    } catch {
      // A thread that ended just now.
      return false
    }
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Whatever was done to it: it runs. */
  async thawOrStart(): Promise<void> {
    const child = this.#child
    if (child === undefined) return this.start()
    if (child.exitCode === null && child.signalCode === null) return this.thaw()
    this.#child = undefined
    return this.start()
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    if (signal !== 'SIGKILL') child.kill('SIGCONT')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }
}
