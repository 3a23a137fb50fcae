/**
 * Runs a nats-server of our own: one node on the loopback interface, JetStream under the data folder, every write synced.
 *
 * 1. One server a store: the store's lock is taken first and held until the server has ended. A server that a killed
 *    process left behind is ended before the next one starts.
 * 2. `synced` is what the running server itself says of its setting, never what we wrote into its configuration (I8).
 * 3. It is started once: when it ends by itself, `exited` says so, and whoever started it decides.
 */
import { join } from 'node:path'
import type { Clock } from '../../streams/ports/clock.ts'
import { lockFolder, FolderInUse, type FolderLock } from '../platform/data-folder.ts'
import { fileFacts, makeFolder, namesIn, readTextFile, readTextFrom, removeFile, removeFolder, replaceTextFile, rotateLogFile } from '../platform/folders.ts'
import { portIsFree, readJsonAt } from '../platform/loopback.ts'
import { processors } from '../platform/own-machine.ts'
import { CannotStart, endProcess, environment, processIdentity, startProgram, stopChild, type Child, type Environment, type ProcessExit } from '../platform/process.ts'
import { NatsServerError } from './errors.ts'
import { findNatsServer, type FindOptions, type FoundNatsServer } from './find.ts'
import { versionText } from './version.ts'

export interface NatsServerOptions extends FindOptions {
  readonly clock: Clock
  /** The server's own folder (`DataFolder.server`); made where it is missing. */
  readonly folder: string
  /** For clients, on the loopback interface. Absent or 0: any free one. */
  readonly port?: number
  /** Until it answers; a large store takes a while to recover. Default 60,000. */
  readonly startDeadlineMs?: number
}

export interface NatsServer {
  /** `nats://127.0.0.1:PORT` */
  readonly url: string
  /** Its monitoring pages, `http://127.0.0.1:PORT`. */
  readonly monitoringUrl: string
  readonly pid: number
  readonly version: string
  readonly program: string
  readonly logFile: string
  /** Every acknowledged write is on the disk: confirmed by the server (I8). */
  readonly synced: true
  /** Gracefully, at most `graceMs` (2,000), then by force. Idempotent; resolves when it has ended and its store is free. */
  stop(graceMs?: number): Promise<void>
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<ProcessExit>
}

const loopback = '127.0.0.1'
const logLimitBytes = 16 * 1024 * 1024
const readyPollMs = 20

/** Throws `NatsServerError`; then nothing of it runs and nothing is locked. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { clock, folder } = options
  const port = options.port ?? 0
  const lock = await lockStore(folder)
  try {
    await endLeftBehind(clock, folder)
    if (port !== 0 && !(await portIsFree(port))) throw portTaken(port)
    const found = await findNatsServer(options)
    return await start(found, options, port, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

async function lockStore(folder: string): Promise<FolderLock> {
  try {
    return await lockFolder(folder)
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error
    const by = error.holder === undefined ? 'another process' : `process ${error.holder}`
    throw new NatsServerError('data-folder-in-use', `a nats-server with the data in ${folder} is run by ${by}: stop that one, or name another data folder`, {
      cause: error,
    })
  }
}

function portTaken(port: number): NatsServerError {
  return new NatsServerError('port-taken', `port ${port} on ${loopback} is taken by another program: stop that one, or choose another port (0: any free one)`)
}

interface Files {
  readonly configuration: string
  readonly ports: string
  readonly process: string
  readonly log: string
}

function filesIn(folder: string): Files {
  return {
    configuration: join(folder, 'nats-server.conf'),
    ports: join(folder, 'ports'),
    process: join(folder, 'process.json'),
    log: join(folder, 'nats-server.log'),
  }
}

/** A server whose starter was killed, where the kernel did not end it with its starter. We hold the lock: it serves nobody. */
async function endLeftBehind(clock: Clock, folder: string): Promise<void> {
  const file = filesIn(folder).process
  const left = leftBehind(await readTextFile(file))
  if (left !== undefined && !(await endProcess(clock, left.pid, left.identity, 5_000))) {
    throw new NatsServerError('data-folder-in-use', `nats-server process ${left.pid} still runs with the data in ${folder} and cannot be stopped: end it`)
  }
  await removeFile(file)
}

function leftBehind(text: string | undefined): { readonly pid: number; readonly identity: string } | undefined {
  try {
    const found = JSON.parse(text ?? '') as { pid?: unknown; identity?: unknown }
    return typeof found.pid === 'number' && typeof found.identity === 'string' ? { pid: found.pid, identity: found.identity } : undefined
  } catch {
    return undefined
  }
}

function configurationText(folder: string, files: Files, port: number): string {
  const quoted = (text: string) => JSON.stringify(text)
  return [
    '# Written by reeve at each start.',
    'server_name: "reeve-embedded"',
    `host: ${loopback}`,
    `port: ${port === 0 ? -1 : port}`,
    `http: "${loopback}:-1"`,
    `ports_file_dir: ${quoted(files.ports)}`,
    'jetstream {',
    `  store_dir: ${quoted(folder)}`,
    '  # Acknowledged means durable (I8).',
    '  sync_interval: always',
    '}',
    '',
  ].join('\n')
}

/**
 * Agents run on the same machine. With as many threads at work as there are processors the server spends a fifth of its time on looking for
 * work and waking threads, which are then missing to the agents; so it gets half of the processors, where nobody has said otherwise.
 */
function serverEnvironment(): Environment {
  return { GOMAXPROCS: String(Math.max(1, Math.floor(processors() / 2))), ...environment() }
}

async function start(found: FoundNatsServer, options: NatsServerOptions, port: number, lock: FolderLock): Promise<NatsServer> {
  const { clock, folder } = options
  const files = filesIn(folder)
  await removeFolder(files.ports)
  await makeFolder(files.ports)
  await replaceTextFile(files.configuration, configurationText(folder, files, port))
  await rotateLogFile(files.log, logLimitBytes)
  const logFrom = (await fileFacts(files.log))?.bytes ?? 0
  const child = await startProgram(found.program, ['-c', files.configuration], { logFile: files.log, workingFolder: folder, environment: serverEnvironment() }).catch((error: unknown) => {
    if (!(error instanceof CannotStart)) throw error
    throw new NatsServerError('not-executable', `${error.message}: check its permissions, or give another with --nats-server PATH`, { cause: error })
  })
  try {
    const identity = processIdentity(child.pid)
    if (identity !== undefined) await replaceTextFile(files.process, `${JSON.stringify({ pid: child.pid, identity })}\n`)
    const addresses = await untilReady(child, files, options, port, logFrom)
    await demandSynced(addresses.monitoringUrl, found)
    return running(child, found, addresses, files, clock, lock)
  } catch (error) {
    await stopChild(clock, child, 2_000)
    await removeFile(files.process)
    throw error
  }
}

interface Addresses {
  readonly url: string
  readonly monitoringUrl: string
}

/** The server writes its ports file when it takes clients, which is after its store was recovered. */
async function untilReady(child: Child, files: Files, options: NatsServerOptions, port: number, logFrom: number): Promise<Addresses> {
  const { clock } = options
  const deadlineMs = options.startDeadlineMs ?? 60_000
  const endMs = clock.monotonicMs() + deadlineMs
  for (;;) {
    const addresses = await addressesIn(files.ports)
    if (addresses !== undefined && (await readJsonAt(`${addresses.monitoringUrl}/healthz`, 2_000)) !== undefined) return addresses
    if (child.exit() !== undefined) {
      // Another program may have been faster since the port was tried.
      if (port !== 0 && !(await portIsFree(port))) throw portTaken(port)
      throw new NatsServerError('did-not-start', `nats-server ended at once${lastComplaint(await readTextFrom(files.log, logFrom))}; its log is ${files.log}`)
    }
    if (clock.monotonicMs() >= endMs) {
      throw new NatsServerError('did-not-start', `nats-server was not ready within ${Math.round(deadlineMs / 1000)} s; its log is ${files.log}`)
    }
    await Promise.race([child.exited, new Promise<void>((resolve) => clock.after(readyPollMs, resolve))])
  }
}

async function addressesIn(portsFolder: string): Promise<Addresses | undefined> {
  for (const name of await namesIn(portsFolder)) {
    const text = name.endsWith('.ports') ? await readTextFile(join(portsFolder, name)) : undefined
    try {
      const ports = JSON.parse(text ?? '') as { nats?: readonly string[]; monitoring?: readonly string[] }
      const [url, monitoringUrl] = [ports.nats?.[0], ports.monitoring?.[0]]
      if (url !== undefined && monitoringUrl !== undefined) return { url, monitoringUrl }
    } catch {
      // Half written: the next look finds the whole.
    }
  }
  return undefined
}

function lastComplaint(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '')
  const line = lines.findLast((text) => /\[(FTL|ERR)\]|^nats-server: /.test(text)) ?? lines.at(-1)
  return line === undefined ? '' : `: ${line.replace(/^\[\d+\] \S+ \S+ \[\w+\] /, '').trim()}`
}

async function demandSynced(monitoringUrl: string, found: FoundNatsServer): Promise<void> {
  const said = (await readJsonAt(`${monitoringUrl}/jsz?config=true`, 5_000)) as { config?: { sync_always?: unknown } } | undefined
  if (said?.config?.sync_always !== true) {
    throw new NatsServerError('not-synced', `nats-server ${versionText(found.version)} at ${found.program} does not confirm that it syncs every write: use another one`)
  }
}

function running(child: Child, found: FoundNatsServer, addresses: Addresses, files: Files, clock: Clock, lock: FolderLock): NatsServer {
  const exited = child.exited.then(async (exit) => {
    await removeFile(files.process).catch(() => {})
    lock.release()
    return exit
  })
  return {
    ...addresses,
    pid: child.pid,
    version: versionText(found.version),
    program: found.program,
    logFile: files.log,
    synced: true,
    exited,
    async stop(graceMs = 2_000) {
      if (child.exit() === undefined) await stopChild(clock, child, graceMs)
      await exited
    },
  }
}
