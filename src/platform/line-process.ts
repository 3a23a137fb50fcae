/** A program of Node as a child process that says what it knows in lines. It ends with us: it holds a channel to us, by which it notices our end. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CannotStart, type Environment, type ProcessExit } from './process.ts'

export interface LineProcess {
  /** To the end of its output. Whoever stops reading before that ends the process. */
  readonly lines: AsyncIterable<string>
  readonly exited: Promise<ProcessExit>
  /** The beginning of what it wrote to standard error, whole once it has exited. */
  errors(): string
  /** At once; no error where it has ended. */
  end(): void
}

const keptErrorCharacters = 64 * 1024
/** For its end, once its output has ended: a program that exits closes its output first, and its exit code is what it has to say. */
const leavingMs = 30_000

/** With this very Node and its options. Lines are read as they are taken: a child that is ahead waits. Rejects with `CannotStart`. */
export function startLineProcess(program: string, args: readonly string[], options: { readonly environment: Environment; readonly workingFolder: string }): LineProcess {
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], { cwd: options.workingFolder, env: { ...options.environment }, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    if (errors.length < keptErrorCharacters) errors += text
  })
  const exited = new Promise<ProcessExit>((resolve, reject) => {
    child.once('error', (error) => reject(new CannotStart(program, error)))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  // Heard by whoever awaits it; nobody may.
  exited.catch(() => {})
  const end = () => void child.kill('SIGKILL')
  const endLater = () => {
    const timer = setTimeout(end, leavingMs)
    timer.unref()
    child.once('exit', () => clearTimeout(timer))
  }
  return {
    lines: linesOf(child.stdout!, end, endLater),
    exited,
    errors: () => errors,
    end,
  }
}

async function* linesOf(input: NodeJS.ReadableStream, stopped: () => void, ended: () => void): AsyncGenerator<string> {
  let isWhole = false
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line
    isWhole = true
  } finally {
    if (isWhole) ended()
    else stopped()
  }
}
