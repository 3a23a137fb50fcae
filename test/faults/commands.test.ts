/** What commands say, as processes in a realm that runs: of archives of which one is missing, of a copy made of them, of jobs that nobody who is here takes. */
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { decodeTurn } from '../../streams/codec.ts'
import { reeve } from '../command-line/reeve.ts'
import { FaultRealm, patienceMs, realmName, subjects } from './realm.ts'

const lanes = ['here-1', 'here-2', 'here-3', 'here-4'] as const
let realm: FaultRealm
let folder: string

beforeAll(async () => {
  realm = await FaultRealm.start({
    agents: [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }, { id: 's1', role: 'skilled', skills: ['simulated'] }],
    sites: { desk: { services: 3 } },
  })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=10' })
  folder = join(realm.folder, 'archives')
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

/** One group a lane. */
async function work(): Promise<void> {
  const jobs = Array.from({ length: 5 }, (_, index) => ({ site: 'drill', service: `s${String(index + 1).padStart(5, '0')}`, operation: { name: 'rehearse' }, repeatable: true }) as const)
  for (const group of await Promise.all(lanes.map((lane) => realm.openJobs(lane, jobs)))) await realm.completes(group)
}

const archive = () => realm.command(['log', 'archive', '--to', folder, '--older-than', '0ms'])

/** Last turn of the lane that is in an archive. */
const archivedUpTo = async (lane: string) => decodeTurn((await realm.coordinator.log.first(subjects.lane(lane)))!.bytes).number - 1

it('log archive goes on with the other lanes where one is refused, says which, and ends with 3; repeated when that is mended, with 0', async () => {
  await work()
  expect(await archive()).toMatchObject({ code: 0, stderr: '' })
  await work()
  const before = await archivedUpTo('here-2')
  const [newest] = (await readdir(folder)).filter((name) => name.includes('here-2')).sort().slice(-1)
  await rename(join(folder, newest!), join(realm.folder, newest!))
  const refused = await archive()
  expect(refused.code).toBe(3)
  expect(refused.stderr).toMatch(new RegExp(`^reeve: the newest archive of lane here-2 is not there: ${join(folder, newest!)} is missing; .*\\n$`))
  expect([...refused.stdout.matchAll(/^lane (\S+): archived \d+ turns, \d+ to \d+, in /gm)].map(([, lane]) => lane)).toEqual(['here-1', 'here-3', 'here-4'])
  expect(await archivedUpTo('here-2')).toBe(before)
  await rename(join(realm.folder, newest!), join(folder, newest!))
  const mended = await archive()
  expect(mended).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^lane here-2: archived \d+ turns/m) })
  expect(await archivedUpTo('here-2')).toBeGreaterThan(before)
  expect(await realm.command(['log', 'verify', '--archive', folder])).toMatchObject({ code: 0, stderr: '' })
}, patienceMs)

it('log tail --json from a position on begins with what is in archives, once; from behind all of it with the first turn', async () => {
  const archived = await Promise.all(lanes.map(async (lane) => ({ lane, number: await archivedUpTo(lane) })))
  const tail = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await realm.command(['log', 'tail', ...args, '--no-follow', '--json'])
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
    return stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
  }
  const [first, ...turns] = await tail('--from', '1')
  expect(first).toEqual({ archived })
  expect(turns.length).toBeGreaterThan(0)
  expect(turns.every((turn) => typeof turn.position === 'number' && turn.archived === undefined)).toBe(true)
  const { position } = turns.at(-1)
  expect(await tail('--from', `${position}`)).toMatchObject([{ position }])
  expect((await tail('-n', '1')).every((turn) => typeof turn.position === 'number')).toBe(true)
}, patienceMs)

it('log verify --against of a realm that was imported, through the command line: what it was made from, with its archives, and what came after', async () => {
  const server = ['--server', realm.server.url]
  const copy = (...args: readonly string[]) => reeve([...args, ...server, '--realm', 'copy', '--json'], { folder: realm.folder })
  const file = join(realm.folder, 'whole.ndjson')
  const later = join(realm.folder, 'later.ndjson')
  const exported = JSON.parse((await realm.command(['log', 'export', '--to', file, '--json'])).stdout)
  expect(exported.archived.map(({ lane }: { lane: string }) => lane)).toEqual(lanes)
  expect(await copy('log', 'import', file)).toMatchObject({ code: 3, err: expect.stringContaining('--archive') })
  const imported = await copy('log', 'import', file, '--archive', folder)
  expect(imported).toMatchObject({ code: 0, err: '' })
  expect(JSON.parse(imported.out)).toMatchObject({ incarnation: 2 })
  const alone = JSON.parse((await copy('log', 'verify', '--against', file)).out)
  const whole = JSON.parse((await copy('log', 'verify', '--against', file, '--archive', folder)).out)
  expect(alone).toMatchObject({ ok: true, findings: [] })
  expect(whole).toMatchObject({ ok: true, findings: [] })
  expect(alone.compared).toBe(exported.records)
  expect(whole.compared).toBe(JSON.parse(imported.out).turns)
  await work()
  await realm.command(['log', 'export', '--to', later])
  const lacking = await copy('log', 'verify', '--against', later)
  expect(lacking.code).toBe(1)
  expect(JSON.parse(lacking.out)).toMatchObject({ ok: false })
}, patienceMs)

it('a group whose skill nobody has: group show and doctor say what it waits for, until somebody comes who has it', async () => {
  const waits = /^waits +no agent takes what asks for simulated$/m
  const show = async (group: string) => (await realm.command(['group', 'show', group])).stdout
  const doctor = async () => JSON.parse((await realm.command(['doctor', '--monitoring-url', realm.monitoringUrl, '--json'])).stdout)
  const ofGroups = async () => (await doctor()).findings.filter(({ check }: { check: string }) => check === 'groups')
  expect(await ofGroups()).toEqual([])
  await realm.agent('s1').stop()
  const group = await realm.open('desk')
  expect(await show(group)).toMatch(waits)
  const said = await realm.command(['doctor', '--monitoring-url', realm.monitoringUrl])
  expect(said.code).toBe(1)
  const here = String.raw`--server \S+ --realm ${realmName} --data \S+`
  expect(said.stdout).toMatch(new RegExp(`✖ 1 group \\(${group}\\) waits for what no agent takes: simulated\n    start an agent that does \\("reeve agent --role skilled --skill simulated ${here}"\\); "reeve group show ${group} ${here}" says more\n`))
  expect(await ofGroups()).toEqual([expect.objectContaining({ level: 'problem', text: `1 group (${group}) waits for what no agent takes: simulated` })])
  await realm.agent('s1').start()
  await realm.completes(group)
  expect(await show(group)).not.toMatch(/^waits/m)
  expect(await ofGroups()).toEqual([])
  realm.archives = folder
  expect(await realm.judge()).toEqual([])
}, patienceMs)
