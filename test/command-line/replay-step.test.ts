/** `reeve replay --step` and `--why` as processes, from an exported file: on a terminal with keys, and where there is none. */
import { mkdtemp, readFile, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { exportLog } from '../../src/log-file/export.ts'
import { group, tell } from '../replay/story.ts'
import { eventually } from '../support/eventually.ts'
import { reeve } from './reeve.ts'
import { type Terminal, onTerminal } from './walking.ts'

let folder: string
const terminals: Terminal[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-step-'))
  const story = await tell()
  await exportLog(story.coordinator.log, story.coordinator.texts, { file: join(folder, 'log.ndjson'), realm: 'reeve' })
  await story.coordinator.close()
})

afterEach(() => {
  for (const { child } of terminals.splice(0)) child.kill('SIGKILL')
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function walk(args: readonly string[], after?: string): Terminal {
  const terminal = onTerminal(['replay', '--from', 'log.ndjson', '--step', ...args], { folder, ...(after === undefined ? {} : { after }) })
  terminals.push(terminal)
  return terminal
}

const keys = { right: '\u001b[C', left: '\u001b[D', down: '\u001b[B', up: '\u001b[A', pageDown: '\u001b[6~', pageUp: '\u001b[5~' }

describe('on a terminal', () => {
  test('a group is walked forward and back with keys, each step with its event; q ends with 0, the terminal as it was before', async () => {
    const terminal = walk(['--group', group], 'stty -a | grep -o -- "-\\?icanon"; stty -a | grep -o -- "-\\?echo\\b"')
    await terminal.shows(/step 1 of 26[^]*GroupOpened[^]*state +absent → opening/)
    terminal.press(keys.right)
    await terminal.shows(/step 2 of 26[^]*JobsAdded/)
    terminal.press('n')
    await terminal.shows(/step 3 of 26/)
    terminal.press(`${keys.down}${keys.down}${keys.down}`)
    await terminal.shows(/step 6 of 26[^]*LockGranted[^]*lock +- → 6 of a1/)
    terminal.press(keys.left)
    await terminal.shows(/step 5 of 26[^]*JobsAssigned/)
    terminal.press('?')
    await terminal.shows(/^[^]*PgDn PgUp +ten on, ten back\s+g Home +the first[^]*q Esc Ctrl-C +end/)
    terminal.press('x')
    await terminal.shows(/step 5 of 26[^]*\? keys/)
    terminal.press('p')
    await terminal.shows(/step 4 of 26[^]*GroupSealed[^]*pending +- → 1-3/)
    terminal.press(keys.pageDown)
    await terminal.shows(/step 14 of 26[^]*by person:ada · command [^]*JobRetried/)
    terminal.press('G')
    await terminal.shows(/step 26 of 26[^]*GroupCompleted[^]*queue {2}✔✔✔/)
    terminal.press(keys.right)
    terminal.press('g')
    await terminal.shows(/step 1 of 26/)
    terminal.press('q')
    expect(await terminal.ended()).toBe(0)
    // The screen that stood there before is back, the cursor too, and keys come by line and are seen.
    expect(terminal.all()).toContain('\u001b[?1049h')
    expect(terminal.all()).toMatch(/\u001b\[\?25h\u001b\[\?1049l\s*icanon\s+echo\s*$/)
  })

  test('--at says where to begin; an agent is walked in the same way', async () => {
    const first = walk(['--group', group, '--at', 'r9'])
    await first.shows(/step 9 of 26[^]*LockGranted/)
    first.press('q')
    const second = walk(['--agent', 'a2'])
    await second.shows(/agent a2, generic +step 1 of \d+[^]*AgentStarted[^]*state +absent → started/)
    second.press('G')
    await second.shows(/succeeded +2 → 3/)
    second.press('\u0003')
    expect(await Promise.all([first.ended(), second.ended()])).toEqual([0, 0])
  })

  test.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const)('%s leaves the terminal as it was before', async (signal) => {
    const terminal = walk(['--group', group], 'stty -a | grep -o -- "-\\?icanon"')
    await terminal.shows(/step 1 of 26/)
    process.kill(await pidOf(folder), signal)
    expect(await terminal.ended()).toBe(signal === 'SIGQUIT' ? 131 : 0)
    expect(terminal.all()).toMatch(/\u001b\[\?25h\u001b\[\?1049l\s*icanon\s*$/)
  })

  test('Ctrl-Z gives the terminal back; brought back, it is drawn again', async () => {
    const terminal = walk(['--group', group])
    await terminal.shows(/step 1 of 26/)
    terminal.press('n\u001a')
    const pid = await pidOf(folder)
    await eventually(() => terminal.all().endsWith('\u001b[?25h\u001b[?1049l'), { what: 'the terminal as it was before' })
    // Not before it has stopped, or it would be woken first and then sleep for ever.
    await eventually(async () => / T /.test(await readFile(`/proc/${pid}/stat`, 'utf8')), { what: 'a stopped process' })
    process.kill(pid, 'SIGCONT')
    await terminal.shows(/step 2 of 26/)
    terminal.press('q')
    expect(await terminal.ended()).toBe(0)
  })
})

/** The program itself, not the shell that runs it. */
async function pidOf(cwd: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const command = (await readFile(`/proc/${name}/cmdline`, 'utf8')).split('\0')
      if (command[0] === process.execPath && command.includes('--step') && (await readlink(`/proc/${name}/cwd`)) === cwd) return Number(name)
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no reeve replay --step runs in ${cwd}`)
}

describe('where there is no terminal', () => {
  const run = (...args: readonly string[]) => reeve(['replay', '--from', 'log.ndjson', ...args], { folder })

  test('--step says so in one line, and that --json gives all steps', async () => {
    expect(await run('--group', group, '--step')).toEqual({ code: 3, out: '', err: 'reeve: --step needs a terminal with keys: run it in one, or take all steps with --json\n' })
  })

  test('--step --json: one line a step, with the state before and after', async () => {
    const { code, out } = await run('--group', group, '--step', '--json')
    expect(code).toBe(0)
    const steps = out.trimEnd().split('\n').map((line) => JSON.parse(line))
    expect(steps.map(({ revision }) => revision)).toEqual(Array.from({ length: 26 }, (_, index) => index + 1))
    expect(steps[9]).toMatchObject({ revision: 10, actor: 'agent:a2', event: { type: 'JobSucceeded' }, before: { position: 0 }, after: { position: 1 } })
    const until = await run('--group', group, '--step', '--json', '--at', 'r4')
    expect(until.out.trimEnd().split('\n')).toEqual(out.trimEnd().split('\n').slice(0, 4))
    const ofAgent = await run('--agent', 'a1', '--step', '--json')
    expect(JSON.parse(ofAgent.out.trimEnd().split('\n').at(-1)!)).toMatchObject({ event: { type: 'LockReturned' }, after: { agent: 'a1', phase: 'lost', holding: [] } })
  })

  test('--why prints a line a cause, from the instruction to the write at the site', async () => {
    const { code, out } = await run('--group', group, '--why', '5')
    expect(code).toBe(0)
    const order = ['InstructionTaken', 'GroupOpened', 'JobsAdded', 'GroupSealed', 'JobsAssigned', 'LockGranted', 'site write', 'JobFailed', 'JobRetried', 'LockGranted', 'site write', 'JobUnknown', 'JobResolved', 'JobRetried', 'LockGranted', 'site write', 'JobSucceeded']
    let from = 0
    for (const word of order) {
      const at = out.indexOf(word, from)
      expect(at, `${word} after ${out.slice(0, from)}`).toBeGreaterThanOrEqual(from)
      from = at + word.length
    }
    expect(out).toContain(`token ${group} 3/22, key ${group}/5`)
    expect(out).toContain('it stands in the place of job 2, then 4')
    expect(JSON.parse((await run('--group', group, '--why', '5', '--json')).out)).toMatchObject({ job: 5, chain: [2, 4, 5] })
  })

  test.each([
    ['nothing is named', [], 2, /^reeve: name a group with --group ID, or with --step an agent with --agent ID\n$/],
    ['an agent without --step', ['--agent', 'a1'], 2, /^reeve: --agent needs --step: /],
    ['an agent and a group', ['--agent', 'a1', '--group', group, '--step'], 2, /'--agent <ID>' cannot be used with option '--group <ID>'/],
    ['--why with --step', ['--group', group, '--why', '1', '--step'], 2, /cannot be used with/],
    ['a job that is no number', ['--group', group, '--why', 'x'], 2, /give a whole number/],
    ['a job that is not there', ['--group', group, '--why', '9'], 3, /^reeve: group .* has jobs 1 to 5, no 9\n$/],
    ['an agent that is not there', ['--agent', 'nobody', '--step', '--json'], 3, /^reeve: the log knows nothing of an agent nobody: "reeve agent list" shows those that there are\n$/],
    ['an agent whose id is none', ['--agent', 'a.b', '--step', '--json'], 2, /^reeve: agent "a\.b" is not an id: /],
  ] as const)('%s: one line', async (_what, args, code, err) => {
    const result = await run(...args)
    expect(result).toMatchObject({ code, out: '', err: expect.stringMatching(err) })
    expect(result.err.trimEnd().split('\n')).toHaveLength(1)
  })
})
