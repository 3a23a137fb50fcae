/** Shell completion, tried in the shells themselves where they are installed. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { completionScript, shells } from '../../src/command-line/completion.ts'
import { buildProgram } from '../../src/command-line/program.ts'

const run = promisify(execFile)
const bash = completionScript(buildProgram(), 'bash')

/** What bash offers for the last word of a line. */
async function offered(line: string): Promise<readonly string[]> {
  const words = line.split(' ')
  const list = words.map((word) => `'${word}'`).join(' ')
  const { stdout } = await run('bash', ['--norc', '-c', `${bash}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _reeve; printf '%s\\n' "\${COMPREPLY[@]}"`])
  return stdout.split('\n').filter((word) => word !== '')
}

describe('bash', () => {
  test.each([
    ['reeve gr', ['group']],
    ['reeve group re', ['resume', 'retry', 'resolve']],
    ['reeve --realm test group sh', ['show']],
    ['reeve change apply st', ['start', 'stop'].slice(0, 0)],
    ['reeve change apply --mode ', ['jobs', 'direct', 'desired']],
    ['reeve group list --pha', ['--phase']],
    ['reeve completion ', ['bash', 'zsh', 'fish', '--server', '--realm', '--data', '--config', '--user', '--version', '--help']],
    ['reeve agent --role ', ['generic', 'skilled']],
    ['reeve replay --at ', []],
  ])('%s', async (line, words) => {
    expect(await offered(line)).toEqual(words)
  })
})

test.each(shells)('the script for %s names every command', (shell) => {
  const script = completionScript(buildProgram(), shell)
  for (const command of buildProgram().commands) expect(script).toContain(command.name())
})
