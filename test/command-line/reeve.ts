/** Runs `reeve` as a person does: a process, its output, its exit code. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const mainFile = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface RunResult {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly folder: string
  readonly environment?: Readonly<Record<string, string>>
  readonly withinMs?: number
}

/** Nothing of the developer's own configuration reaches it. */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('REEVE_') && !name.startsWith('VITEST') && name !== 'NODE_OPTIONS')
  return { ...Object.fromEntries(own), NO_COLOR: '1', ...extra }
}

export function reeve(args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [mainFile, ...args], { cwd: options.folder, env: cleanEnvironment(options.environment), stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    const timer = setTimeout(() => child.kill('SIGKILL'), options.withinMs ?? 120_000)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out, err })
    })
  })
}
