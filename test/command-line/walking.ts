/** A program on a terminal of its own, by `script` of util-linux: keys in, what stands on the screen out. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from '../support/eventually.ts'
import { cleanEnvironment, mainFile } from './reeve.ts'

export interface Terminal {
  readonly child: ChildProcess
  /** All that was written to it. */
  readonly all: () => string
  /** What was drawn last, without colours and cursor movements. */
  readonly screen: () => string
  press(keys: string): void
  /** Resolves when the screen matches. */
  shows(text: RegExp): Promise<unknown>
  /** Exit code. */
  ended(): Promise<number | null>
}

/** `after`: shell commands that run on the same terminal afterwards. The exit code is that of all of it. */
export function onTerminal(args: readonly string[], options: { readonly folder: string; readonly after?: string }): Terminal {
  const quoted = [process.execPath, mainFile, ...args].map((word) => `'${word}'`).join(' ')
  const line = `stty cols 100 rows 40; ${quoted}; code=$?; ${options.after ?? 'true'}; exit $code`
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], { cwd: options.folder, env: { ...cleanEnvironment(), TERM: 'xterm', SHELL: '/bin/sh' }, stdio: ['pipe', 'pipe', 'ignore'] })
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
  const ending = once(child, 'close')
  const screen = () => out.slice(out.lastIndexOf('\u001b[H') + 1).replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
  return {
    child,
    all: () => out,
    screen,
    press: (keys) => void child.stdin!.write(keys),
    shows: (text) =>
      eventually(() => text.test(screen()), { what: `${text} on the screen` }).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}; it shows:\n${screen()}`, { cause: error })
      }),
    async ended() {
      await ending
      return child.exitCode
    },
  }
}
