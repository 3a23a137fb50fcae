/** A grant whose executor does not answer is told, with the time by which it is over at the latest (I9, P18); one whose executor answers is not. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openGrants } from '../../machines/execution-group/state.ts'
import type { SilentGrant } from '../../streams/api/group.ts'
import { SilentExecutors, silentTimes } from '../../src/service/silent-executors.ts'
import type { SiteAdapter } from '../../src/sites/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { World } from './world.ts'

let world: World
let executors: SilentExecutors
beforeEach(() => {
  world = new World()
  const { observer, subjects, view, clock } = world
  executors = new SilentExecutors({ coordinator: observer, subjects, view, clock })
})
afterEach(() => world.end())

const agents = ['a', 'b', 'c']
const silent = (group: string) => world.drive(executors.ofGroup(group))
/** What was found before is told again for a moment. */
const silentNow = async (group: string) => {
  await world.pass(silentTimes.knownMs)
  return silent(group)
}
const stateOf = (group: string) => world.view.state.group(group)!
const executorOf = (group: string) => openGrants(stateOf(group))[0]!

const slowAdapter: SiteAdapter = {
  ...drillAdapter,
  connect: (record) => ({
    read: () => drillAdapter.connect(record).read(new AbortController().signal),
    carryOut: () => new Promise((resolve) => world.time.after(callMs, () => resolve({ kind: 'done' }))),
    close: async () => {},
  }),
}
const callMs = 5_000

/** A group whose jobs last, so that its executor can be met in a call. */
async function inCall(more: { readonly fencing?: 'enforced' | 'none'; readonly repeatable?: boolean; readonly skill?: string; readonly others?: readonly string[] } = {}): Promise<string> {
  for (const agent of more.others ?? agents) world.start(agent, { adapterOf: () => slowAdapter })
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent).length === 4)
  await world.addSite('site-1', 'drill://', more.fencing ?? 'none')
  return openGroup(more)
}

async function openGroup({ repeatable = true, skill }: { readonly repeatable?: boolean; readonly skill?: string } = {}): Promise<string> {
  const group = await world.openGroup(
    'here-1',
    Array.from({ length: 3 }, (_, index) => ({ site: 'site-1', service: `s0000${index + 1}`, operation: { name: 'rehearse' as const }, repeatable, ...(skill === undefined ? {} : { skill: { name: skill, need: 'required' as const } }) })),
  )
  await world.until('a grant of it', () => openGrants(stateOf(group)).length > 0)
  return group
}

it('of an executor that answers nothing is said, whatever else there is', async () => {
  const group = await inCall()
  expect(await silent(group)).toEqual([])
  expect(await world.drive(executors.ofAll())).toEqual({ count: 0, first: [], withinMs: 0 })
  expect(await silent('here-1-nobody')).toEqual([])
})

for (const fencing of ['none', 'enforced'] as const) {
  it(`killed in a call at a site that fences ${fencing}: which job, whose, and by when; and it is granted anew by then, not much earlier`, async () => {
    const group = await inCall({ fencing })
    const { agent, instance, revision } = executorOf(group)
    await world.kill(agent)
    const [first] = await silentNow(group)
    expect(first).toMatchObject({ job: 1, grant: revision, agent, instance, present: true, then: 'granted-anew' })
    expect(await world.drive(executors.ofAll())).toMatchObject({ count: 1, first: [{ group, job: 1, agent }] })
    const said: { readonly atMs: number; readonly one: SilentGrant }[] = []
    while (executorOf(group)?.revision === revision) {
      for (const one of await silentNow(group)) said.push({ atMs: world.time.nowMs, one })
    }
    const returnedMs = world.time.nowMs
    expect(world.returnedLost(group)).toBe(1)
    const ends = said.map(({ atMs, one }) => atMs + one.withinMs)
    for (const endMs of ends) {
      expect(endMs).toBeGreaterThanOrEqual(returnedMs - silentTimes.knownMs)
      // The server may remove the key a little late, and this counts that in.
      expect(endMs - returnedMs).toBeLessThanOrEqual(2_000)
    }
    if (fencing === 'none') expect(said.some(({ one }) => !one.present)).toBe(true)
    // It does not get later while one waits, but for what the server says of the key at last.
    expect(said.at(-1)!.atMs + said.at(-1)!.one.withinMs).toBeLessThanOrEqual(Math.max(...ends))
    expect(await silentNow(group)).toEqual([])
  })
}

it('the leader itself, killed in a call: the wait of the next one is counted in', async () => {
  world.start('a', { adapterOf: () => slowAdapter, skills: ['x'] })
  await world.until('it leads', () => world.leader()?.agent === 'a')
  const group = await inCall({ skill: 'x', others: ['b', 'c'] })
  const { agent, revision } = executorOf(group)
  expect(agent).toBe('a')
  await world.kill('a')
  const ends: number[] = []
  while (executorOf(group)?.revision === revision) for (const { withinMs } of await silentNow(group)) ends.push(world.time.nowMs + withinMs)
  expect(ends.length).toBeGreaterThan(10)
  expect(Math.min(...ends)).toBeGreaterThanOrEqual(world.time.nowMs - silentTimes.knownMs)
})

it('one that was started anew is another instance: what the former held stands still', async () => {
  const group = await inCall()
  const { agent, instance } = executorOf(group)
  await world.kill(agent)
  world.start(agent)
  await world.until('its new instance', () => world.view.state.agents.get(agent)!.instance !== instance)
  expect(await silentNow(group)).toMatchObject([{ agent, instance }])
})

it('a job that may not be repeated will be for a person to settle', async () => {
  const group = await inCall({ repeatable: false })
  const { agent } = executorOf(group)
  await world.kill(agent)
  expect(await silentNow(group)).toMatchObject([{ then: 'unknown' }])
  await world.until('that', () => stateOf(group).phase === 'blocked', 60_000)
  expect(stateOf(group).unknown).not.toBeNull()
  expect(await silentNow(group)).toEqual([])
})

it('where the bucket of presences is away nothing is said, and nothing fails', async () => {
  const group = await inCall()
  for (const agent of agents) await world.kill(agent)
  expect(await silentNow(group)).toHaveLength(1)
  world.realm.deleteBucket('agents')
  expect(await silentNow(group)).toEqual([])
})
