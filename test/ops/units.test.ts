/** The units of `ops/units/`: what they run are commands of this build, with options that it has; each timer starts a unit that is there. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { buildProgram } from '../../src/command-line/program.ts'

const folder = fileURLToPath(new URL('../../ops/units', import.meta.url))
const units = (await readdir(folder)).filter((name) => name !== 'README.md')
const read = (unit: string) => readFile(join(folder, unit), 'utf8')

/** Values of a key, as systemd reads the file. */
function values(text: string, key: string): readonly string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []))
}

/** Variables that the unit itself sets; what its environment file may add has no value here. */
function variables(text: string): ReadonlyMap<string, string> {
  return new Map(values(text, 'Environment').flatMap((line) => line.split(' ')).map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]))
}

/** What the program is given: `${NAME}` is one word, `$NAME` as many as it holds. */
function wordsOf(text: string, command: string): readonly string[] {
  const known = variables(text)
  return command.replaceAll('%i', 'one').split(' ').flatMap((word) => {
    const whole = word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => known.get(name) ?? '')
    return /^\$\w+$/.test(whole) ? (known.get(whole.slice(1)) ?? '').split(' ').filter((one) => one !== '') : [whole]
  })
}

/** Options that the command does not have, and words too many; throws where it does not take a value. */
function notUnderstood(words: readonly string[]): readonly string[] {
  let command: Command = buildProgram()
  // As commander goes down: each takes its own options out of what is left.
  for (let left = words; ; ) {
    const { operands, unknown } = command.parseOptions([...left])
    const next = command.commands.find((one) => one.name() === operands[0])
    if (next === undefined) return [...unknown, ...operands.slice(command.registeredArguments.length)]
    command = next
    left = [...operands.slice(1), ...unknown]
  }
}

const programs = (await Promise.all(units.map(async (unit) => {
  const text = await read(unit)
  return values(text, 'ExecStart').filter((line) => line.startsWith('/usr/bin/reeve ')).map((line) => [unit, wordsOf(text, line).slice(1)] as const)
}))).flat()

test('there are units of ours', () => {
  expect(programs.map(([unit]) => unit).sort()).toEqual(['reeve-agent@.service', 'reeve-archive.service', 'reeve-serve.service'])
})

test.each(programs)('%s runs a command of this build', (_, words) => {
  expect(notUnderstood(words)).toEqual([])
})

test('what no build understands is noticed', () => {
  expect(notUnderstood(['log', 'archive', '--to', '/x', '--older-as', '90d'])).toEqual(['--older-as', '90d'])
  expect(notUnderstood(['log', 'archives'])).toEqual(['archives'])
  expect(() => notUnderstood(['log', 'archive', '--to', '/x', '--older-than', 'long'])).toThrow()
})

test('each timer starts a unit that is there, and is enabled with the timers', async () => {
  const timers = units.filter((unit) => unit.endsWith('.timer'))
  expect(timers).toEqual(['reeve-archive.timer'])
  for (const timer of timers) {
    const text = await read(timer)
    expect(units).toContain(values(text, 'Unit')[0] ?? timer.replace('.timer', '.service'))
    expect(values(text, 'WantedBy')).toEqual(['timers.target'])
  }
})

test('the page beside them names each unit, and the users, folders and files that they have', async () => {
  const page = await read('README.md')
  for (const unit of units) expect(page).toContain(unit === 'reeve-agent@.service' ? 'reeve-agent@ID.service' : unit === 'reeve-archive.service' ? 'ops/units/*.service' : unit)
  const texts = await Promise.all(units.map(read))
  for (const user of new Set(texts.flatMap((text) => values(text, 'User')))) expect(page).toContain(`user \`${user}\``)
  for (const file of new Set(texts.flatMap((text) => values(text, 'EnvironmentFile')))) expect(page).toContain(file)
  for (const state of new Set(texts.flatMap((text) => values(text, 'StateDirectory')).flatMap((line) => line.split(' ')))) expect(page).toContain(`/var/lib/${state}`)
  for (const program of new Set(texts.flatMap((text) => values(text, 'ExecStart')).map((line) => line.split(' ')[0]!))) expect(page).toContain(program)
  expect(page).toContain(/-c (\S+)/.exec(await read('nats-server.service'))![1])
  // Where the log lies, as the configuration says that is to be copied.
  expect(page).toContain(/store_dir: "(.+)"/.exec(await read('../nats/one-node.conf'))![1])
  const code = [...page.matchAll(/\breeve ((?:doctor|agent stop)[^`]*)`/g)].map(([, words]) => words!.split(' '))
  expect(code).toHaveLength(2)
  for (const words of code) expect(notUnderstood(words)).toEqual([])
})

const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path))

test(`systemd has nothing to say against them${analyze === undefined ? ' (it is not on this machine: read by the tests above only)' : ''}`, async () => {
  if (analyze === undefined) return
  const copies = await mkdtemp(join(tmpdir(), 'reeve-units-'))
  try {
    // Programs stand elsewhere on this machine.
    for (const unit of units) await writeFile(join(copies, unit), (await read(unit)).replaceAll(/^(Exec\w+=)\S+/gm, `$1${process.execPath}`))
    const names = units.map((unit) => join(copies, unit.replace('@.', '@one.')))
    for (const unit of units) if (unit.includes('@.')) await writeFile(join(copies, unit.replace('@.', '@one.')), await readFile(join(copies, unit)))
    const { stdout, stderr } = await promisify(execFile)(analyze, ['verify', '--man=no', '--recursive-errors=no', ...names]).catch((error: { readonly stdout: string; readonly stderr: string }) => error)
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes(copies))).toEqual([])
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
})
