/** Adapters that break their word: one that ignores that it is aborted, one that throws (I9, P19, P23). Whole agents in virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { SiteAdapter, SiteResult } from '../../src/sites/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { World } from './world.ts'

let world: World
let calls: string[]
beforeEach(() => {
  world = new World()
  calls = []
})
afterEach(() => world.end())

const bad = (carryOut: () => Promise<SiteResult>): SiteAdapter => ({
  ...drillAdapter,
  connect: (record) => ({
    ...drillAdapter.connect(record),
    // It shows nothing of what a rehearsal does, so that no read settles anything.
    read: () => drillAdapter.connect(record).read(new AbortController().signal),
    carryOut: (call) => {
      calls.push(call.idempotencyKey)
      return carryOut()
    },
    close: async () => {},
  }),
})

const job = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const

async function withAdapter(carryOut: () => Promise<SiteResult>, window = 1): Promise<string> {
  for (const agent of ['a', 'b']) world.start(agent, { adapterOf: () => bad(carryOut) })
  await world.until('lanes held', () => world.view.state.realm.lanes.length > 0 && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
  await world.addSite('site-1', 'drill://')
  return world.openGroup('here-1', Array.from({ length: 3 }, () => job), 1, window)
}

it.each([1, 3])('a call that ignores its abort ends as unknown by its deadline, and nothing more starts; window %i', async (window) => {
  const group = await withAdapter(() => new Promise<SiteResult>(() => {}), window)
  await world.until('the call', () => calls.length === 1)
  const fromMs = world.time.nowMs
  const { siteCallDeadlineMs } = world.view.state.realm.constants
  await world.until('blocked', () => world.view.state.group(group)?.phase === 'blocked', siteCallDeadlineMs * 3)
  expect(world.time.nowMs - fromMs).toBeGreaterThanOrEqual(siteCallDeadlineMs - 1)
  expect(world.time.nowMs - fromMs).toBeLessThan(siteCallDeadlineMs * 1.1)
  expect(world.view.state.group(group)).toMatchObject({ grant: null, unknown: { job: 1, reason: { code: 'adapter-hangs' } } })
  await world.pass(siteCallDeadlineMs * 3)
  expect(calls).toEqual([`${group}/1`])
  expect(world.events.filter(({ id, type }) => id === group && type === 'LockReturned')).toEqual([])
})

it('a call that throws is unknown unless a read settles it; the agent lives, and so does every other', async () => {
  const group = await withAdapter(() => Promise.reject(new Error('the library\nbroke')))
  await world.until('blocked', () => world.view.state.group(group)?.phase === 'blocked', 120_000)
  expect(world.view.state.group(group)).toMatchObject({ grant: null, unknown: { job: 1, reason: { code: 'adapter-error', text: 'the adapter failed: the library broke' } } })
  await world.pass(60_000)
  expect(calls).toEqual([`${group}/1`])
  expect([...world.members.values()].map(({ running }) => running.describe().machines['presence'])).toEqual([{ present: 'sure' }, { present: 'sure' }])
})
