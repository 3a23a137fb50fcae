/** How an agent ends, and what a disconnection does to it [512-516, 536, 542], with whole agents and a slow site, in virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SiteAdapter, SiteResult } from '../../src/sites/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { World } from './world.ts'

/** Of each call at the site, virtual time. */
const callMs = 200
const jobs = 10

let world: World
let begun: string[]
let aborted: number
beforeEach(() => {
  world = new World()
  begun = []
  aborted = 0
})
afterEach(() => world.end())

function slow(agent: string): SiteAdapter {
  return {
    ...drillAdapter,
    connect: (record) => ({
      ...drillAdapter.connect(record),
      carryOut: (call) =>
        new Promise<SiteResult>((resolve) => {
          begun.push(agent)
          const timer = world.clock.after(callMs, () => resolve({ kind: 'done' }))
          call.signal.addEventListener('abort', () => {
            timer.cancel()
            aborted += 1
            resolve({ kind: 'unknown', reason: 'aborted' })
          })
        }),
      close: async () => {},
    }),
  }
}

const stateOf = (agent: string) => world.members.get(agent)!.running.describe().machines['agent'] as { process?: unknown } | string
const inProcess = (agent: string, state: string) => {
  const said = stateOf(agent)
  const process = typeof said === 'object' ? said.process : undefined
  return process === state || (typeof process === 'object' && process !== null && state in process)
}

/** Two agents that may do the work, a leader, and a group that one of the two is at. */
async function atWork(): Promise<{ readonly group: string; readonly executor: string; readonly other: string }> {
  world.start('leader', { adapterOf: () => slow('leader') })
  await world.until('a leader', () => world.leader() !== undefined)
  for (const agent of ['s1', 's2']) world.start(agent, { role: 'skilled', skills: ['drill'], adapterOf: () => slow(agent) })
  await world.addSite('site-1', 'drill://')
  await world.until('both ready, all lanes held', () => ['s1', 's2'].every((agent) => inProcess(agent, 'watch')) && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
  await world.pass(5_000)
  const job = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, skill: { name: 'drill', need: 'required' }, repeatable: true } as const
  const group = await world.openGroup('here-1', Array.from({ length: jobs }, () => job))
  await world.until('a call under way', () => begun.length === 3)
  const executor = begun[0]!
  return { group, executor, other: executor === 's1' ? 's2' : 's1' }
}

const completed = (group: string) => world.view.state.group(group)?.phase === 'completed'
const returned = (group: string) => world.events.filter(({ id, type }) => id === group && type === 'LockReturned').map(({ data }) => data['why'])

describe('graceful [536, 542]', () => {
  it('in watch: nothing is held, and it ends at once, recorded', async () => {
    const { other } = await atWork()
    expect(inProcess(other, 'watch')).toBe(true)
    const fromMs = world.time.nowMs
    expect(await world.drive(world.members.get(other)!.running.stop())).toEqual({ kind: 'graceful' })
    expect(world.time.nowMs - fromMs).toBeLessThan(callMs)
    expect(world.view.state.agents.get(other)?.phase).toBe('stopped')
    world.members.delete(other)
  })

  it('in running: the call in flight ends, what is left is handed on without a wait, and no job runs twice', async () => {
    const { group, executor, other } = await atWork()
    expect(inProcess(executor, 'running')).toBe(true)
    expect(await world.drive(world.members.get(executor)!.running.stop())).toEqual({ kind: 'graceful' })
    expect(world.view.state.agents.get(executor)?.phase).toBe('stopped')
    const byExecutor = begun.length
    world.members.delete(executor)
    await world.until('the other goes on', () => begun.includes(other), 3_000)
    await world.until('the group completed', () => completed(group))
    expect(aborted).toBe(0)
    expect(begun).toHaveLength(jobs)
    expect(byExecutor).toBeLessThan(jobs)
    expect(returned(group)).not.toContain('lost')
  })
})

it('forced: its calls are aborted, nothing is recorded and nobody is waited for; others find it lost', async () => {
  const { group, executor, other } = await atWork()
  const fromMs = world.time.nowMs
  expect(await world.drive(world.members.get(executor)!.running.force())).toEqual({ kind: 'forced' })
  expect(world.time.nowMs).toBe(fromMs)
  expect(aborted).toBe(1)
  expect(world.view.state.agents.get(executor)?.phase).toBe('started')
  await world.members.get(executor)!.coordinator.close()
  world.members.delete(executor)
  await world.until('found lost', () => world.view.state.agents.get(executor)?.phase === 'lost', 30_000)
  await world.until('the group completed', () => completed(group), 60_000)
  expect(returned(group)).toEqual(['lost'])
  expect(begun).toContain(other)
})

it('crash: as if the process had been killed; nothing is said, and the call may have ended or not', async () => {
  const { group, executor } = await atWork()
  const events = world.events.length
  await world.kill(executor)
  await world.pass(3_000)
  expect(world.events.slice(events).filter(({ id, type }) => id === executor || (id === group && type === 'JobSucceeded'))).toEqual([])
  await world.until('found lost', () => world.view.state.agents.get(executor)?.phase === 'lost', 30_000)
  await world.until('the group completed', () => completed(group), 60_000)
  expect(returned(group)).toEqual(['lost'])
})

describe('a disconnection [512-516]', () => {
  it('in running: the configuration is disposed of, no new call starts; back again it is received anew, and the outcome of the call in flight counts', async () => {
    const { group, executor } = await atWork()
    const { running } = world.members.get(executor)!
    world.realm.setReach(world.clientOf(executor), 'disconnected')
    expect(stateOf(executor)).toBe('disconnected')
    expect(running.describe().configuration).toBeNull()
    const calls = begun.length
    await world.pass(2_000)
    expect(begun).toHaveLength(calls)
    world.realm.setReach(world.clientOf(executor), 'connected')
    await world.until('ready again', () => inProcess(executor, 'running') || inProcess(executor, 'watch'))
    expect(running.describe().configuration).not.toBeNull()
    await world.until('the group completed', () => completed(group))
    expect(begun).toHaveLength(jobs)
    expect(returned(group)).toEqual([])
  })

  it('while it stops: it ends all the same', async () => {
    const { executor } = await atWork()
    const { running } = world.members.get(executor)!
    const ending = running.stop()
    world.realm.setReach(world.clientOf(executor), 'disconnected')
    expect(await world.drive(ending)).toEqual({ kind: 'graceful' })
    world.members.delete(executor)
  })
})
