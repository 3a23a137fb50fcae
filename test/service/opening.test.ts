/** Groups that somebody began to open: finished by whatever service runs, or never half (P14); commands settled (P15). */
import { afterEach, expect, test } from 'vitest'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { newUlid } from '../../streams/codec.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import { type LaneClient, laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { eventually } from '../support/eventually.ts'
import { type TestRealm, addTwoSites, desktop, startRealm, startServedRealm, subjects } from './realm.ts'

let realm: TestRealm
afterEach(() => realm.stop())

const newCommand = () => newUlid(systemClock.nowMs(), systemRandom)

/** Lets commands through until `cut` says no; from then on nothing is heard of any. */
function cutting(inner: LaneClient, cut: (body: LaneCommandBody) => boolean): LaneClient {
  let over = false
  return {
    work: (...args) => inner.work(...args),
    send: async (lane, command, timeoutMs) => {
      over ||= cut(command.body)
      return over ? { kind: 'no-answer', why: 'timeout' } : inner.send(lane, command, timeoutMs)
    },
  }
}

async function serviceThatDies(cut: (body: LaneCommandBody) => boolean) {
  const coordinator = await realm.opened('dying')
  return realm.serve('dying-service', {
    lanes: cutting(laneClient({ bus: coordinator.bus, subjects }), cut),
    timings: { laneAnswerMs: 1_000, continueMs: 1_000_000 },
  })
}

const longPlan = Array.from({ length: 2_000 }, (_, index) => desktop(`d${String(index).padStart(5, '0')}`))

test.each([
  ['before the group is opened', (body: LaneCommandBody) => body.kind === 'open'],
  ['before the first part', (body: LaneCommandBody) => body.kind === 'add'],
  ['between two parts', (body: LaneCommandBody) => body.kind === 'add' && body.part === 3],
  ['before the seal', (body: LaneCommandBody) => body.kind === 'seal'],
])('a service that dies %s: another one finishes the group with the very same plan', async (_when, cut) => {
  realm = await startRealm()
  const dying = await serviceThatDies(cut)
  realm.sites.at.set('memory:long', longPlan)
  await realm.api.call('site', 'add', { site: 'long', kind: 'full', address: 'memory:long' })
  const command = newCommand()
  const answer = await realm.api.answer('change', 'apply', { selector: { all: true }, operation: { name: 'start' }, window: 7, name: 'Long', command })
  expect(answer).toMatchObject({ ok: false, error: { code: 'may-still-happen', retryable: true, command } })
  await dying.stop()
  // The site is not even there any more: everything comes from the log and the kept plan.
  realm.sites.at.delete('memory:long')
  await realm.serve('heir')
  const group = await eventually(async () => (await realm.api.call('group', 'list', { phase: ['running'] })).groups[0]?.group)
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'running', jobs: 2_000, window: 7, name: 'Long', pending: [[1, 2_000]] } })
  const { turns } = await realm.api.call('log', 'read', { aggregate: 'group', id: group })
  expect(turns[0]!.turn.commits[0]!.actor).toBe('person:tester')
})

test('the asker repeats at another service and gets the first plan', async () => {
  realm = await startRealm()
  const dying = await serviceThatDies((body) => body.kind === 'seal')
  await addTwoSites(realm)
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command: newCommand() }
  expect(await realm.api.answer('change', 'apply', request)).toMatchObject({ ok: false, error: { code: 'may-still-happen' } })
  await dying.stop()
  realm.sites.at.delete('memory:alpha')
  await realm.serve('heir', { timings: { continueMs: 1_000_000 } })
  expect(await realm.api.call('change', 'apply', request)).toMatchObject({ known: true, jobs: 2 })
})

test('where the plan is lost the holder abandons the group, and a repeat says so', async () => {
  realm = await startRealm({ openDeadlineMs: 3_000 })
  const dying = await serviceThatDies((body) => body.kind === 'seal')
  await addTwoSites(realm)
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command: newCommand() }
  expect(await realm.api.answer('change', 'apply', request)).toMatchObject({ ok: false, error: { code: 'may-still-happen' } })
  await dying.stop()
  const heirs = await realm.opened('heir-connection')
  await realm.serve('heir', { coordinator: { ...heirs, log: heirs.log, bus: heirs.bus, texts: { put: (bytes) => heirs.texts.put(bytes), putMany: (texts) => heirs.texts.putMany(texts), get: async () => undefined } } })
  await eventually(async () => (await realm.api.call('group', 'list', { phase: ['abandoned'] })).groups.length === 1)
  expect(await realm.api.answer('change', 'apply', request)).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
})

test('P15: a group that has ended answers a repeat with its first result, also where its plan is not kept any more', async () => {
  realm = await startRealm()
  const first = await realm.opened('first')
  await realm.serve('s1', { coordinator: { ...first, log: first.log, bus: first.bus, texts: { put: (bytes) => first.texts.put(bytes), putMany: (texts) => first.texts.putMany(texts), get: async () => undefined } } })
  await addTwoSites(realm)
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command: newCommand() }
  const { group, plan } = await realm.api.call('change', 'apply', request)
  expect(await realm.work(group!)).toMatchObject({ phase: 'completed' })
  expect(await realm.api.call('change', 'apply', request)).toMatchObject({ group, plan, jobs: 2, known: true, position: 0 })
  const cancelled = await realm.api.call('change', 'apply', { ...request, command: newCommand() })
  await realm.api.call('group', 'cancel', { group: cancelled.group! })
  expect(await realm.api.call('change', 'apply', { ...request, command: cancelled.command })).toMatchObject({ group: cancelled.group, known: true })
})

test('no lane held: nothing is written, and the change may be repeated', async () => {
  realm = await startRealm({ held: false })
  await realm.serve('s1')
  await addTwoSites(realm)
  const end = await realm.person.log.end()
  const request: ApiRequest<'change', 'apply'> = { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command: newCommand() }
  expect(await realm.api.answer('change', 'apply', request)).toMatchObject({ ok: false, error: { code: 'no-lane-yet', retryable: true } })
  expect(await realm.person.log.end()).toBe(end)
  await realm.holdLanes('late', await realm.opened('late'))
  expect(await realm.api.answer('change', 'apply', request)).toMatchObject({ ok: true })
})

test('P15: a withdrawn command never happens, whoever repeats it', async () => {
  realm = await startServedRealm()
  const command = newCommand()
  expect(await realm.api.call('command', 'withdraw', { command })).toMatchObject({ settled: 'withdrawn', group: null })
  expect(await realm.api.call('command', 'withdraw', { command })).toMatchObject({ settled: 'withdrawn', group: null })
  expect(await realm.api.answer('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command })).toMatchObject({ ok: false, error: { code: 'withdrawn' } })
  expect((await realm.api.call('group', 'list', {})).groups).toEqual([])
})

test('P15: withdrawing what was carried out says so, with and without the group', async () => {
  realm = await startServedRealm()
  const { group, command } = await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'start' } })
  expect(await realm.api.call('command', 'withdraw', { command })).toMatchObject({ settled: 'carried-out', group })
  const cancel = newCommand()
  await realm.api.call('group', 'cancel', { group: group!, command: cancel })
  expect(await realm.api.call('command', 'withdraw', { command: cancel, group: group! })).toMatchObject({ settled: 'carried-out', group })
  expect(await realm.api.call('command', 'withdraw', { command: cancel })).toMatchObject({ settled: 'carried-out', group })
  const never = newCommand()
  expect(await realm.api.call('command', 'withdraw', { command: never, group: group! })).toMatchObject({ settled: 'withdrawn' })
  expect(await realm.api.answer('group', 'cancel', { group: group!, command: never })).toMatchObject({ ok: false, error: { code: 'withdrawn' } })
})

test('an instruction that was taken and withdrawn before its group opened is not opened by anybody', async () => {
  realm = await startRealm()
  const dying = await serviceThatDies((body) => body.kind === 'open')
  await addTwoSites(realm)
  const command = newCommand()
  expect(await realm.api.answer('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command })).toMatchObject({ ok: false, error: { code: 'may-still-happen' } })
  await dying.stop()
  await realm.serve('heir', { timings: { continueMs: 1_000_000 } })
  expect(await realm.api.call('command', 'withdraw', { command })).toMatchObject({ settled: 'withdrawn' })
  expect(await realm.api.answer('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'start' }, command })).toMatchObject({ ok: false, error: { code: 'withdrawn' } })
  expect((await realm.api.call('group', 'list', {})).groups).toEqual([])
})

test('lanes that move to another holder in the middle of an opening do not harm it', async () => {
  realm = await startRealm()
  await realm.serve('s1')
  realm.sites.at.set('memory:long', Array.from({ length: 10_000 }, (_, index) => desktop(`d${index}`)))
  await realm.api.call('site', 'add', { site: 'long', kind: 'full', address: 'memory:long' })
  const firstPart = new Promise<void>((resolve) => {
    const subscription = realm.person.bus.subscribe('reeve.feed.group.*', ({ data }) => {
      if (!new TextDecoder().decode(data).includes('"JobsAdded"')) return
      subscription.stop()
      resolve()
    })
  })
  const applying = realm.api.call('change', 'apply', { selector: { sites: ['long'] }, operation: { name: 'start' } })
  await firstPart
  await realm.holdLanes('second', await realm.opened('second'))
  const { group, lane } = await applying
  expect(await realm.api.call('group', 'show', { group: group! })).toMatchObject({ state: { phase: 'running', pending: [[1, 10_000]] } })
  const { lanes } = await realm.api.call('lane', 'list', {})
  expect(lanes.find((shown) => shown.lane === lane)).toMatchObject({ holder: { agent: 'second' } })
})

test('50,000 jobs in one group', async () => {
  realm = await startRealm()
  await realm.serve('s1')
  realm.sites.at.set('memory:huge', Array.from({ length: 50_000 }, (_, index) => desktop(`d${String(index).padStart(5, '0')}`)))
  await realm.api.call('site', 'add', { site: 'huge', kind: 'full', address: 'memory:huge' })
  const applied = await realm.api.call('change', 'apply', { selector: { sites: ['huge'] }, operation: { name: 'start' } })
  expect(applied.jobs).toBe(50_000)
  expect(await realm.api.call('group', 'show', { group: applied.group! })).toMatchObject({ state: { phase: 'running', pending: [[1, 50_000]] } })
  expect(await realm.api.call('group', 'jobs', { group: applied.group!, after: 49_999 })).toMatchObject({ jobs: [{ job: 50_000, service: 'd49999' }], next: null })
})

test('without any service, or with one that ended, the client says unreachable', async () => {
  realm = await startRealm()
  expect(await realm.api.answer('realm', 'show', {})).toMatchObject({ ok: false, error: { code: 'unreachable' } })
  const service = await realm.serve('s1')
  expect(await realm.api.answer('realm', 'show', {})).toMatchObject({ ok: true })
  await service.stop()
  await service.stop()
  await expect(realm.api.call('realm', 'show', {})).rejects.toMatchObject({ code: 'unreachable', exitCode: 4 })
})
