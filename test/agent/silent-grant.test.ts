/**
 * I9: only a job's heartbeat stops, its executor's presence goes on. Its executor is asked to abort, and if it does not answer in time its
 * presence is ended first. Whole agents in virtual time.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { overdueAtMs } from '../../machines/placement/overdue.ts'
import { grantWatchTimes } from '../../src/leader/grant-watch.ts'
import type { SiteAdapter, SiteResult } from '../../src/sites/adapter.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { World } from './world.ts'

let world: World
let calls: { readonly agent: string; readonly key: string; readonly token: string; readonly fromMs: number; toMs: number }[]
/** How the calls of an agent end; by default they do at once. */
let ends: (agent: string) => Promise<SiteResult>
beforeEach(() => {
  world = new World()
  calls = []
  ends = () => Promise.resolve({ kind: 'done' })
})
afterEach(() => world.end())

const job = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const

const adapterOf = (agent: string): SiteAdapter => ({
  ...drillAdapter,
  connect: (record) => ({
    read: () => drillAdapter.connect(record).read(new AbortController().signal),
    carryOut: async (call) => {
      const seen = { agent, key: call.idempotencyKey, token: JSON.stringify(call.token), fromMs: world.time.nowMs, toMs: Infinity }
      calls.push(seen)
      const result = await ends(agent)
      seen.toMs = world.time.nowMs
      return result
    },
    close: async () => {},
  }),
})

interface Started {
  readonly group: string
  /** Executor of the group, not the holder of its lane. */
  readonly executor: string
  readonly instance: string
  readonly grantedMs: number
}

/** Agents, and a site. */
async function started(): Promise<void> {
  for (const agent of ['a', 'b', 'c']) world.start(agent, { adapterOf: () => adapterOf(agent) })
  const holders = () => [...world.view.state.lanes.values()].map(({ holder }) => holder?.agent)
  await world.until('all lanes held', () => holders().length === 4 && holders().every((agent) => agent !== undefined && agent !== world.leader()?.agent))
  await world.addSite('site-1', 'drill://', 'none')
}

/** From its first call on, what the executor says to holders is lost, and nothing else but what `alsoLost` names. */
async function silenced(alsoLost: (subject: string) => boolean = () => false): Promise<Started> {
  let muted: string | undefined
  world.faults.message = ({ from, to, subject, answer }) => {
    const isWork = from === muted && !answer && /\.lane\.[^.]+\.work$/.test(subject)
    return isWork || (to === muted && alsoLost(subject)) ? [] : undefined
  }
  const ending = ends
  for (const { lane } of world.view.state.realm.lanes) {
    ends = (agent) => {
      if (holderOf(lane) === agent) return Promise.resolve({ kind: 'done' })
      muted ??= world.clientOf(agent)
      return muted === world.clientOf(agent) ? ending(agent) : Promise.resolve({ kind: 'done' })
    }
    const group = await world.openGroup(lane, Array.from({ length: 3 }, () => job))
    await world.until('a call', () => calls.length > 0)
    if (muted !== undefined) {
      await world.until('its grant is seen', () => world.view.state.group(group)?.grant !== null)
      return { group, executor: calls[0]!.agent, instance: world.view.state.group(group)!.grant!.instance, grantedMs: world.time.nowMs }
    }
    await world.until('the group completed', () => phaseOf(group) === 'completed')
    calls = []
  }
  throw new Error('every group is executed by the holder of its lane')
}

const holderOf = (lane: string) => world.view.state.lanes.get(lane)?.holder?.agent
const phaseOf = (group: string) => world.view.state.group(group)?.phase
const overdueMs = () => overdueAtMs({ left: 1, callDeadlineMs: world.view.state.realm.constants.siteCallDeadlineMs }, 0)
const isPresent = (instance: string) => world.observer.agents.get(`instance.${instance}`).then((entry) => entry !== undefined)
const said = () => world.lines.filter(({ message }) => message.startsWith('no word of a grant')).map(({ fields }) => fields as { said: string; step: string })
const roundMs = grantWatchTimes.lookMs + grantWatchTimes.answerMs

it('it answers that it stopped: what it held is granted to another at once, and its presence is left alone', async () => {
  await started()
  const { group, executor, instance, grantedMs } = await silenced()
  await world.pass(overdueMs() - 2 * roundMs)
  expect(world.executors(group)).toEqual([executor])
  await world.until('granted anew', () => world.executors(group).length > 1, 4 * roundMs)
  expect(world.time.nowMs - grantedMs).toBeGreaterThanOrEqual(overdueMs() - roundMs)
  expect(world.executors(group)[1]).not.toBe(executor)
  expect(said()).toMatchObject([{ said: 'stopped', step: 'expire' }])
  expect(await world.drive(isPresent(instance))).toBe(true)
  await world.until('completed', () => phaseOf(group) === 'completed')
  // The first job was done, and nobody had heard of it: it ran twice, one after the other (I9).
  expect(calls.map(({ key }) => key)).toEqual([1, 1, 2, 3].map((number) => `${group}/${number}`))
})

it('it does not answer: its presence is ended, and what it held is granted anew only after the waits of P18', async () => {
  await started()
  const { group, executor, instance, grantedMs } = await silenced((subject) => subject.endsWith('.abort'))
  await world.until('asked', () => said().length > 0, overdueMs() + 2 * roundMs)
  const askedMs = world.time.nowMs
  await world.until('its presence ended', () => said().at(-1)?.step === 'end-presence', 60_000)
  const endedMs = world.time.nowMs
  const { siteCallDeadlineMs, presenceMs } = world.view.state.realm.constants
  expect(endedMs - askedMs).toBeGreaterThanOrEqual(1.1 * siteCallDeadlineMs)
  expect(askedMs - grantedMs).toBeGreaterThanOrEqual(overdueMs() - roundMs)
  await world.until('granted anew', () => world.executors(group).length > 1, 60_000)
  expect(await world.drive(isPresent(instance))).toBe(false)
  expect(world.time.nowMs - endedMs).toBeGreaterThanOrEqual(1.1 * siteCallDeadlineMs)
  expect(world.time.nowMs - endedMs).toBeLessThan(1.1 * (siteCallDeadlineMs + presenceMs) + 2 * roundMs)
  expect(world.executors(group)[1]).not.toBe(executor)
  expect(said().every((one) => one.said === 'none')).toBe(true)
  await world.until('completed', () => phaseOf(group) === 'completed')
})

it('it answers that a call of it runs: it is left alone until that has ended, and then its grant is closed at once', async () => {
  await started()
  const { siteCallDeadlineMs } = world.view.state.realm.constants
  let back!: () => void
  ends = () => new Promise<SiteResult>((resolve) => (back = () => resolve({ kind: 'unknown', reason: 'aborted' })))
  const { group, executor, instance } = await silenced()
  await world.until('asked', () => said().length > 0, overdueMs() + 2 * roundMs)
  await world.pass(0.8 * siteCallDeadlineMs)
  expect(said().map((one) => [one.said, one.step])).toEqual(said().map(() => ['running', 'ask-again']))
  expect(world.executors(group)).toEqual([executor])
  back()
  await world.until('granted anew', () => world.executors(group).length > 1, 3 * roundMs)
  expect(said().at(-1)).toMatchObject({ said: 'stopped', step: 'expire' })
  expect(await world.drive(isPresent(instance))).toBe(true)
  await world.until('completed', () => phaseOf(group) === 'completed')
  for (const [index, call] of calls.entries()) expect(call.fromMs).toBeGreaterThanOrEqual(calls[index - 1]?.toMs ?? 0)
})

it('it is the only one: its jobs stay with it, and are granted anew as soon as it is heard again', async () => {
  for (const agent of ['a', 'c']) world.start(agent, { adapterOf: () => adapterOf(agent) })
  world.start('b', { role: 'skilled', skills: ['drill'], adapterOf: () => adapterOf('b') })
  const laneOfOther = () => world.view.state.realm.lanes.map(({ lane }) => lane).find((lane) => ['a', 'c'].includes(holderOf(lane) ?? ''))
  await world.until('lanes of both', () => laneOfOther() !== undefined && world.view.state.realm.lanes.some(({ lane }) => holderOf(lane) === 'b'))
  await world.addSite('site-1', 'drill://', 'none')
  let muted = false
  world.faults.message = ({ from, subject, answer }) => (muted && from === world.clientOf('b') && !answer && subject.endsWith('.work') ? [] : undefined)
  ends = () => {
    muted = true
    return Promise.resolve({ kind: 'done' })
  }
  const group = await world.openGroup(laneOfOther()!, Array.from({ length: 2 }, () => ({ ...job, skill: { name: 'drill', need: 'required' } }) as const))
  await world.until('its grant was closed', () => world.returnedLost(group) === 1, overdueMs() + 4 * roundMs)
  muted = false
  ends = () => Promise.resolve({ kind: 'done' })
  await world.until('completed', () => phaseOf(group) === 'completed', 5 * 1_000)
  expect(new Set(world.executors(group))).toEqual(new Set(['b']))
})
