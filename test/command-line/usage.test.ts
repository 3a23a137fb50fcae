/** `reeve` without a realm: usage, configuration, exit codes, and what needs no server. */
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endingOf } from '../../src/command-line/exit.ts'
import { buildProgram, everyCommand } from '../../src/command-line/program.ts'
import { ChildDidNotStart } from '../../src/up/supervisor.ts'
import { reeve } from './reeve.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reeve-usage-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('wrong usage ends with exit code 2 and one clear line', () => {
  test.each([
    [['nonsense'], /^reeve: unknown command 'nonsense'; "reeve --help" lists what there is$/m],
    [[], /^reeve: "reeve" needs a command; "reeve --help" says more$/m],
    [['group'], /^reeve: "reeve group" needs a command: list, show, jobs, .*; "reeve group --help" says more$/m],
    [['group', 'nonsense'], /^reeve: unknown command 'nonsense'; "reeve group --help" lists what there is$/m],
    [['group', 'list', '--nonsense'], /^reeve: unknown option '--nonsense'; "reeve group list --help" lists what there is$/m],
    [['group', 'shwo', 'x'], /^reeve: unknown command 'shwo'; did you mean show\?$/m],
    [['log', 'archive', '--to', '', '--older-than', '90d'], /^reeve: --to is empty: name a folder; "." is the current folder$/m],
    [['log', 'archive', '--to', fileURLToPath(import.meta.url), '--older-than', '90d'], /usage\.test\.ts is a file: --to names the folder of the archives$/m],
    [['log', 'verify', '--archive', ''], /^reeve: --archive is empty: name a folder/m],
    [['log', 'tail', '-n', '3', '--from', '5'], /^reeve: option '--from <POSITION>' cannot be used with option '-n, --last <N>'$/m],
    [['log', 'export', '--to', ''], /^reeve: --to is empty: name a file/m],
    [['machine', 'export', '--to', ' '], /^reeve: --to is empty: name a folder/m],
    [['service', 'list', '--data', ''], /^reeve: --data is empty: name a folder/m],
    [['replay'], /^reeve: name a group with --group ID, or with --step an agent with --agent ID$/m],
    [['machine', 'watch', '--machine', 'group'], /there is no such machine; there are agent, election, /],
    [['machine', 'watch', '--stately', '99999'], /give a whole number from 0 to 65535/],
    [['machine', 'list', '--definitions', '--agent', 'a'], /cannot be used with option/],
    [['replay', '--group', 'here-1-x', '--at', 'noon'], /^reeve: --at "noon": give a position/],
    [['change', 'plan', 'explode', '--all'], /^reeve: there is no operation "explode": use one of start, stop/],
    [['change', 'plan', 'rename', '--all'], /^reeve: rename needs the new name: "reeve change plan rename VALUE …"$/m],
    [['trigger', 'add', 'x', 'assign', '--all', '--at', '2099-01-01T00:00Z'], /^reeve: assign needs a user: "reeve trigger add x assign VALUE …"$/m],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2027-02-30T02:30Z'], /^reeve: --at cannot be '2027-02-30T02:30Z': there is no day 2027-02-30$/m],
    [['trigger', 'preview', '--at', '2027-04-31T00:00Z'], /there is no day 2027-04-31/],
    [['trigger', 'preview', '--cron', '0 0 * * *', '--zone', 'UTC', '--after', '2027-02-29'], /there is no day 2027-02-29/],
    [['replay', '--group', 'here-1-x', '--at', '2027-02-30'], /^reeve: --at "2027-02-30": give a position/],
    [['trigger', 'preview', '--cron', '0 0 * * *', '--after', '2027-03-27'], /^reeve: --after 2027-03-27: it does not say of which zone it is: write 2027-03-27T00:00Z for UTC/],
    [['trigger', 'preview', '--cron', '0 0 * * *', '--zone', 'Nowhere', '--after', '2027-03-27'], /^reeve: there is no time zone "Nowhere"/],
    [['change', 'plan', 'start', 'now', '--all'], /^reeve: start takes no value/],
    [['change', 'plan', 'start'], /^reeve: say which services/],
    [['change', 'plan', 'start', '--all', '--window', '0'], /give a whole number from 1 to 1000/],
    [['site', 'add', 'x', 'nokind', 'http://127.0.0.1:1'], /^reeve: unknown kind of site "nokind": use one of/],
    [['site', 'add', 'x', 'simulated', 'not an address'], /^reeve: /],
    [['command', 'withdraw'], /missing required argument 'id'/],
    [['group', 'retry', 'g', '--command', 'x'], /^reeve: --command cannot be 'x': give an id as it was said, 26 letters and digits$/m],
    [['command', 'withdraw', "x'y"], /^reeve: <id> cannot be 'x'y': give an id as it was said, 26 letters and digits$/m],
    [['machine', 'export', '--format', 'svg'], /^reeve: svg files of \d+ machines do not fit into one output/],
    [['completion', 'tcsh'], /^reeve: <shell> cannot be 'tcsh': use one of bash, zsh, fish$/m],
    [['trigger', 'add', 't', 'start', '--all'], /^reeve: say when: --cron EXPRESSION/],
    [['trigger', 'add', 't', 'start', '--all', '--cron', '61 * * * *'], /^reeve: the cron expression "61 \* \* \* \*" has "61" as minute, which is none: use 0-59/],
    [['trigger', 'add', 't', 'start', '--all', '--cron', '* * * *'], /^reeve: the cron expression .* has 4 fields, and 5 are needed/],
    [['trigger', 'add', 't', 'start', '--all', '--cron', '0 0 31 2 *'], /fits no time at all/],
    [['trigger', 'add', 't', 'start', '--all', '--cron', '* * * * *', '--zone', 'Europe/Nowhere'], /^reeve: there is no time zone "Europe\/Nowhere": give an IANA name/],
    [['trigger', 'add', 't', 'start', '--all', '--zone', 'UTC', '--at', '2099-01-01T00:00Z'], /^reeve: --zone is the time zone of --cron/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2020-01-01T00:00Z'], /^reeve: --at 2020-01-01T00:00:00.000Z lies in the past/],
    [['trigger', 'add', 't', 'start', '--all', '--at', 'tomorrow'], /give a time of ISO 8601/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2099-01-01'], /^reeve: --at cannot be '2099-01-01': it does not say of which zone it is: write 2099-01-01T00:00Z for UTC, or its offset, such as 2099-01-01T00:00\+01:00$/m],
    [['trigger', 'preview', '--at', '2099-01-01 02:30'], /write 2099-01-01T02:30Z for UTC/],
    [['agent', 'configure', 'a1', 'skills-on=a', 'capacity=4', 'skills-on=b'], /^reeve: skills-on is given more than once: give it once, several skills as skills-on=A,B$/m],
    [['agent', 'configure', 'a1', 'capacity=4', 'capacity='], /^reeve: capacity is given more than once: give it once$/m],
    [['trigger', 'add', 'a b', 'start', '--all', '--at', '2099-01-01T00:00Z'], /^reeve: trigger "a b" is not an id/],
    [['trigger', 'add', 't', 'start', '--at', '2099-01-01T00:00Z'], /^reeve: say which services/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2099-01-01T00:00Z', '--missed', 'alternate'], /^reeve: --missed alternate and --alternate OPERATION belong together/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2099-01-01T00:00Z', '--queue-limit', '3'], /^reeve: --queue-limit belongs to --overlap queue/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2099-01-01T00:00Z', '--grace', '5'], /give a whole number with its unit/],
    [['trigger', 'add', 't', 'start', '--all', '--at', '2099-01-01T00:00Z', '--priority', '101'], /^reeve: --priority cannot be '101': give a whole number from -100 to 100$/m],
    [['log', 'verify', '--archive', '/nowhere/archives'], /^reeve: there is no file or folder \/nowhere\/archives: check the path$/m],
    [['log', 'verify', '--from', '/nowhere.ndjson'], /^reeve: there is no file or folder \/nowhere\.ndjson/],
    [['log', 'verify', '--from', '/dev/null/log.ndjson'], /^reeve: there is no file or folder \/dev\/null\/log\.ndjson/],
    [['log', 'import', '/nowhere.ndjson'], /^reeve: there is no file or folder \/nowhere\.ndjson/],
    [['replay', '--group', 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', '--from', '/nowhere'], /^reeve: there is no file or folder \/nowhere/],
    [['trigger', 'preview'], /^reeve: name a trigger, or give --cron/],
    [['trigger', 'preview', 't', '--cron', '* * * * *'], /^reeve: name a trigger, or give --cron/],
    [['trigger', 'preview', '--cron', '* * * * *', '--zone', 'x'], /^reeve: there is no time zone "x"/],
  ])('%j', async (args, line) => {
    const { code, err } = await inThisProcess(args)
    expect(err).toMatch(line)
    expect(code).toBe(2)
  })
})

/** The same tree without a process of its own: what it would say on standard error, and its exit code. */
async function inThisProcess(args: readonly string[]): Promise<{ readonly code: number; readonly err: string }> {
  const program = buildProgram()
  let err = ''
  everyCommand(program, (command) => command.configureOutput({ writeErr: (text) => (err += text), writeOut: () => {} }))
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    const ending = endingOf(error)
    if (ending === undefined) throw error
    return { code: ending.exitCode, err: err + ending.lines.map((line) => `reeve: ${line}\n`).join('') }
  }
  return { code: 0, err }
}

test.each([
  ['a disk that is full, wherever something was to be written', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }), 'a disk is full (ENOSPC: no space left on device, write): make room there'],
  ['a program that did not start, by its own line', new ChildDidNotStart('site south: the disk of data folder /d is full: make room there'), 'site south: the disk of data folder /d is full: make room there'],
])('%s: one line, and no fault of Reeve', (_, error, line) => {
  expect(endingOf(error)).toEqual({ exitCode: 1, lines: [line] })
})

describe('configuration is judged as a whole', () => {
  test('one line for each violation, naming its source', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'realm: Not A Realm\ncolour: red\nregion: "way too long for the name of a region"\n')
    const { code, err } = await reeve(['group', 'list', '--config', 'bad.yaml', '--server', 'example'], { folder, environment: { REEVE_TOKEN: 'secret', REEVE_USER: 'me' } })
    expect(code).toBe(2)
    expect(err).toMatch(/there is no setting "colour"/)
    expect(err).toMatch(/bad\.yaml: "Not A Realm" is no realm/)
    expect(err).toMatch(/--server: "example" is no server/)
    expect(err).toMatch(/is no region/)
    expect(err).toMatch(/environment REEVE_TOKEN: give a token or a user/)
    expect(err).not.toContain('secret')
    expect(err.trimEnd().split('\n')).toHaveLength(5)
  })

  test('a malformed file is one line with its number', async () => {
    await writeFile(join(folder, 'malformed.yaml'), 'realm: reeve\n  server: [\n')
    const { code, err } = await reeve(['group', 'list'], { folder, environment: { REEVE_CONFIG: 'malformed.yaml' } })
    expect(code).toBe(2)
    expect(err).toMatch(/^reeve: .*malformed\.yaml, line \d+: /)
    expect(err.trimEnd().split('\n')).toHaveLength(1)
  })

  test('a file that was named must be there', async () => {
    expect(await reeve(['group', 'list', '--config', 'nowhere.yaml'], { folder })).toMatchObject({ code: 2, err: expect.stringMatching(/there is no configuration file/) })
  })

  test('flags win over the environment, the environment over the file', async () => {
    await writeFile(join(folder, 'order.yaml'), 'server: nats://127.0.0.1:1\n')
    const file = await reeve(['group', 'list', '--config', 'order.yaml'], { folder })
    const variable = await reeve(['group', 'list', '--config', 'order.yaml'], { folder, environment: { REEVE_SERVER: 'nats://127.0.0.1:2' } })
    const flag = await reeve(['group', 'list', '--config', 'order.yaml', '--server', 'nats://127.0.0.1:3'], { folder, environment: { REEVE_SERVER: 'nats://127.0.0.1:2' } })
    expect([file.err, variable.err, flag.err].map((err) => /127\.0\.0\.1:(\d)/.exec(err)?.[1])).toEqual(['1', '2', '3'])
    expect([file.code, variable.code, flag.code]).toEqual([4, 4, 4])
  })
})

describe('without a realm', () => {
  test('a reading command says so in one line, exit code 4', async () => {
    const { code, out, err } = await reeve(['service', 'list'], { folder })
    expect({ code, out }).toEqual({ code: 4, out: '' })
    expect(err).toMatch(/^reeve: no realm runs with the data in .*: start one with "reeve up" \(in a clone: "npm start"\), or name a server with --server URL\n$/)
  })

  test('a data folder in a folder above is found', async () => {
    await mkdir(join(folder, 'above', '.reeve'), { recursive: true })
    await mkdir(join(folder, 'above', 'a', 'b'), { recursive: true })
    const { err } = await reeve(['service', 'list'], { folder: join(folder, 'above', 'a', 'b') })
    expect(err).toContain(join(folder, 'above', '.reeve'))
  })

  test('a realm that has ended is named', async () => {
    const data = join(folder, 'ended')
    await mkdir(data)
    await writeFile(join(data, 'running.json'), JSON.stringify({ url: 'nats://127.0.0.1:1', realm: 'reeve', pid: 1, identity: 'another boot/1' }))
    const { code, err } = await reeve(['service', 'list', '--data', data], { folder })
    expect(code).toBe(4)
    expect(err).toContain(`has ended (process 1): start it again with "reeve up --data ${data}" (in a clone: "npm start -- --data ${data}")\n`)
  })

  test('doctor finds nothing wrong in an empty folder, and says that it saw no realm', async () => {
    const { code, out, err } = await reeve(['doctor', '--json'], { folder })
    const said = JSON.parse(out)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(said).toMatchObject({ ok: true, problems: 0, reached: 'nothing' })
    expect(said.findings.map((finding: { check: string }) => finding.check)).toEqual(['node', 'nats-server', 'data-folder', 'server'])
    const text = await reeve(['doctor'], { folder })
    expect(text).toMatchObject({ code: 0, out: expect.stringMatching(/^• no realm runs with the data in .*\n(.*\n)*nothing is wrong on this machine; nothing runs here and no server is named, so no realm was looked at\n$/m) })
  })

  test('doctor says what is wrong, exit code 1', async () => {
    const { code, out } = await reeve(['doctor', '--server', 'nats://127.0.0.1:1', '--nats-server', join(folder, 'nowhere')], { folder })
    expect(code).toBe(1)
    expect(out).toMatch(/✖ there is no nats-server at/)
    expect(out).toMatch(/✖ no nats-server answers at nats:\/\/127\.0\.0\.1:1/)
    expect(out).toMatch(/2 things have to be done; no realm was looked at\n$/)
  })

  test('what the README says of changes at a time is what is shown: --after without an offset is of --zone', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const command = /npx reeve (trigger preview .*?)\s+#/.exec(readme)![1]!
    const args = command.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ''))
    const { code, out, err } = await reeve([...args, '--count', '3', '--json'], { folder })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out).times.map(({ utc }: { utc: string }) => utc)).toEqual(['2027-03-27T01:30:00.000Z', '2027-03-28T01:00:00.000Z', '2027-03-29T00:30:00.000Z'])
  })

  test('machines are listed and written', async () => {
    const { out } = await reeve(['machine', 'list', '--definitions', '--json'], { folder })
    const { definitions } = JSON.parse(out)
    expect(definitions.map((machine: { name: string }) => machine.name)).toContain('group')
    const exported = await reeve(['machine', 'export', '--to', 'diagrams', '--machine', 'lane'], { folder })
    expect(exported.out.trim().split('\n').map((path) => path.split('/').at(-1))).toEqual(['lane.mmd', 'lane.svg', 'lane.json'])
    expect(await readFile(join(folder, 'diagrams', 'lane.svg'), 'utf8')).toMatch(/^<svg /)
    expect((await reeve(['machine', 'export', '--machine', 'lane'], { folder })).out).toContain('stateDiagram-v2')
  })

  test('replay of a malformed file is one line with its number', async () => {
    await writeFile(join(folder, 'broken.ndjson'), '{"format":"reeve-log"\n')
    const { code, err } = await reeve(['replay', '--group', 'here-1-x', '--from', 'broken.ndjson'], { folder })
    expect(code).toBe(1)
    expect(err).toMatch(/^reeve: \S*\/broken\.ndjson, line 1: is not JSON.*\n$/)
  })

  test('help says the exit codes', async () => {
    const { code, out } = await reeve(['--help'], { folder })
    expect(code).toBe(0)
    expect(out).toMatch(/Exit codes: 0 done · 1 /)
  })
})

describe('a rehearsal makes nothing', () => {
  const file = fileURLToPath(new URL('../golden/format-1/plain.log.ndjson', import.meta.url))

  test('of an import into a data folder that is not there', async () => {
    const data = join(folder, 'to-be')
    const { code, out, err } = await reeve(['log', 'import', file, '--dry-run', '--data', data], { folder })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^would import \d+ turns .* into realm reeve as incarnation 2, in quarantine$/m)
    await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('of a restore where there is no data folder: there is nothing to restore', async () => {
    const data = join(folder, 'to-be')
    expect(await reeve(['log', 'restore', '--dry-run', '--data', data], { folder })).toMatchObject({ code: 3, err: expect.stringMatching(/^reeve: realm reeve has no log on this server/) })
    await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
