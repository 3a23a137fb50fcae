/** What `--json` of the commands that make their answer themselves says, key by key, as `docs/json.md` lists it: other programs are built on it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RunningRealm } from '../support/up-process.ts'

const patience = { timeout: 240_000 }
let realm: RunningRealm
let group: string

beforeAll(async () => {
  realm = await RunningRealm.start('--demo')
  group = (await realm.json('group', 'list')).groups[0].group
}, 240_000)

afterAll(() => realm?.[Symbol.asyncDispose]())

interface Documented {
  readonly always: ReadonlySet<string>
  readonly sometimes: ReadonlySet<string>
}

/** By command, then by the object that the keys are of: '' for the whole line, `list[]` for the items of a list, `key` for an object. */
function documented(): Map<string, Map<string, Documented>> {
  const commands = new Map<string, Map<string, Documented>>()
  for (const line of readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8').split('\n')) {
    const [, command, object, keys] = /^\| `reeve ([^`]+)` \| (?:`([^`]+)`|the line) \| (.+) \|$/.exec(line) ?? []
    if (command === undefined) continue
    const names = [...keys!.matchAll(/`([^`]+)`(\?)?/g)]
    const of = (optional: boolean) => new Set(names.filter(([, , mark]) => (mark === '?') === optional).map(([, name]) => name!))
    if (!commands.has(command)) commands.set(command, new Map())
    commands.get(command)!.set(object ?? '', { always: of(false), sometimes: of(true) })
  }
  return commands
}

function objectsAt(value: unknown, path: string): Record<string, unknown>[] {
  let found = [value]
  for (const part of path === '' ? [] : path.split('.')) {
    const name = part.replace(/\[\]$/, '')
    found = found.map((one) => (one as Record<string, unknown>)[name]).filter((one) => one !== undefined && one !== null)
    if (part.endsWith('[]')) found = found.flatMap((one) => one as unknown[])
  }
  return found as Record<string, unknown>[]
}

/** Every command of the page, and how it is asked here. */
const asked: Readonly<Record<string, () => readonly string[]>> = {
  'replay': () => ['replay', '--group', group],
  'replay --why': () => ['replay', '--group', group, '--why', '1'],
  'replay --step': () => ['replay', '--group', group, '--step'],
  'replay --compare': () => ['replay', '--compare', fileURLToPath(new URL('../..', import.meta.url))],
  'log tail': () => ['log', 'tail', '-n', '5', '--no-follow'],
  'log export': () => ['log', 'export', '--to', join(realm.folder, 'all.log'), '--force'],
  'log verify': () => ['log', 'verify', '--against', join(realm.folder, 'all.log')],
  'log import': () => ['log', 'import', join(realm.folder, 'all.log'), '--realm', 'copy'],
  'log archive': () => ['log', 'archive', '--to', join(realm.folder, 'archives'), '--older-than', '0ms', '--dry-run'],
  'machine list': () => ['machine', 'list', '--ended'],
  'machine list --definitions': () => ['machine', 'list', '--definitions'],
  'machine export --format json': () => ['machine', 'export', '--machine', 'job', '--format', 'json'],
  'doctor': () => ['doctor'],
  'change plan': () => ['change', 'plan', 'rename', 'Another', '--all'],
  'change apply --dry-run': () => ['change', 'apply', 'rename', 'Another', '--all', '--dry-run'],
  'trigger preview': () => ['trigger', 'preview', '--cron', '30 2 * * *', '--zone', 'Europe/Berlin', '--count', '400'],
  'agent stop --dry-run': () => ['agent', 'stop', 'generic-1', '--dry-run'],
}

test('the page and this test name the same commands', () => {
  expect([...documented().keys()].sort()).toEqual(Object.keys(asked).sort())
})

test.each(Object.keys(asked))('reeve %s', patience, async (command) => {
  const { code, out, err } = await realm.run(...asked[command]!(), ...(command.startsWith('machine export') ? [] : ['--json']))
  // The doctor ends with 1 where something is to be done on this machine; what it says has the same keys.
  if (command !== 'doctor') expect(code, err).toBe(0)
  const lines = command.startsWith('machine export') ? [out] : out.trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(0)
  const values = lines.map((line) => JSON.parse(line) as unknown)
  for (const [object, { always, sometimes }] of documented().get(command)!) {
    const found = values.flatMap((value) => objectsAt(value, object))
    expect(found.length, `nothing to look at in ${object}`).toBeGreaterThan(0)
    for (const one of found) {
      const keys = Object.keys(one)
      expect(keys.filter((key) => !always.has(key) && !sometimes.has(key)), `keys of ${object} that are not documented`).toEqual([])
      expect([...always].filter((key) => !keys.includes(key)), `keys of ${object} that are documented and not there`).toEqual([])
    }
  }
})
