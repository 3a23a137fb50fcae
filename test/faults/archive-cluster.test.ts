/**
 * Archiving on three servers: one of them, or the log's leader, is killed when `LaneArchived` is on record, before the purge, in the midst of it and behind
 * it. Repeated, the archive is whole, every copy of the log has lost the same turns and no other, and states are what they were (I6).
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { FaultRealm, patienceMs, subjects } from './realm.ts'
import { replicated, serverWith } from './servers.ts'
import type { WireMessage } from './wire.ts'

const lanes = ['here-1', 'here-2', 'here-3', 'here-4'] as const
let realm: FaultRealm
let folder: string

beforeAll(async () => {
  realm = await FaultRealm.start({ cluster: {}, agents: [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }, { id: 'g3', role: 'generic' }] })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=200' })
  folder = join(realm.folder, 'archives')
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

const drill = (count: number): JobSpec[] =>
  Array.from({ length: count }, (_, index) => ({ site: 'drill', service: `s${String(index + 1).padStart(5, '0')}`, operation: { name: 'rehearse' }, repeatable: true }))

const open = (jobs: number) => Promise.all(lanes.map((lane) => realm.openJobs(lane, drill(jobs))))

const archive = (started?: (child: ChildProcess) => void) => realm.command(['log', 'archive', '--to', folder, '--older-than', '0ms', '--json'], started)

const ofArchiver = ({ process, kind, subject }: WireMessage, way: WireMessage['kind'], pattern: RegExp) => process === 'command' && kind === way && pattern.test(subject)
const recorded = (message: WireMessage) => ofArchiver(message, 'answer', /^reeve\.lane\.[^.]+\.command$/) && message.payload().includes('"done"')
const purges = (message: WireMessage) => ofArchiver(message, 'publish', /^\$JS\.API\.STREAM\.PURGE\./)
const purged = (message: WireMessage) => ofArchiver(message, 'answer', /^\$JS\.API\.STREAM\.PURGE\./)

interface State {
  readonly messages: number
  readonly first_seq: number
  readonly last_seq: number
  readonly num_deleted?: number
}

/** What each server itself has of the log, by its own monitoring page. */
async function copies(): Promise<readonly State[]> {
  return Promise.all([...realm.cluster.servers.values()].map(async ({ monitoringUrl }) => {
    const page = (await (await fetch(`${monitoringUrl}/jsz?streams=true`)).json()) as { readonly account_details: readonly { readonly stream_detail: readonly { readonly name: string; readonly state: State }[] }[] }
    const { messages, first_seq, last_seq, num_deleted = 0 } = page.account_details.flatMap(({ stream_detail }) => stream_detail).find(({ name }) => name === realm.coordinator.log.stream)!.state
    return { messages, first_seq, last_seq, num_deleted }
  }))
}

/** Every copy holds what its leader gives to who reads. */
async function copiesAreTheLog(): Promise<void> {
  const { log } = realm.coordinator
  await replicated(realm)
  await realm.eventually(
    async () => {
      const positions: number[] = []
      const end = await log.end()
      for await (const batch of log.read({ subjects: [subjects.allEvents], from: 1, until: end })) positions.push(...batch.map(({ position }) => position))
      const expected = { messages: positions.length, first_seq: positions[0]!, last_seq: end, num_deleted: end - positions[0]! + 1 - positions.length }
      expect(await copies()).toEqual([expected, expected, expected])
      return true
    },
    { what: 'the same turns in every copy', everyMs: 200 },
  )
}

const shown = (groups: readonly string[]) => Promise.all(groups.map((group) => realm.api.call('group', 'show', { group })))

it.each([
  ['a follower, when it is on record', { role: 'follower', when: recorded, loses: false, killsArchiver: false }],
  ["the log's leader, when it is on record", { role: 'leader of the log', when: recorded, loses: false, killsArchiver: false }],
  ["the log's leader and of who archives, before the purge", { role: 'leader of the log', when: purges, loses: true, killsArchiver: true }],
  ["the log's leader and of who archives, in the midst of the purge", { role: 'leader of the log', when: purges, loses: false, killsArchiver: true }],
  ["the log's leader and of who archives, behind the purge, of which nobody has heard", { role: 'leader of the log', when: purged, loses: true, killsArchiver: true }],
] as const)('kill -9 of %s', async (_, { role, when, loses, killsArchiver }) => {
  const ended = await open(10)
  for (const group of ended) await realm.completes(group)
  const before = await shown(ended)
  const name = await serverWith(realm, role)
  const running = await open(60)
  let archiver: ChildProcess | undefined
  let killed: Promise<void> | undefined
  const rule = realm.wire.lose({
    loses: (message: WireMessage) => {
      if (killed !== undefined || !when(message)) return false
      if (killsArchiver) archiver!.kill('SIGKILL')
      // The message that is let through is on its way then.
      killed = new Promise((resolve) => setImmediate(resolve)).then(() => realm.cluster.server(name).kill())
      return loses
    },
  })
  const first = await archive((child) => (archiver = child))
  realm.wire.loseNoMore(rule)
  expect(killed).toBeDefined()
  await killed
  realm.archives = folder
  // Two servers are enough to go on with.
  await realm.eventually(async () => (await archive()).code === 0, { what: 'a whole archive', everyMs: 500 })
  for (const group of running) await realm.completes(group)
  await realm.cluster.server(name).start()
  // The server that was killed may have led what else is read on the way, and who cannot read it says so, and that it may be tried again.
  if (killsArchiver) expect({ code: first.code, stderr: first.stderr }).toEqual({ code: null, stderr: '' })
  else expect([0, 3, 4]).toContain(first.code)
  if (first.code === 3) expect(first.stderr).toContain('try again')
  await copiesAreTheLog()
  for (const lane of lanes) expect(decodeTurn((await realm.coordinator.log.first(subjects.lane(lane)))!.bytes).number).toBeGreaterThan(20)
  expect(await shown(ended)).toEqual(before)
  const [group] = ended as [string]
  const replayed = JSON.parse((await realm.command(['replay', '--group', group, '--from', folder, '--json'])).stdout)
  expect(replayed.state).toEqual(before[0]!.state)
}, patienceMs)

it('every server is killed and started on its disk: each copy begins where it began, and the log is whole with its archives', async () => {
  await realm.settled()
  const before = await copies()
  const servers = [...realm.cluster.servers.values()]
  await Promise.all(servers.map((server) => server.kill()))
  await Promise.all(servers.map((server) => server.start()))
  await copiesAreTheLog()
  for (const [index, { first_seq, num_deleted }] of (await copies()).entries()) expect({ first_seq, gaps: num_deleted! > 0 }).toEqual({ first_seq: before[index]!.first_seq, gaps: before[index]!.num_deleted! > 0 })
  for (const group of await open(5)) await realm.completes(group)
  expect(await realm.command(['log', 'verify', '--archive', folder])).toMatchObject({ code: 0, stderr: '' })
  expect(await realm.judge()).toEqual([])
}, patienceMs)
