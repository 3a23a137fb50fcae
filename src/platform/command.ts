/** Runs a foreign command to its end or to an abort: arguments go to the program as they are, never through a shell. */
import { execFile } from 'node:child_process'

/** The program is not on this machine, or may not be run. */
export class CommandNotFound extends Error {
  override readonly name = 'CommandNotFound'
  readonly retryable = false
  readonly program: string
  constructor(program: string, cause: unknown) {
    super(`${program} is not installed, or may not be run by this user`, { cause })
    this.program = program
  }
}

export interface CommandOutcome {
  /** Null: ended by a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** It was killed because `signal` aborted; what it had asked of others may still happen. */
  readonly aborted: boolean
}

/** Beyond this the command is killed and counts as ended by a signal. */
const outputLimitBytes = 512 * 1024 * 1024

/** Throws `CommandNotFound`. `environment` is all that the command sees of one. */
export function runToEnd(
  program: string,
  args: readonly string[],
  options: { readonly environment: Readonly<Record<string, string | undefined>>; readonly signal: AbortSignal },
): Promise<CommandOutcome> {
  if (options.signal.aborted) return Promise.resolve({ code: null, stdout: '', stderr: '', aborted: true })
  return new Promise((resolve, reject) => {
    const settings = { env: { ...options.environment }, signal: options.signal, killSignal: 'SIGKILL', maxBuffer: outputLimitBytes } as const
    execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr, aborted: false })
      const code = error.code as string | number | null | undefined
      if (code === 'ENOENT' || code === 'EACCES') return reject(new CommandNotFound(program, error))
      resolve({ code: typeof code === 'number' ? code : null, stdout, stderr, aborted: options.signal.aborted })
    })
  })
}
