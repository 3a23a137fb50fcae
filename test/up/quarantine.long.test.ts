/** `reeve up --quarantine` on existing data with a group that has not ended: it leads and executes nothing until it is released. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { RealmFolder } from '../support/up-process.ts'

const patienceMs = 240_000
let realm: RealmFolder

beforeEach(async () => {
  realm = await RealmFolder.create()
})

afterEach(() => realm[Symbol.asyncDispose]())

interface Call {
  readonly number: number
  readonly token: { readonly scope: string }
}

/** What a site has been asked to do, by its own journal. */
async function journal(site: string): Promise<readonly Call[]> {
  const { address } = await realm.json('site', 'show', site)
  const answer = await fetch(`${/^https?:\/\/[^/?#]+/.exec(address as string)![0]}/v1/journal?after=0&limit=1000`)
  return ((await answer.json()) as { calls: Call[] }).calls
}

test('nothing is executed at any site, whatever waits and whatever comes; after the release all of it is', { timeout: patienceMs }, async () => {
  const first = await realm.up('--demo')
  const { address } = await realm.json('site', 'show', 'north')
  const base = /^https?:\/\/[^/?#]+/.exec(address as string)![0]
  const slow = await fetch(`${base}/admin/switches`, { method: 'POST', body: JSON.stringify({ fault: { kind: 'latency', latencyMs: 3_000 } }), headers: { 'content-type': 'application/json' } })
  expect(slow.ok).toBe(true)
  const { group } = await realm.json('change', 'apply', 'rename', 'Restored', '--site', 'north', '--mode', 'jobs', '--yes')
  await eventually(async () => (await realm.json('group', 'show', group)).state.executed.length > 0, { everyMs: 200, what: 'its first job' })
  await realm.end(first)

  const second = await realm.up('--demo', '--quarantine', 'restored from a backup')
  expect(second.out()).toMatch(new RegExp(`quarantine +restored from a backup: nothing is executed until "reeve realm release --data ${realm.data}"`))
  // What it offers to try can be done as it stands, in another terminal.
  expect(second.out()).toContain(`\n  reeve realm release --data ${realm.data} `)
  expect(second.out()).not.toContain('reeve change apply')
  const before = (await journal('north')).length
  const { state } = await realm.json('group', 'show', group)
  expect(state.phase).toBe('running')
  expect(state.pending.length).toBeGreaterThan(0)
  // Accepted, assigned and waiting: holders, leader and executors are all at work.
  const later = await realm.json('change', 'apply', 'maintenance-on', '--site', 'south', '--mode', 'jobs', '--yes', '--include-unchanged')
  await eventually(async () => (await realm.json('group', 'show', later.group)).state.assignments.length > 0, { everyMs: 200, what: 'its jobs assigned' })
  const direct = await realm.run('change', 'apply', 'rename', 'Now', '--service', 'south/d00001', '--mode', 'direct')
  expect(direct).toMatchObject({ code: 3, err: `reeve: the realm is in quarantine (restored from a backup): nothing is executed until "reeve realm release --data ${realm.data}"; use mode jobs, which waits for that\n` })
  expect((await realm.run('agent', 'list')).out).toContain('quarantine (restored from a backup): nothing is executed')
  const waits = await realm.run('change', 'apply', 'maintenance-off', '--site', 'south', '--mode', 'jobs', '--yes', '--include-unchanged')
  expect((await realm.run('group', 'show', later.group)).out).toContain(`\nwaits         quarantine (restored from a backup): nothing is executed until "reeve realm release --data ${realm.data}"\n`)
  expect(waits).toMatchObject({ code: 0, out: expect.stringContaining(`\nquarantine (restored from a backup): nothing is executed until "reeve realm release --data ${realm.data}"\n`) })
  const doctor = await realm.run('doctor', '--json')
  expect(doctor.code).toBe(1)
  expect(JSON.parse(doctor.out).findings).toContainEqual(expect.objectContaining({ check: 'quarantine', level: 'problem' }))
  expect((await journal('north')).length).toBe(before)
  expect((await journal('south')).filter(({ token }) => token.scope === later.group)).toEqual([])

  expect((await realm.run('realm', 'quarantine', 'another')).out).toBe('the realm is in quarantine already (restored from a backup); that reason stands, "another" is not recorded\n')

  // It outlives a start without the flag: only a release ends it.
  await realm.end(second)
  // Nor is `--demo` needed again: the sites belong to the data folder.
  const third = await realm.up()
  expect(third.out()).toMatch(/site +north at .*\n.*site +south at /)
  expect(third.out()).toMatch(/quarantine +restored from a backup/)
  expect((await journal('north')).length).toBe(before)
  expect((await realm.run('realm', 'release')).out).toBe('the quarantine has ended; what waits is executed\n')
  for (const id of [group, later.group]) {
    await eventually(async () => (await realm.json('group', 'show', id)).state.phase === 'completed', { everyMs: 200, what: `the end of ${id}` })
  }
  const again = await realm.run('realm', 'release')
  expect(again).toMatchObject({ code: 0, out: 'the realm is not in quarantine\n' })
  await realm.end(third)
})
