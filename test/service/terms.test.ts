/** Terms of a change that only later formats know: predicates, priority, role, and what a failed job does. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { LaneCommand } from '../../streams/lane-protocol.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { type TestRealm, addTwoSites, startRealm, startServedRealm, subjects } from './realm.ts'

let realm: TestRealm
afterEach(() => realm.stop())

const eventsOf = async (group: string) => (await realm.api.call('log', 'read', { aggregate: 'group', id: group })).turns.flatMap(({ turn }) => turn.commits.flatMap(({ events }) => [...events]))
const failing = (...jobs: number[]) => (job: number) =>
  jobs.includes(job) ? ({ kind: 'failed', reason: { code: 'refused-by-site', text: 'no' } } as const) : ({ kind: 'succeeded' } as const)

describe('in a realm of this format', () => {
  beforeEach(async () => void (realm = await startServedRealm()))

  test('predicates: planned with the jobs that each waits for, refused when cyclic in one line, carried out as a graph', async () => {
    const change: ApiRequest<'change', 'plan'> = {
      selector: { services: ['alpha/a1', 'beta/b2', 'alpha/a3'] },
      operation: { name: 'start' },
      order: 'graph',
      predicates: [{ service: 'alpha/a1', after: ['alpha/a3'] }],
    }
    const planned = await realm.api.call('change', 'plan', change)
    expect(planned).toMatchObject({ mode: 'jobs', page: [{ job: 1, after: [[3, 3]] }, { job: 2 }, { job: 3 }] })
    const cyclic = { ...change, predicates: [...change.predicates!, { service: 'alpha/a3', after: ['beta/b2'] }, { service: 'beta/b2', after: ['alpha/a1'] }] }
    const end = await realm.person.log.end()
    expect(await realm.api.answer('change', 'apply', cyclic)).toMatchObject({
      ok: false,
      error: { code: 'malformed', text: 'the predicates are cyclic: alpha/a1 waits for alpha/a3 waits for beta/b2 waits for alpha/a1' },
    })
    expect(await realm.person.log.end()).toBe(end)
    const { group } = await realm.api.call('change', 'apply', { ...change, plan: planned.plan! })
    expect(await realm.work(group!)).toMatchObject({ phase: 'completed', order: 'graph', executed: [[1, 3]], decision: 2 })
    const granted = (await eventsOf(group!)).flatMap(({ type, data }) => (type === 'LockGranted' ? [(data as { jobs: number[][] }).jobs[0]![0]] : []))
    expect(granted).toEqual([2, 3, 1])
  })

  test('order none: all jobs are granted at once, to all agents that the factor says', async () => {
    const change: ApiRequest<'change', 'apply'> = { selector: { all: true }, operation: { name: 'rehearse' }, order: 'none', distributionFactor: 100 }
    const { group, command } = await realm.api.call('change', 'apply', change)
    const { turns } = await realm.api.call('log', 'read', { aggregate: 'instruction', id: command })
    expect(turns[0]!.turn.commits[0]!.events[0]!.data).toMatchObject({ order: 'none' })
    expect(await realm.work(group!, undefined, 8)).toMatchObject({ phase: 'completed', order: 'none', executed: [[1, 6]], decision: 2 })
    const events = await eventsOf(group!)
    const first = events.findIndex(({ type }) => type === 'JobSucceeded')
    expect(events.slice(0, first).filter(({ type }) => type === 'LockGranted').length).toBeGreaterThan(1)
    const { jobs } = await realm.api.call('group', 'jobs', { group: group! })
    expect(jobs.map(({ phase, agent }) => [phase, agent])).toEqual(jobs.map(() => ['succeeded', expect.any(String)]))
  })

  test('order none, a job fails: what was granted ends, nothing more is granted; one retry adds all that failed anew', async () => {
    const { group } = await realm.api.call('change', 'apply', { selector: { all: true }, operation: { name: 'rehearse' }, order: 'none' })
    const blocked = await realm.work(group!, failing(2, 5), 8)
    expect(blocked).toMatchObject({ phase: 'blocked', lock: null, locks: [], failed: expect.arrayContaining([expect.objectContaining({ job: 2 })]) })
    await realm.api.call('group', 'retry', { group: group! })
    expect(await realm.work(group!)).toMatchObject({ phase: 'completed', position: 6 })
  })

  test('order none has no predicates, and nothing is undone in reverse', async () => {
    const change: ApiRequest<'change', 'plan'> = { selector: { sites: ['alpha'] }, operation: { name: 'rename', to: 'x' }, order: 'none' }
    expect(await realm.api.answer('change', 'plan', { ...change, predicates: [{ service: 'alpha/a1', after: ['alpha/a3'] }] })).toMatchObject({ ok: false, error: { code: 'malformed' } })
    const end = await realm.person.log.end()
    for (const verb of ['plan', 'apply'] as const) {
      expect(await realm.api.answer('change', verb, { ...change, onFailure: 'compensate' })).toMatchObject({ ok: false, error: { code: 'malformed', text: expect.stringMatching(/without order[^\n]*$/) } })
    }
    expect(await realm.person.log.end()).toBe(end)
  })

  test('order sites: each site in its order, and no site waits for another', async () => {
    const planned = await realm.api.call('change', 'plan', { selector: { all: true }, operation: { name: 'rehearse' }, order: 'sites' })
    expect(planned.page.map(({ site, after }) => `${site} ${JSON.stringify(after ?? [])}`)).toEqual(['alpha []', 'alpha [[1,1]]', 'alpha [[2,2]]', 'alpha [[3,3]]', 'beta []', 'beta [[5,5]]'])
  })

  test('on failure continue: the group is completed, and says which jobs failed', async () => {
    const { group } = await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'maintenance-on' }, onFailure: 'continue' })
    expect(await realm.work(group!, failing(1, 3))).toMatchObject({ phase: 'completed', onFailure: 'continue', position: 4, executed: [[2, 2], [4, 4]], failed: [{ job: 1 }, { job: 3 }] })
  })

  test('on failure compensate: planned with what undoes each job; what was done is undone, the last first, and nothing of it stays desired', async () => {
    const change: ApiRequest<'change', 'plan'> = { selector: { sites: ['alpha'] }, operation: { name: 'rename', to: 'all the same' }, onFailure: 'compensate' }
    const planned = await realm.api.call('change', 'plan', change)
    expect(planned.page.map(({ undo }) => undo)).toEqual([
      { name: 'rename', to: 'Desktop a1' }, { name: 'rename', to: 'Desktop a2' }, { name: 'rename', to: 'Desktop a3' }, { name: 'rename', to: 'Ünïcødé 名前 *' },
    ])
    const { group } = await realm.api.call('change', 'apply', { ...change, plan: planned.plan! })
    const state = await realm.work(group!, failing(3))
    expect(state).toMatchObject({ phase: 'compensated', executed: [[1, 2], [5, 6]], failed: [{ job: 3 }], cancelled: [[4, 4]], compensation: { job: 3, of: [[2, 1]] } })
    const { jobs } = await realm.api.call('group', 'jobs', { group: group! })
    expect(jobs.slice(4).map(({ service, operation, phase }) => ({ service, operation, phase }))).toEqual([
      { service: 'a2', operation: { name: 'rename', to: 'Desktop a2' }, phase: 'succeeded' },
      { service: 'a1', operation: { name: 'rename', to: 'Desktop a1' }, phase: 'succeeded' },
    ])
    for (const service of ['a1', 'a2']) expect(await realm.api.call('service', 'show', { site: 'alpha', service })).toMatchObject({ desired: { name: `Desktop ${service}` }, differences: [] })
  })

  test('undoing that may cost users something makes a change destructive (I12)', async () => {
    const start: ApiRequest<'change', 'plan'> = { selector: { sites: ['beta'] }, operation: { name: 'start' }, onFailure: 'compensate' }
    expect(await realm.api.call('change', 'plan', start)).toMatchObject({ destructive: true, repeats: ['start: site beta, 1 service: "Desktop b2"; undone by stop where a job fails'] })
    expect(await realm.api.answer('change', 'apply', { ...start, mode: 'jobs' })).toMatchObject({ ok: false, error: { code: 'not-confirmed' } })
  })

  test('what only agents do is not done in mode direct', async () => {
    const one: ApiRequest<'change', 'plan'> = { selector: { services: ['beta/b2'] }, operation: { name: 'start' } }
    expect(await realm.api.call('change', 'plan', one)).toMatchObject({ mode: 'direct' })
    expect(await realm.api.call('change', 'plan', { ...one, agents: 'skilled' })).toMatchObject({ mode: 'jobs' })
    expect(await realm.api.answer('change', 'plan', { ...one, agents: 'skilled', mode: 'direct' })).toMatchObject({ ok: false, error: { code: 'mode-unavailable' } })
  })

  test('priority, role and factor stand in the group', async () => {
    const { group } = await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'rehearse' }, priority: -3, agents: 'generic', distributionFactor: 30 })
    expect(await realm.api.call('group', 'show', { group: group! })).toMatchObject({ state: { priority: -3, agents: 'generic', distributionFactor: 30, decision: 2 } })
  })

  test('unless a factor is asked for, one agent a skill: that is written; left out in the log it means 100, for ever', async () => {
    const change: Pick<ApiRequest<'change', 'apply'>, 'selector' | 'operation'> = { selector: { sites: ['alpha'] }, operation: { name: 'rehearse' } }
    for (const [asked, written] of [[undefined, 1], [100, undefined]] as const) {
      const { group, command } = await realm.api.call('change', 'apply', { ...change, ...(asked === undefined ? {} : { distributionFactor: asked }) })
      expect(await realm.api.call('group', 'show', { group: group! })).toMatchObject({ state: { distributionFactor: asked ?? 1 } })
      const { turns } = await realm.api.call('log', 'read', { aggregate: 'instruction', id: command })
      expect((turns[0]!.turn.commits[0]!.events[0]!.data as { distributionFactor?: number }).distributionFactor).toBe(written)
    }
  })
})

describe('in a realm of format 1', () => {
  beforeEach(async () => {
    realm = await startRealm({ newestFormat: 1 })
    await realm.serve('s1')
    await addTwoSites(realm)
  })

  test.each([
    { order: 'graph' }, { order: 'sites' }, { order: 'none' }, { priority: 1 }, { agents: 'skilled' }, { onFailure: 'continue' }, { onFailure: 'compensate' },
  ] as const)('%j is refused in one line, and nothing is written', async (terms) => {
    const end = await realm.person.log.end()
    for (const verb of ['plan', 'apply'] as const) {
      expect(await realm.api.answer('change', verb, { selector: { sites: ['alpha'] }, operation: { name: 'rehearse' }, ...terms })).toMatchObject({
        ok: false,
        error: { code: 'format-too-old', text: expect.stringMatching(/^the realm's format is 1, this needs 2[^\n]*$/) },
      })
    }
    expect(await realm.person.log.end()).toBe(end)
  })

  test('so are pause, resume and priority; a change goes as ever, without a proposal', async () => {
    const { group } = await realm.api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'rehearse' } })
    expect((await eventsOf(group!)).map(({ type }) => type)).toEqual(['GroupOpened', 'JobsAdded', 'GroupSealed'])
    // Before a lane hears of them: its holder may be an older program.
    const heard: string[] = []
    const hearing = realm.person.bus.subscribe(subjects.toLane(laneOfGroup(group!)!, 'command'), ({ data }) => heard.push(fromBytes<LaneCommand>(data).body.kind))
    expect(await realm.api.answer('group', 'pause', { group: group! })).toMatchObject({ ok: false, error: { code: 'format-too-old' } })
    expect(await realm.api.answer('group', 'resume', { group: group! })).toMatchObject({ ok: false, error: { code: 'format-too-old' } })
    expect(await realm.api.answer('group', 'prioritize', { group: group!, priority: 4 })).toMatchObject({ ok: false, error: { code: 'format-too-old' } })
    expect(await realm.api.answer('group', 'retry', { group: group! })).toMatchObject({ ok: false, error: { code: 'wrong-state' } })
    expect(heard).toEqual(['retry'])
    hearing.stop()
    expect(await realm.work(group!)).toMatchObject({ phase: 'completed', decision: 1 })
  })
})
