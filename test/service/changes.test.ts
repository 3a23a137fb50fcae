import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { digestOf, newUlid } from '../../streams/codec.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type TestRealm, desktop, startServedRealm } from './realm.ts'

let realm: TestRealm
beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

const plan = (request: ApiRequest<'change', 'plan'>) => realm.api.answer('change', 'plan', request)
const services = (answer: Awaited<ReturnType<typeof plan>>) => (answer.ok ? answer.page.map(({ site, service }) => `${site}/${service}`) : answer.error)

test('jobs stand in the order of the sites given, then by service id; what is so already is left out', async () => {
  const answer = await plan({ selector: { sites: ['beta', 'alpha'] }, operation: { name: 'start' } })
  expect(services(answer)).toEqual(['beta/b2', 'alpha/a1', 'alpha/a3'])
  expect(answer).toMatchObject({
    jobs: 3,
    alreadySo: 3,
    destructive: false,
    unchanged: [{ service: 'b1' }, { service: 'a2' }, { service: 'a4', name: 'Ünïcødé 名前 *' }],
    page: [{ job: 1, differences: [{ property: 'power', from: 'off', to: 'on' }] }, { job: 2 }, { job: 3 }],
  })
  expect(services(await plan({ selector: { all: true }, operation: { name: 'start' }, includeUnchanged: true }))).toEqual([
    'alpha/a1', 'alpha/a2', 'alpha/a3', 'alpha/a4', 'beta/b1', 'beta/b2',
  ])
})

test.each([
  [{ folder: 'Berlin' }, ['alpha/a1', 'alpha/a2']],
  [{ group: 'finance' }, ['alpha/a3', 'alpha/a4']],
  [{ name: 'Desktop ?2' }, ['alpha/a2', 'beta/b2']],
  [{ name: '*名前 \\*' }, ['alpha/a4']],
  [{ services: ['beta/b2', 'alpha/a2', 'beta/b2'] }, ['beta/b2', 'alpha/a2']],
  [{ services: ['beta/b2', 'alpha/a2'], sites: ['alpha'] }, ['alpha/a2']],
])('selector %j means %j', async (selector, expected) => {
  expect(services(await plan({ selector, operation: { name: 'rehearse' } }))).toEqual(expected)
})

test.each([
  [{ selector: {}, operation: { name: 'start' } }, 'malformed'],
  [{ selector: { sites: ['nowhere'] }, operation: { name: 'start' } }, 'unknown-site'],
  [{ selector: { services: ['alpha/a9', 'beta/b9'] }, operation: { name: 'start' } }, 'unknown-service'],
  [{ selector: { services: ['alpha'] }, operation: { name: 'start' } }, 'malformed'],
  [{ selector: { name: 'no such*' }, operation: { name: 'start' } }, 'nothing-selected'],
  [{ selector: { all: true }, operation: { name: 'start' }, mode: 'desired' }, 'mode-unavailable'],
  [{ selector: { sites: ['alpha'] }, operation: { name: 'start' }, mode: 'direct' }, 'mode-unavailable'],
  [{ selector: { all: true }, operation: { name: 'rename', to: 'x' }, window: 2 }, 'malformed'],
  [{ selector: { all: true }, operation: { name: 'rename', to: '\ud800' } }, 'malformed'],
  [{ selector: { all: true }, operation: { name: 'explode' } }, 'malformed'],
] as const)('%j is refused as %s in one line, and nothing is written', async (request, code) => {
  const end = await realm.person.log.end()
  for (const verb of ['plan', 'apply'] as const) {
    const answer = await realm.api.answer('change', verb, request as never)
    expect(answer).toMatchObject({ ok: false, error: { code } })
    expect(!answer.ok && answer.error.text).not.toContain('\n')
  }
  expect(await realm.person.log.end()).toBe(end)
})

test('every problem is named: services that are not there, sites whose adapter lacks the operation', async () => {
  expect(await plan({ selector: { services: ['alpha/a9', 'beta/b9'] }, operation: { name: 'start' } })).toMatchObject({
    error: { more: [{ text: expect.stringContaining('site alpha has no service "a9"') }, { text: expect.stringContaining('site beta has no service "b9"') }] },
  })
  realm.sites.at.set('memory:poor', [desktop('p1')])
  await realm.api.call('site', 'add', { site: 'poor', kind: 'poor', address: 'memory:poor' })
  expect(await plan({ selector: { all: true }, operation: { name: 'stop' } })).toMatchObject({
    ok: false,
    error: { code: 'unsupported', text: 'site poor (poor) cannot stop: its adapter can rehearse, start' },
  })
})

test('a site that cannot be read stops the planning of a change that needs it, and of no other', async () => {
  realm.sites.at.delete('memory:beta')
  expect(await plan({ selector: { all: true }, operation: { name: 'start' } })).toMatchObject({ error: { code: 'site-unreachable' } })
  expect(await plan({ selector: { sites: ['alpha'] }, operation: { name: 'start' } })).toMatchObject({ ok: true, jobs: 2 })
})

test('a plan is read in pages, all of the same digest', async () => {
  const whole = await realm.api.call('change', 'plan', { selector: { all: true }, operation: { name: 'rehearse' } })
  const jobs = []
  for (let after: number | null = 0; after !== null; ) {
    const page: ApiSuccess<'change', 'plan'> = await realm.api.call('change', 'plan', { selector: { all: true }, operation: { name: 'rehearse' }, after, limit: 4 })
    expect(page.plan).toBe(whole.plan)
    jobs.push(...page.page)
    after = page.next
  }
  expect(jobs).toEqual(whole.page)
})

test('I12: a destructive change repeats site, names and count, and is applied only when that was seen', async () => {
  const stop: Pick<ApiRequest<'change', 'apply'>, 'selector' | 'operation'> = { selector: { all: true }, operation: { name: 'stop' } }
  const { plan: digest, repeats } = await realm.api.call('change', 'plan', stop)
  expect(repeats).toEqual(['stop: site alpha, 2 services: "Desktop a2", "Ünïcødé 名前 *"', 'stop: site beta, 1 service: "Desktop b1"'])
  expect(await realm.api.answer('change', 'apply', stop)).toMatchObject({ ok: false, error: { code: 'not-confirmed', text: expect.stringContaining(repeats[0]!) } })
  expect(await realm.api.answer('change', 'apply', { ...stop, plan: digest! })).toMatchObject({ ok: true, jobs: 3, repeats })
})

test('a plan that changed since it was seen is not applied', async () => {
  const change: Pick<ApiRequest<'change', 'apply'>, 'selector' | 'operation'> = { selector: { sites: ['beta'] }, operation: { name: 'start' } }
  const { plan: digest } = await realm.api.call('change', 'plan', change)
  realm.sites.at.set('memory:beta', [desktop('b1'), desktop('b2')])
  expect(await realm.api.answer('change', 'apply', { ...change, plan: digest! })).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
})

test('applied, a change is an instruction, a kept plan and a sealed group; a success sets what is desired', async () => {
  const applied = await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'maintenance-on' }, name: 'Sunday', text: 'all of alpha', distributionFactor: 50 })
  expect(applied).toMatchObject({ jobs: 4, alreadySo: 0, known: false, group: `${applied.lane}-${applied.command}` })
  expect(applied.position).toBe(await realm.person.log.end())
  const bytes = await realm.person.texts.get(applied.plan!)
  expect(digestOf(bytes!)).toBe(applied.plan)
  const { state } = await realm.api.call('group', 'show', { group: applied.group! })
  expect(state).toMatchObject({ phase: 'running', name: 'Sunday', jobs: 4, plan: applied.plan, region: 'here', distributionFactor: 50, window: 1, mode: 'jobs', pending: [[1, 4]] })
  const instructions = await realm.api.call('log', 'read', { aggregate: 'instruction' })
  expect(instructions.turns[0]!.turn.commits[0]).toMatchObject({ id: applied.command, actor: 'person:tester', events: [{ type: 'InstructionTaken', data: { lane: applied.lane, plan: applied.plan, text: 'all of alpha', name: 'Sunday', distributionFactor: 50 } }] })
  const opened = await realm.api.call('log', 'read', { aggregate: 'group', id: applied.group! })
  expect(opened.turns[0]!.turn.commits[0]).toMatchObject({ actor: 'person:tester', correlation: applied.command, command: applied.command, cause: { aggregate: 'instruction', id: applied.command } })

  expect(await realm.api.call('service', 'show', { site: 'alpha', service: 'a1' })).toMatchObject({ desired: {}, differences: [] })
  await realm.work(applied.group!)
  expect(await realm.api.call('service', 'show', { site: 'alpha', service: 'a1' })).toMatchObject({
    actual: { maintenance: false },
    desired: { maintenance: true },
    differences: [{ property: 'maintenance', desired: true, actual: false }],
  })
})

test('nothing to do writes nothing', async () => {
  const end = await realm.person.log.end()
  expect(await realm.api.call('change', 'apply', { selector: { services: ['beta/b1'] }, operation: { name: 'start' } })).toMatchObject({ group: null, jobs: 0, alreadySo: 1, plan: null })
  expect(await realm.person.log.end()).toBe(end)
})

test('P15: a repeated command carries on with its first plan, on any service, also when the sites look otherwise by then', async () => {
  await realm.serve('s2')
  await realm.serve('s3')
  const command = newUlid(systemClock.nowMs(), systemRandom)
  const change: ApiRequest<'change', 'apply'> = { selector: { sites: ['beta'] }, operation: { name: 'start' }, command }
  const first = await realm.api.call('change', 'apply', change)
  const end = await realm.person.log.end()
  realm.sites.at.set('memory:beta', [desktop('b1'), desktop('b2'), desktop('b3')])
  const repeated = await Promise.all(Array.from({ length: 6 }, () => realm.api.call('change', 'apply', change)))
  for (const answer of repeated) expect(answer).toMatchObject({ group: first.group, plan: first.plan, jobs: 1, known: true })
  const events = (await realm.api.call('log', 'read', { aggregate: 'group', id: first.group! })).turns.flatMap(({ turn }) => turn.commits.flatMap((commit) => commit.events.map(({ type }) => type)))
  expect(events).toEqual(['GroupOpened', 'JobsAdded', 'GroupSealed'])
  const taken = await realm.api.call('log', 'read', { from: end + 1, aggregate: 'instruction' })
  expect(taken.turns).toEqual([])
})

test('the same command at several services at once opens one group', async () => {
  await realm.serve('s2')
  await realm.serve('s3')
  const command = newUlid(systemClock.nowMs(), systemRandom)
  const all = await Promise.all(Array.from({ length: 9 }, () => realm.api.call('change', 'apply', { selector: { all: true }, operation: { name: 'rehearse' }, command })))
  expect(new Set(all.map(({ group }) => group)).size).toBe(1)
  expect(await realm.api.call('group', 'list', {})).toMatchObject({ groups: [{ phase: 'running', jobs: 6 }], next: null })
})

test.each([
  [-8 * 24 * 3_600_000, 'too-old'],
  [10 * 60_000, 'too-far-ahead'],
])('a command id %d ms from now is refused as %s', async (offsetMs, code) => {
  const command = newUlid(systemClock.nowMs() + offsetMs, systemRandom)
  expect(await realm.api.answer('change', 'apply', { selector: { all: true }, operation: { name: 'rehearse' }, command })).toMatchObject({ ok: false, error: { code } })
})

test('groups go to the least loaded lane of the region', async () => {
  const lanes = []
  for (let index = 0; index < realm.lanes.length; index++) lanes.push((await realm.api.call('change', 'apply', { selector: { all: true }, operation: { name: 'rehearse' } })).lane)
  expect(lanes.sort()).toEqual([...realm.lanes].sort())
})
