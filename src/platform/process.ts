/**
 * Operating-system processes: our own, its children, its signals.
 *
 * 1. Nobody is left behind: a child of our own program holds a channel to its parent and learns of its end at once
 *    (`onParentGone`); a foreign program is started so that the kernel ends it with us where it can (Linux, `setpriv`).
 * 2. A child is a process group of its own, so that Ctrl-C reaches only the program that was started by hand, which ends
 *    the others in its order.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../streams/ports/clock.ts'
import { isExecutableFile } from './folders.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface ProcessExit {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
}

export interface Child {
  readonly pid: number
  readonly exited: Promise<ProcessExit>
  /** Undefined while it runs. */
  exit(): ProcessExit | undefined
  /** False when it has ended already. */
  signal(name: 'SIGTERM' | 'SIGKILL' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT'): boolean
  /** Messages of a child of our own program (JSON values); other children send none. */
  onMessage(listener: (message: unknown) => void): void
  send(message: unknown): void
}

/** The program could not be started at all. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart'
  readonly retryable = false
  readonly program: string
  constructor(program: string, cause: Error) {
    super(`cannot start ${program}: ${cause.message}`, { cause })
    this.program = program
  }
}

export function environment(): Environment {
  return process.env
}

/** Who this process runs as on this machine; none where the account has no entry. */
export function accountName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

export function homeFolder(): string {
  return homedir()
}

export function operatingSystem(): string {
  return process.platform
}

export function ownProcessId(): number {
  return process.pid
}

function track(program: string, started: ChildProcess): Promise<Child> {
  return new Promise((resolve, reject) => {
    let exit: ProcessExit | undefined
    const exited = new Promise<ProcessExit>((settle) => {
      started.once('exit', (code, signal) => settle((exit = { code, signal })))
    })
    started.once('error', (error) => reject(new CannotStart(program, error)))
    started.once('spawn', () => {
      // Later errors are failed signals and sends to a process that is gone: its exit tells the rest.
      started.on('error', () => {})
      resolve({
        pid: started.pid!,
        exited,
        exit: () => exit,
        signal: (name) => exit === undefined && started.kill(name),
        onMessage: (listener) => void started.on('message', listener),
        send: (message) => {
          if (started.connected) started.send(message as object, () => {})
        },
      })
    })
  })
}

export interface ChildOptions {
  readonly environment?: Environment
  readonly workingFolder?: string
  /** Standard output and error are appended to this file; absent: dropped. */
  readonly logFile?: string
}

let lifeBinder: Promise<string | undefined> | undefined

/** `setpriv` (util-linux) asks the kernel to signal the child when the thread that started it ends, even by SIGKILL. */
function findLifeBinder(): Promise<string | undefined> {
  lifeBinder ??= (async () => {
    if (process.platform !== 'linux') return undefined
    for (const path of ['/usr/bin/setpriv', '/bin/setpriv']) if (await isExecutableFile(path)) return path
    return undefined
  })()
  return lifeBinder
}

/** Starts a foreign program that is to run as long as it is wanted. Throws `CannotStart`. */
export async function startProgram(program: string, args: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const binder = await findLifeBinder()
  const command = binder === undefined ? [program, ...args] : [binder, '--pdeathsig', 'TERM', '--', program, ...args]
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a', 0o600)
  try {
    const settings: SpawnOptions = { detached: true, stdio: ['ignore', log ?? 'ignore', log ?? 'ignore'] }
    if (options.environment !== undefined) settings.env = { ...options.environment }
    if (options.workingFolder !== undefined) settings.cwd = options.workingFolder
    return await track(program, spawn(command[0]!, command.slice(1), settings))
  } finally {
    if (log !== undefined) closeSync(log)
  }
}

/** The file that starts our own program: TypeScript in a clone, JavaScript in the published package. */
export function ownProgramFile(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../main.${extension}`, import.meta.url))
}

/** Starts a child of our own program, `reeve ARGS…`, with a channel by which it notices our end. Throws `CannotStart`. */
export async function startOwnProgram(args: readonly string[], options: ChildOptions = {}): Promise<Child> {
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a', 0o600)
  try {
    const settings: SpawnOptions = { detached: true, stdio: ['ignore', log ?? 'ignore', log ?? 'ignore', 'ipc'] }
    if (options.environment !== undefined) settings.env = { ...options.environment }
    if (options.workingFolder !== undefined) settings.cwd = options.workingFolder
    return await track('reeve', spawn(process.execPath, [...process.execArgv, ownProgramFile(), ...args], settings))
  } finally {
    if (log !== undefined) closeSync(log)
  }
}

export interface CommandResult {
  readonly exit: ProcessExit
  readonly stdout: string
  readonly stderr: string
  /** It was ended, with all its children, because the deadline had passed. */
  readonly timedOut: boolean
}

export interface CommandOptions {
  readonly clock: Clock
  readonly deadlineMs: number
  readonly environment?: Environment
  readonly workingFolder?: string
}

/** At most this much of each output of a command is kept; the rest is read and dropped. */
const keptOutputBytes = 4 * 1024 * 1024

/** Runs a foreign command to its end. Throws `CannotStart`; every other outcome is in the result. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const settings: SpawnOptions = { detached: true, stdio: ['ignore', 'pipe', 'pipe'] }
    if (options.environment !== undefined) settings.env = { ...options.environment }
    if (options.workingFolder !== undefined) settings.cwd = options.workingFolder
    const started = spawn(command, args, settings)
    let timedOut = false
    const timer = options.clock.after(options.deadlineMs, () => {
      timedOut = true
      endGroup(started.pid)
      // A grandchild that left the group could hold the pipes open for ever.
      started.stdout?.destroy()
      started.stderr?.destroy()
    })
    const stdout = keepOutput(started.stdout!)
    const stderr = keepOutput(started.stderr!)
    started.once('error', (error) => {
      timer.cancel()
      reject(new CannotStart(command, error))
    })
    started.once('close', (code, signal) => {
      timer.cancel()
      resolve({ exit: { code, signal }, stdout: stdout(), stderr: stderr(), timedOut })
    })
  })
}

function keepOutput(stream: NodeJS.ReadableStream): () => string {
  const pieces: Buffer[] = []
  let bytes = 0
  stream.on('data', (piece: Buffer) => {
    if (bytes < keptOutputBytes) pieces.push(piece)
    bytes += piece.length
  })
  return () => Buffer.concat(pieces).toString('utf8')
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}

/** Asks the child to end, and ends it when it has not within `graceMs`. Idempotent. */
export async function stopChild(clock: Clock, child: Child, graceMs: number): Promise<ProcessExit> {
  child.signal('SIGTERM')
  const timer = clock.after(graceMs, () => void child.signal('SIGKILL'))
  try {
    return await child.exited
  } finally {
    timer.cancel()
  }
}

/**
 * What tells one process from a later one with the same number: its start, as the kernel counts it, and the boot.
 * Undefined when no such process runs (or, outside Linux, when it cannot be told).
 */
export function processIdentity(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field, the name in parentheses, may itself hold blanks and parentheses.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`
  } catch {
    return undefined
  }
}

/** Ends a process that is not our child, if it still is the one with that identity. True when it is gone. */
export async function endProcess(clock: Clock, pid: number, identity: string, graceMs: number): Promise<boolean> {
  const runs = () => processIdentity(pid) === identity
  const waitUntilGone = async (waitMs: number) => {
    const endMs = clock.monotonicMs() + waitMs
    while (runs() && clock.monotonicMs() < endMs) await new Promise<void>((resolve) => clock.after(20, resolve))
    return !runs()
  }
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    if (!runs()) return true
    try {
      process.kill(pid, name)
    } catch {
      return !runs()
    }
    if (await waitUntilGone(graceMs)) return true
  }
  return !runs()
}

export interface Listening {
  stop(): void
}

/** Signals that come this close together are one wish: `npm` repeats to its child what the terminal has sent to both. */
const oneWishMs = 1_000

/**
 * Called when a person or the system asks this process to end: first with `again` false, then, if asked once more at
 * least a second later, with `again` true (do not wait any longer). Who has heard one and listens no more is about to end, and says so
 * first: for the rest of that second a repetition still ends nothing.
 */
export function onStopSignal(listener: (signal: string, again: boolean) => void): Listening {
  let firstMs: number | undefined
  const heard = (signal: NodeJS.Signals) => {
    const nowMs = performance.now()
    if (firstMs === undefined) {
      firstMs = nowMs
      listener(signal, false)
    } else if (nowMs - firstMs >= oneWishMs) listener(signal, true)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, heard)
  return {
    stop: () => {
      const off = () => {
        for (const name of signals) process.off(name, heard)
      }
      const leftMs = firstMs === undefined ? 0 : firstMs + oneWishMs - performance.now()
      if (leftMs <= 0) off()
      else setTimeout(off, leftMs).unref()
    },
  }
}

/** Called once when the program that started this one (launcher, `reeve up`) has ended. Never where nobody holds a channel. */
export function onParentGone(listener: () => void): Listening {
  if (process.channel === undefined || process.channel === null) return { stop: () => {} }
  process.once('disconnect', listener)
  // The channel alone keeps nobody alive.
  process.channel.unref()
  return { stop: () => void process.off('disconnect', listener) }
}

/** Sends a JSON value to the program that started this one; dropped where there is no channel. */
export function tellParent(message: unknown): void {
  if (process.connected) process.send?.(message)
}

/** Sets the exit code for when everything is done. */
export function setExitCode(code: number): void {
  process.exitCode = code
}

/** Ends this process now. */
export function exitNow(code: number): never {
  process.exit(code)
}
