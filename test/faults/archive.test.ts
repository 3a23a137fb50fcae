/** Archiving in a realm of real processes under load: killed after each step and repeated, then everybody starts anew and knows the same (I6). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ArchiveFailpoint } from '../../src/archive/archive.ts'
import { FaultRealm, patienceMs, subjects } from './realm.ts'
import { decodeTurn } from '../../streams/codec.ts'

const failpoints: readonly ArchiveFailpoint[] = ['snapshot-cut', 'text-put', 'file-written', 'file-verified', 'recorded', 'purged']
let realm: FaultRealm
let folder: string

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { north: { services: 12 }, south: { services: 12 } } })
  folder = join(realm.folder, 'archives')
  await mkdir(folder)
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

async function killedAt(failpoint: string): Promise<void> {
  const program = fileURLToPath(new URL('archiving.ts', import.meta.url))
  const child = spawn(process.execPath, [program, realm.server.url, folder, '0', failpoint], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (signal !== 'SIGKILL') throw new Error(`it was not killed at ${failpoint}, but ended with ${code}: ${said}`)
}

async function command(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await realm.command([...args, '--json'])
  expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** What the service says of what has ended. */
async function shown(groups: readonly string[]) {
  const { services } = await realm.api.call('service', 'list', { site: 'north', limit: 100 })
  const list = await realm.api.call('group', 'list', { limit: 100 })
  return {
    desired: services.map(({ actual, desired, differences }) => ({ id: actual.id, desired, differences })),
    listed: list.groups.filter(({ group }) => groups.includes(group)),
    groups: await Promise.all(groups.map((group) => realm.api.call('group', 'show', { group }))),
  }
}

it('killed after each step, repeated, and everybody started anew: the same states, no job lost or doubled', async () => {
  const ended = [await realm.open('north', { operation: { name: 'rename', to: 'First' } }), await realm.open('north', { operation: { name: 'rename', to: 'Second' } })]
  for (const group of ended) await realm.completes(group)
  const before = await shown(ended)
  const archivedUpTo = new Map<string, number>()
  for (const failpoint of failpoints) {
    const running = await realm.open('south')
    await realm.executing(running, 1)
    await killedAt(failpoint)
    realm.archives = (await readdir(folder)).some((name) => name.endsWith('.ndjson')) ? folder : undefined
    const { lanes } = await command('log', 'archive', '--to', folder, '--older-than', '0ms')
    for (const { lane, archived } of lanes) if (archived !== null) archivedUpTo.set(lane, archived.number)
    realm.archives = folder
    await realm.completes(running)
    expect(await shown(ended)).toEqual(before)
  }
  expect(archivedUpTo.size).toBeGreaterThan(0)
  for (const [lane, number] of archivedUpTo) {
    const first = decodeTurn((await realm.coordinator.log.first(subjects.lane(lane)))!.bytes).number
    // Of a lane at rest the run that was killed may have archived the last, and the repeat nothing.
    const recorded = () => realm.view.state.lanes.get(lane)!.archived!.number
    await realm.eventually(() => recorded() + 1 === first, { what: `turn ${first} of lane ${lane} behind what is on record as archived` })
    expect(recorded()).toBeGreaterThanOrEqual(number)
  }
  expect((await command('log', 'verify')).archived).toBeGreaterThan(10)
  expect(await command('log', 'verify', '--archive', folder)).toMatchObject({ ok: true, archived: 0 })
  // Nobody who ran before is left; snapshots are lost too.
  await Promise.all([realm.service, ...realm.agents.values()].map((program) => program.kill()))
  const { mappings } = realm.coordinator
  for (const lane of archivedUpTo.keys()) {
    const entry = await mappings.get(`snapshot.${lane}`)
    if (entry !== undefined) await mappings.remove(entry.key, entry.revision)
  }
  await realm.settled()
  expect(await shown(ended)).toEqual(before)
  const after = await realm.open('south')
  await realm.completes(after)
  const [group] = ended as [string]
  expect((await realm.command(['replay', '--group', group])).stderr).toMatch(/--from DIR/)
  const replayed = await command('replay', '--group', group, '--from', folder)
  expect(replayed.state).toEqual(before.groups[0]!.state)
  // What is not shown is said.
  for (const args of [['log', 'export', '--to', join(realm.folder, 'part.log'), '--only', `group:${group}`], ['log', 'tail', '--group', group, '--from', '1', '--no-follow'], ['log', 'tail', '--from', '1', '--no-follow']]) {
    const { code, stderr } = await realm.command(args)
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.stringMatching(/^turns 1 to .* are in archives .*--from DIR/m) })
  }
  // A file of what is left is compared with the log.
  const file = join(realm.folder, 'rest.log')
  await command('log', 'export', '--to', file)
  expect(await command('log', 'verify', '--against', file)).toMatchObject({ ok: true })
  expect(await command('log', 'verify', '--against', file, '--archive', folder)).toMatchObject({ ok: true })
  expect(await command('log', 'verify', '--from', file, '--archive', folder)).toMatchObject({ ok: true })
  expect(await realm.judge()).toEqual([])
}, patienceMs)
