import { afterEach, beforeEach, expect, test } from 'vitest'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import type { ApiSuccess } from '../../streams/api/catalogue.ts'
import { canonicalJson, newUlid } from '../../streams/codec.ts'
import { presenceKey, toBytes } from '../../streams/coordination.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { laneClient } from '../../src/lane/client.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { eventually } from '../support/eventually.ts'
import { type ServedRealm, recordStart, startServedRealm, subjects } from './realm.ts'

let realm: ServedRealm
beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

const open = async (sites = ['alpha']) => (await realm.api.call('change', 'apply', { selector: { sites }, operation: { name: 'maintenance-on' } })).group!
const failing = (...jobs: number[]) => (job: number) =>
  jobs.includes(job) ? ({ kind: 'failed', reason: { code: 'refused-by-site', text: 'no' } } as const) : ({ kind: 'succeeded' } as const)

test('the exclusive state is that of the log, to the byte', async () => {
  const group = await open()
  await realm.work(group, failing(2))
  const { state, position } = await realm.api.call('group', 'show', { group })
  expect(canonicalJson(state)).toBe(canonicalJson(exclusiveStateOf(realm.service.view.state.group(group)!)))
  expect(state).toMatchObject({ phase: 'blocked', position: 1, executed: [[1, 1]], failed: [{ job: 2 }], pending: [[3, 4]] })
  expect(position).toBe(await realm.person.log.end())
})

test('says what its jobs wait for that nobody who is here takes, and nothing when somebody comes or it has ended', async () => {
  const group = await open()
  const missing = async () => (await realm.api.call('group', 'show', { group })).missing
  const [skill, ...more] = (await missing())!
  expect(more).toEqual([])
  const here = (agent: string, skills: readonly string[]) => realm.person.agents.put(presenceKey(`${agent}-1`), toBytes({ agent, instance: `${agent}-1`, role: 'generic', region: 'here', skills, build: 'test' }))
  const waiting = async () => (await realm.api.call('realm', 'show', {})).groups.waiting
  await here('unskilled', [])
  expect(await missing()).toEqual([skill])
  const second = await open()
  expect(await waiting()).toEqual({ count: 2, first: [group, second].sort(), missing: [skill] })
  await realm.api.call('group', 'cancel', { group: second })
  expect(await waiting()).toEqual({ count: 1, first: [group], missing: [skill] })
  await here('skilled', [skill!])
  expect(await missing()).toBeUndefined()
  expect(await waiting()).toBeUndefined()
  await realm.api.call('group', 'cancel', { group })
  expect(await missing()).toBeUndefined()
})

test('a group whose lane nobody holds says so', async () => {
  const group = await open()
  const shown = async () => (await realm.api.call('group', 'show', { group })).unheld
  expect(await shown()).toBeUndefined()
  // Who lost its presence goes on as another instance, and holds its lanes on.
  await recordStart(realm.person.log, 'holder', 'holder-1')
  await recordStart(realm.person.log, 'holder', 'holder-2')
  expect(await shown()).toBeUndefined()
  await realm.host!.release()
  expect(await shown()).toBe(true)
})

test('a grant whose executor does not answer is told beside the state, which stays that of the log to the byte', async () => {
  const group = await open()
  const shown = () => realm.api.call('group', 'show', { group })
  const agent = 'w1'
  const client = laneClient({ bus: realm.person.bus, subjects })
  const builtOn = { incarnation: realm.person.log.incarnation, number: 0 }
  const lane = laneOfGroup(group)!
  const { state } = await shown()
  await client.send(lane, { builtOn, group, actor: 'agent:leader', body: { kind: 'assign', assignments: [{ first: 1, last: 4, agent }], ifRevision: state.revision } })
  const instance = 'w1-1'
  await realm.person.agents.createOnce(presenceKey(instance), toBytes({ agent, instance, role: 'generic', region: 'here', skills: [], build: 'test', stopping: false }))
  const answering = realm.person.bus.subscribe(subjects.toAgent(agent, 'ping'), (message) => message.answer(toBytes({ agent, instance, leading: false })))
  await eventually(async () => {
    await client.work(lane, { builtOn, agent, instance, capacity: 1, held: [], outcomes: [], stopped: [] })
    return (await shown()).state.lock !== null
  })
  expect((await shown()).silent).toBeUndefined()
  expect((await realm.api.call('realm', 'show', {})).groups.silent).toBeUndefined()
  answering.stop()
  await eventually(async () => (await shown()).silent !== undefined)
  const after = await shown()
  expect(after.silent).toMatchObject([{ job: 1, grant: after.state.lock!.grant, agent, instance, present: true, then: 'granted-anew' }])
  expect(canonicalJson(after.state)).toBe(canonicalJson(exclusiveStateOf(realm.service.view.state.group(group)!)))
  expect((await realm.api.call('realm', 'show', {})).groups.silent).toMatchObject({ count: 1, first: [{ group, job: 1, agent, instance }] })
})

test('a blocked group is retried under a new job number, its jobs are listed in pages while it runs and after it ended', async () => {
  const group = await open()
  await realm.work(group, failing(2))
  const command = newUlid(systemClock.nowMs(), systemRandom)
  const retried = await realm.api.call('group', 'retry', { group, command })
  expect(retried).toMatchObject({ group, command, known: false })
  const again = await realm.api.answer('group', 'retry', { group, command })
  expect(again).toMatchObject({ ok: true, known: true })
  const phases = async () => {
    const jobs = []
    for (let after: number | null = 0; after !== null; ) {
      const page: ApiSuccess<'group', 'jobs'> = await realm.api.call('group', 'jobs', { group, after, limit: 2 })
      jobs.push(...page.jobs)
      after = page.next
    }
    return jobs.map(({ job, phase, service: id, retryOf }) => `${job} ${id} ${phase}${retryOf === null ? '' : ` for ${retryOf}`}`)
  }
  expect(await phases()).toEqual(['1 a1 succeeded', '2 a2 failed', '3 a3 pending', '4 a4 pending', '5 a2 pending for 2'])
  expect(await realm.work(group)).toMatchObject({ phase: 'completed' })
  expect(await phases()).toEqual(['1 a1 succeeded', '2 a2 failed', '3 a3 succeeded', '4 a4 succeeded', '5 a2 succeeded for 2'])
})

test('who executed a job is said of a group that goes on, and from the log of one that has ended', async () => {
  const group = await open()
  await realm.work(group, failing(2))
  const agents = async (limit = 1000) => (await realm.api.call('group', 'jobs', { group, limit })).jobs.map(({ job, agent }) => `${job} ${agent}`)
  expect(await agents()).toEqual(['1 worker', '2 worker', '3 worker', '4 worker'])
  await realm.api.call('group', 'cancel', { group })
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'cancelled', assignments: [] } })
  // What nobody executed was in the queue of somebody, which is of no interest any more.
  expect(await agents()).toEqual(['1 worker', '2 worker', '3 null', '4 null'])
  expect(await agents(1)).toEqual(['1 worker'])
})

test('who undid a job is said when all of it is undone', async () => {
  const change = { selector: { services: ['alpha/a1', 'alpha/a2'] }, operation: { name: 'maintenance-on' }, mode: 'jobs', onFailure: 'compensate' } as const
  const group = (await realm.api.call('change', 'apply', { ...change, selector: { services: [...change.selector.services] } })).group!
  expect(await realm.work(group, failing(2))).toMatchObject({ phase: 'compensated' })
  const { jobs } = await realm.api.call('group', 'jobs', { group })
  expect(jobs.map(({ job, phase, agent }) => `${job} ${phase} ${agent}`)).toEqual(['1 succeeded worker', '2 failed worker', '3 succeeded worker'])
})

test('a group is cancelled; what is asked of it afterwards is refused or so already', async () => {
  const group = await open()
  expect(await realm.api.call('group', 'cancel', { group })).toMatchObject({ known: false })
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'cancelled', cancelled: [[1, 4]] } })
  expect(await realm.api.call('group', 'jobs', { group, limit: 1 })).toMatchObject({ jobs: [{ phase: 'cancelled' }], next: 1 })
  expect(await realm.api.answer('group', 'retry', { group })).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
})

test('a job whose outcome is not known is settled by a person', async () => {
  const group = await open()
  await realm.work(group, () => ({ kind: 'unknown', reason: { code: 'aborted', text: 'cut off' } }))
  expect(await realm.api.answer('group', 'resolve', { group, job: 2, as: 'succeeded' })).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
  expect(await realm.api.call('group', 'jobs', { group, limit: 1 })).toMatchObject({ jobs: [{ phase: 'unknown', reason: { code: 'aborted' } }] })
  expect(await realm.api.answer('group', 'resolve', { group, job: 1, as: 'succeeded' })).toMatchObject({ ok: true })
  expect(await realm.api.call('group', 'show', { group })).toMatchObject({ state: { phase: 'running', position: 1 } })
})

test('groups are listed the latest first, in pages, by phase and by site', async () => {
  const groups = [await open(['alpha']), await open(['beta']), await open(['alpha'])]
  await realm.work(groups[1]!)
  const listed = []
  for (let after: string | null | undefined; after !== null; ) {
    const page = await realm.api.call('group', 'list', { limit: 2, ...(after === undefined ? {} : { after }) })
    listed.push(...page.groups.map(({ group }) => group))
    after = page.next
  }
  expect(listed.toSorted()).toEqual(groups.toSorted())
  expect(listed.map((group) => group.slice(-26))).toEqual(groups.map((group) => group.slice(-26)).toSorted().reverse())
  expect((await realm.api.call('group', 'list', { phase: ['completed'] })).groups.map(({ group }) => group)).toEqual([groups[1]])
  expect((await realm.api.call('group', 'list', { site: 'beta' })).groups.map(({ group }) => group)).toEqual([groups[1]])
})

test.each(['show', 'jobs', 'retry', 'cancel'] as const)('group.%s of a group that is not there', async (verb) => {
  expect(await realm.api.answer('group', verb, { group: 'here-1-01JD0000000000000000000000' })).toMatchObject({ ok: false, error: { code: 'unknown-group' } })
})

test('lanes, realm and agents say who does the work', async () => {
  const group = await open()
  const { lanes } = await realm.api.call('lane', 'list', {})
  expect(lanes.map(({ lane }) => lane)).toEqual([...realm.lanes].sort())
  expect(lanes.find(({ unfinished }) => unfinished === 1)).toMatchObject({ phase: 'held', holder: { agent: 'holder' }, pendingJobs: 4, work: 4, groups: 1 })
  expect(await realm.api.call('realm', 'show', {})).toMatchObject({ name: 'reeve', founded: true, format: 2, incarnation: 1, durability: { level: 'synced', why: null }, service: { id: 's1' }, sites: 2, lanes: 4, groups: { total: 1, unfinished: 1 }, leader: null })
  expect(await realm.api.call('agent', 'list', {})).toMatchObject({ agents: [], next: null })
  expect(await realm.api.answer('agent', 'show', { agent: 'nobody' })).toMatchObject({ ok: false, error: { code: 'unknown-agent' } })
  expect(await realm.api.call('machine', 'list', {})).toMatchObject({ machines: [] })
  const aggregates = await realm.api.call('machine', 'aggregates', {})
  expect(aggregates).toMatchObject({ next: null, counts: [{ machine: 'group', state: 'running', count: 1 }, { machine: 'job', state: 'pending', count: 4 }, { machine: 'lane', state: 'held', count: 4 }] })
  expect(aggregates.machines.map(({ machine, id, state }) => [machine, id, state])).toEqual([['group', group, 'running'], ...[...realm.lanes].sort().map((lane) => ['lane', lane, 'held'])])
  expect(group).toContain('here-')
})

test('the log is read in pages, by kind, by one, and without gaps', async () => {
  const group = await open()
  const end = await realm.person.log.end()
  const positions = []
  for (let from = 1; ; ) {
    const page = await realm.api.call('log', 'read', { from, limit: 3 })
    positions.push(...page.turns.map(({ position }) => position))
    if (page.complete) {
      expect(page).toMatchObject({ next: end + 1, end })
      break
    }
    from = page.next
  }
  expect(positions).toEqual(Array.from({ length: end }, (_, index) => index + 1))
  const sites = await realm.api.call('log', 'read', { aggregate: 'site', id: 'beta' })
  expect(sites.turns.flatMap(({ turn }) => turn.commits.map(({ id }) => id))).toEqual(['beta'])
  const turns = (await realm.api.call('log', 'read', { aggregate: 'group', id: group })).turns
  expect(turns.flatMap(({ turn }) => turn.commits).every((commit) => commit.id === group)).toBe(true)
  expect(await realm.api.answer('log', 'read', { id: 'x' })).toMatchObject({ ok: false, error: { code: 'malformed' } })
  expect(await realm.api.call('log', 'read', { from: 1_000_000 })).toMatchObject({ turns: [], complete: true, next: 1_000_000 })
})

test('a commit that the service wrote is on the feed with its position', async () => {
  const heard: { position: number; commit: { aggregate: string; id: string } }[] = []
  realm.person.bus.subscribe('reeve.feed.>', ({ data }) => heard.push(JSON.parse(new TextDecoder().decode(data))))
  const { position } = await realm.api.call('site', 'remove', { site: 'beta', confirmed: true })
  const group = await open()
  expect(heard[0]).toMatchObject({ position, commit: { aggregate: 'site', id: 'beta', events: [{ type: 'SiteRemoved' }] } })
  expect(heard.some(({ commit }) => commit.aggregate === 'instruction' && group.endsWith(commit.id))).toBe(true)
  // A lane says its turns after it has answered.
  await eventually(() => heard.some(({ commit }) => commit.aggregate === 'group' && commit.id === group))
})

test('services are listed in pages over sites, a site that does not answer is named and hinders nobody', async () => {
  const list = async (filter: { name?: string; folder?: string }) => {
    const ids = []
    const unreachable = []
    for (let after: string | null | undefined; after !== null; ) {
      const page = await realm.api.call('service', 'list', { ...filter, limit: 2, ...(after === undefined ? {} : { after }) })
      expect(page.services.length).toBeLessThanOrEqual(2)
      ids.push(...page.services.map(({ site, actual }) => `${site}/${actual.id}`))
      unreachable.push(...page.unreachable)
      after = page.next
    }
    return { ids, unreachable }
  }
  expect(await list({})).toEqual({ ids: ['alpha/a1', 'alpha/a2', 'alpha/a3', 'alpha/a4', 'beta/b1', 'beta/b2'], unreachable: [] })
  expect((await list({ folder: 'Berlin' })).ids).toEqual(['alpha/a1', 'alpha/a2'])
  realm.sites.at.delete('memory:alpha')
  expect(await list({ name: '*2' })).toEqual({ ids: ['beta/b2'], unreachable: [{ site: 'alpha', reason: expect.stringContaining('nobody answers') }] })
  expect(await realm.api.answer('service', 'show', { site: 'alpha', service: 'a1' })).toMatchObject({ ok: false, error: { code: 'site-unreachable' } })
  expect(await realm.api.answer('service', 'show', { site: 'beta', service: 'a1' })).toMatchObject({ ok: false, error: { code: 'unknown-service' } })
})
