/** Mode `direct`: the service interface carries the change out itself and answers with the result (agents.md [342]). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { planBytes } from '../../src/change/plan.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { ServiceReplaced } from '../../src/service/direct.ts'
import type { RunningService } from '../../src/service/service.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { digestOf, newUlid } from '../../streams/codec.ts'
import { type PresenceValue, fromBytes, presenceKey, toBytes } from '../../streams/coordination.ts'
import { eventually } from '../support/eventually.ts'
import { type TestRealm, addTwoSites, startRealm, startServedRealm, subjects } from './realm.ts'

let realm: TestRealm
let service: RunningService
beforeEach(async () => {
  const served = await startServedRealm()
  realm = served
  service = served.service
})
afterEach(() => realm.stop())

const one: Pick<ApiRequest<'change', 'apply'>, 'selector' | 'operation'> = { selector: { services: ['beta/b2'] }, operation: { name: 'start' } }
const apply = (request: Partial<ApiRequest<'change', 'apply'>> = {}) => realm.api.call('change', 'apply', { ...one, ...request })
const refused = async (request: Partial<ApiRequest<'change', 'apply'>>) => {
  const answer = await realm.api.answer('change', 'apply', { ...one, ...request })
  return answer.ok ? 'ok' : `${answer.error.code}: ${answer.error.text}`
}
const stateOf = async (group: string | null) => (await realm.api.call('group', 'show', { group: group! })).state
const eventsOf = async (group: string | null) =>
  (await realm.api.call('log', 'read', { aggregate: 'group', id: group! })).turns.flatMap(({ turn }) => turn.commits.flatMap(({ events }) => events as { type: string; data: any }[]))
const newCommand = () => newUlid(systemClock.nowMs(), systemRandom)

/** The next call at a site begins, and ends when it is told to. */
function heldCall(): { readonly begun: Promise<void>; readonly finish: () => void } {
  let finish!: () => void
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const begun = new Promise<void>((resolve) => {
    realm.sites.carryOut = async () => {
      resolve()
      await finished
      return { kind: 'done' }
    }
  })
  return { begun, finish }
}

/** What lies in the bucket of presences, by the id of who is present. */
async function present(): Promise<Map<string, PresenceValue>> {
  const entries = await realm.person.agents.entries()
  return new Map(entries.filter(({ key }) => key.startsWith('instance.')).map(({ value }) => fromBytes<PresenceValue>(value)).map((value) => [value.agent, value]))
}

describe('carried out', () => {
  test('one target runs directly by default: a whole group of one job, granted to the service, answered with the result', async () => {
    expect(await realm.api.call('change', 'plan', one)).toMatchObject({ mode: 'direct', jobs: 1 })
    const applied = await apply()
    expect(applied).toMatchObject({ mode: 'direct', result: { job: 'succeeded', reason: null }, jobs: 1, known: false })
    expect(realm.sites.calls).toHaveLength(1)
    const events = await eventsOf(applied.group)
    expect(events.map(({ type }) => type)).toEqual(['GroupOpened', 'JobsAdded', 'GroupSealed', 'JobsAssigned', 'LockGranted', 'JobSucceeded', 'GroupCompleted'])
    expect(events[0]!.data).toMatchObject({ mode: 'direct', jobs: 1 })
    const { instance } = (await present()).get('s1')!
    expect(events[4]!.data).toMatchObject({ agent: 's1', instance })
    expect(realm.sites.calls[0]).toMatchObject({ service: 'b2', token: { scope: applied.group, revision: 5 }, idempotencyKey: `${applied.group}/1` })
    expect(await realm.api.call('service', 'show', { site: 'beta', service: 'b2' })).toMatchObject({ desired: { power: 'on' } })
  })

  test('more targets run as jobs by default, and mode jobs is kept for one', async () => {
    expect(await apply({ selector: { sites: ['alpha'] } })).toMatchObject({ mode: 'jobs', result: null })
    const applied = await apply({ mode: 'jobs' })
    expect(applied).toMatchObject({ mode: 'jobs', result: null })
    expect(await stateOf(applied.group)).toMatchObject({ mode: 'jobs', phase: 'running', assignments: [] })
    expect(realm.sites.calls).toEqual([])
  })

  test('claim 11: while an asynchronous change of other targets runs, a second one is made directly', async () => {
    const first = await apply({ selector: { sites: ['alpha'] } })
    const second = await apply()
    expect(second.result).toEqual({ job: 'succeeded', reason: null })
    expect(await stateOf(first.group)).toMatchObject({ phase: 'running', position: 0 })
    expect(await realm.work(first.group!)).toMatchObject({ phase: 'completed' })
  })

  test('many at once, each with its own result', async () => {
    const services = ['alpha/a1', 'alpha/a2', 'alpha/a3', 'alpha/a4', 'beta/b1', 'beta/b2']
    const all = await Promise.all(services.map((service) => apply({ selector: { services: [service] }, operation: { name: 'maintenance-on' } })))
    expect(all.map(({ result }) => result?.job)).toEqual(services.map(() => 'succeeded'))
    expect(realm.sites.calls.map(({ service }) => service).toSorted()).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2'])
  })

  test('what the site refuses is the result; the same may be asked for again; a retry of the group goes on at the service', async () => {
    realm.sites.carryOut = async () => ({ kind: 'failed', code: 'refused-by-site', reason: 'not today' })
    const failed = await apply()
    expect(failed.result).toEqual({ job: 'failed', reason: { code: 'refused-by-site', text: 'not today' } })
    expect(await stateOf(failed.group)).toMatchObject({ phase: 'blocked' })
    expect(await realm.api.call('service', 'show', { site: 'beta', service: 'b2' })).toMatchObject({ desired: {} })
    expect((await apply()).result?.job).toBe('failed')
    realm.sites.carryOut = async () => ({ kind: 'done' })
    await realm.api.call('group', 'retry', { group: failed.group! })
    await eventually(async () => (await stateOf(failed.group)).phase === 'completed', { what: 'the retried job' })
  })

  test('an outcome that is not known is said, and settled by a person', async () => {
    realm.sites.carryOut = async () => ({ kind: 'unknown', reason: 'cut off' })
    const applied = await apply({ operation: { name: 'rename', to: 'new' }, command: newCommand() })
    expect(applied.result).toEqual({ job: 'unknown', reason: { code: 'unknown', text: 'cut off' } })
    await realm.api.call('group', 'resolve', { group: applied.group!, job: 1, as: 'succeeded' })
    expect(await stateOf(applied.group)).toMatchObject({ phase: 'completed' })
  })

  test('P15: a repeated command gets its first result, from any service, and the site is called once', async () => {
    await realm.serve('s2')
    await realm.serve('s3')
    const command = newCommand()
    const all = await Promise.all(Array.from({ length: 6 }, () => apply({ command })))
    const [first] = all
    for (const answer of all) expect(answer).toMatchObject({ group: first!.group, result: { job: 'succeeded' } })
    realm.sites.at.delete('memory:beta')
    expect(await apply({ command })).toMatchObject({ group: first!.group, mode: 'direct', result: { job: 'succeeded' }, known: true })
    expect(realm.sites.calls).toHaveLength(1)
  })
})

describe('refused, with the mode to use instead', () => {
  test('several targets', async () => {
    expect(await refused({ selector: { all: true }, mode: 'direct' })).toBe('mode-unavailable: mode direct changes one service, and 6 are selected: use mode jobs')
  })

  test('a target that an unfinished group still changes; a plan says so too', async () => {
    const { group } = await apply({ selector: { sites: ['beta'] }, operation: { name: 'maintenance-on' } })
    const text = `mode-unavailable: mode direct is not for service beta/b2, which the unfinished group ${group} still changes: use mode jobs, or wait for that group`
    expect(await refused({})).toBe(text)
    expect(await realm.api.answer('change', 'plan', { ...one, mode: 'direct' })).toMatchObject({ ok: false, error: { code: 'mode-unavailable' } })
    expect(await realm.api.answer('change', 'plan', { ...one, mode: 'jobs' })).toMatchObject({ ok: true })
    await realm.work(group!)
    expect(await apply()).toMatchObject({ result: { job: 'succeeded' } })
  })

  test('a target whose job has ended in a group that goes on is free; one behind a failed job is not', async () => {
    const { group } = await apply({ selector: { services: ['beta/b1', 'beta/b2', 'alpha/a1'] }, operation: { name: 'maintenance-on' } })
    await realm.work(group!, (job) => (job === 2 ? { kind: 'failed', reason: { code: 'refused-by-site', text: 'no' } } : { kind: 'succeeded' }))
    expect(await apply({ selector: { services: ['beta/b1'] }, operation: { name: 'maintenance-on' } })).toMatchObject({ result: { job: 'succeeded' } })
    expect(await apply()).toMatchObject({ result: { job: 'succeeded' } })
    expect(await refused({ selector: { services: ['alpha/a1'] } })).toContain(`which the unfinished group ${group} still changes`)
  })

  test('a site that cannot be reached from here', async () => {
    realm.sites.at.delete('memory:beta')
    expect(await refused({ mode: 'direct' })).toMatch(/^mode-unavailable: site beta at memory:beta cannot be read: .*use mode jobs where an agent beside the site can reach it$/)
    expect(await refused({})).toMatch(/^site-unreachable: /)
  })
})

describe('presence', () => {
  test('a service is present as a service, and no agent', async () => {
    await eventually(async () => (await present()).has('s1'))
    expect((await present()).get('s1')).toMatchObject({ role: 'service', stopping: false, skills: [] })
    expect(await realm.api.call('agent', 'list', {})).toMatchObject({ agents: [] })
    expect(await realm.api.call('realm', 'show', {})).toMatchObject({ agents: 0 })
  })

  test('P20: of two services with one id the later stays', async () => {
    await eventually(async () => (await present()).has('s1'))
    const first = await realm.serve('s9')
    await eventually(async () => (await present()).has('s9'))
    const ended = first.broken.then(() => undefined, (error: unknown) => error)
    await realm.serve('another connection', { service: 's9' })
    expect(await ended).toBeInstanceOf(ServiceReplaced)
  })

  test('an id that an agent has is refused in one line', async () => {
    const value: PresenceValue = { agent: 'taken', instance: 'i1', role: 'skilled', region: 'here', skills: [], build: 'x', stopping: false }
    await realm.person.agents.createOnce(presenceKey('i1'), toBytes(value))
    await expect(realm.serve('taken')).rejects.toThrow('taken is the id of an agent that is here: give this service another --id')
  })

  test('stopped in the middle: what runs is finished, reported and answered, and the presence is gone', async () => {
    const call = heldCall()
    const answer = apply()
    await call.begun
    const stopped = service.stop()
    call.finish()
    await stopped
    expect(await answer).toMatchObject({ result: { job: 'succeeded' } })
    expect((await present()).has('s1')).toBe(false)
    expect(realm.sites.calls).toHaveLength(1)
  })
})

describe('a service that is lost', () => {
  test('before its job was granted: another service takes it', async () => {
    // As a service leaves it that dies before it is granted the lock.
    const command = newCommand()
    const lane = realm.lanes[0]!
    const group = `${lane}-${command}`
    const jobs = [{ site: 'beta', service: 'b2', operation: { name: 'start' }, repeatable: true }] as const
    const plan = digestOf(planBytes(jobs))
    const client = laneClient({ bus: realm.person.bus, subjects })
    const builtOn = { incarnation: realm.person.log.incarnation, number: 0 }
    for (const body of [
      { kind: 'open', name: 'g', jobs: 1, parts: 1, plan, window: 1, region: 'here', distributionFactor: 100, mode: 'direct' },
      { kind: 'add', plan, part: 1, jobs },
      { kind: 'seal', plan },
      { kind: 'assign', assignments: [{ first: 1, last: 1, agent: 'gone' }], ifRevision: 3 },
    ] as const) {
      expect(await client.send(lane, { builtOn, group, actor: 'service:gone', body })).toMatchObject({ kind: 'done' })
    }
    await eventually(async () => groupTable.isFinal((await stateOf(group)).phase), { what: 'the job that another service takes' })
    expect((await eventsOf(group)).filter(({ type }) => type === 'JobsAssigned').map(({ data }) => data.assignments[0].agent)).toEqual(['gone', 's1'])
    expect(realm.sites.calls).toHaveLength(1)
  })

  test('a result that does not come in time may still happen; asked again with the same id, it is told', async () => {
    await realm.stop()
    realm = await startRealm({ service: { timings: { directAnswerMs: 100 } } })
    await realm.serve('s1')
    await addTwoSites(realm)
    const call = heldCall()
    const command = newCommand()
    expect(await realm.api.answer('change', 'apply', { ...one, command })).toMatchObject({ ok: false, error: { code: 'may-still-happen', command } })
    await call.begun
    call.finish()
    await eventually(async () => (await realm.api.answer('change', 'apply', { ...one, command })).ok)
    expect(await apply({ command })).toMatchObject({ known: true, result: { job: 'succeeded' } })
    expect(realm.sites.calls).toHaveLength(1)
  })
})
