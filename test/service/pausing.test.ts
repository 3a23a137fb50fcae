/** Pause, resume and priority by the endpoints, as the log of the lane tells them. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newUlid } from '../../streams/codec.ts'
import type { GrantRef, OutcomeReport } from '../../streams/lane-protocol.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type TestRealm, startServedRealm, subjects, togetherIn } from './realm.ts'

let realm: TestRealm
beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

const open = async (window = 1) => (await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'maintenance-on' }, window })).group!
const assign = async (group: string) => {
  const client = laneClient({ bus: realm.person.bus, subjects })
  const { state } = await realm.api.call('group', 'show', { group })
  await client.send(laneOfGroup(group)!, {
    builtOn: { incarnation: 1, number: 0 }, group, actor: 'agent:leader', body: { kind: 'assign', assignments: [{ first: 1, last: 4, agent: 'worker' }], ifRevision: state.revision },
  })
}
const work = async (lane: string, said: { held?: GrantRef[]; outcomes?: OutcomeReport[]; stopped?: GrantRef[] } = {}) => {
  const client = laneClient({ bus: realm.person.bus, subjects })
  const answer = await client.work(lane, { builtOn: { incarnation: 1, number: 0 }, agent: 'worker', instance: 'worker-1', capacity: 9, held: [], outcomes: [], stopped: [], ...said })
  if (answer.kind !== 'taken') throw new Error(`no holder: ${answer.kind}`)
  return answer
}
const typesOf = async (group: string) =>
  (await realm.api.call('log', 'read', { aggregate: 'group', id: group })).turns.flatMap(({ turn }) => turn.commits.flatMap(({ events }) => events.map(({ type }) => type)))

test('from the acknowledged pause on nothing is granted; the job in flight ends; resumed, the group goes on', async () => {
  const group = await open()
  const lane = laneOfGroup(group)!
  await assign(group)
  const [grant] = (await work(lane)).grants
  const command = newUlid(systemClock.nowMs(), systemRandom)
  expect(await realm.api.call('group', 'pause', { group, command })).toMatchObject({ group, command, known: false })
  expect(await realm.api.call('group', 'pause', { group, command })).toMatchObject({ known: true })
  expect(await realm.api.call('group', 'pause', { group })).toMatchObject({ known: true })
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'paused', executing: [[1, 1]] } })
  const ref = { group, grant: grant!.grant }
  const after = await work(lane, { held: [ref], outcomes: [{ ...ref, job: 1, outcome: { kind: 'succeeded' } }] })
  expect(after.grants).toEqual([])
  expect((await work(lane)).grants).toEqual([])
  expect((await typesOf(group)).slice(-3)).toEqual(['LockGranted', 'GroupPaused', 'JobSucceeded'])
  await realm.api.call('group', 'resume', { group })
  expect(await work(lane)).toMatchObject({ grants: [{ group, jobs: [{ job: 2 }] }] })
  expect(await realm.api.answer('group', 'resume', { group })).toMatchObject({ known: true })
})

test('of a grant of several jobs the executor is told to end the one that runs and to give the rest back', async () => {
  const group = await open(4)
  const lane = laneOfGroup(group)!
  await assign(group)
  const [grant] = (await work(lane)).grants
  expect(grant!.jobs).toHaveLength(4)
  const ref = { group, grant: grant!.grant }
  await realm.api.call('group', 'pause', { group })
  expect((await work(lane, { held: [ref] })).yields).toEqual([ref])
  const given = await work(lane, { outcomes: [{ ...ref, job: 1, outcome: { kind: 'succeeded' } }], stopped: [ref] })
  expect(given).toMatchObject({ grants: [], stops: [] })
  expect(given.yields).toBeUndefined()
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'paused', position: 1, lock: null, pending: [[2, 4]] } })
  expect((await typesOf(group)).slice(-3)).toEqual(['GroupPaused', 'JobSucceeded', 'LockReturned'])
})

test('a group of higher priority is granted first, also when it is told so later', async () => {
  const here = togetherIn([await open(), await open(), await open(), await open(), await open()])
  const lane = laneOfGroup(here[0])!
  for (const group of here) await assign(group)
  const last = here.at(-1)!
  expect(await realm.api.call('group', 'prioritize', { group: last, priority: 10 })).toMatchObject({ known: false })
  expect(await realm.api.call('group', 'show', { group: last })).toMatchObject({ state: { priority: 10 } })
  expect((await work(lane)).grants.map(({ group }) => group)).toEqual([last, ...here.slice(0, -1)])
})

test.each(['pause', 'resume'] as const)('group.%s of a group that has ended, or is not there, is refused', async (verb) => {
  const group = await open()
  await realm.api.call('group', 'cancel', { group })
  expect(await realm.api.answer('group', verb, { group })).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
  expect(await realm.api.answer('group', verb, { group: 'here-1-01JD0000000000000000000000' })).toMatchObject({ ok: false, error: { code: 'unknown-group' } })
})
