/** Lanes balanced by what they do (docs/lanes.md), by whole agents in virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { checkRun } from '../checkers/all.ts'
import { defaultBalanceTimes } from '../../src/leader/lane-placing.ts'
import { spansKept } from '../../src/realm/lane-rates.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

/** A fifth of the usual spans. */
const balanceTimes = { ...defaultBalanceTimes, spanMs: defaultBalanceTimes.spanMs / 5 }
const measuredMs = balanceTimes.spanMs * spansKept
const spec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const
const holderOf = (lane: string) => world.view.state.lanes.get(lane)?.holder?.agent
const lanes = () => world.view.state.realm.lanes.map(({ lane }) => lane)
const lanesOf = (agent: string) => lanes().filter((lane) => holderOf(lane) === agent)
const takings = () => world.events.filter(({ type }) => type === 'LaneTaken').length
const doneIn = (lane: string) => [...world.view.state.lanes.get(lane)!.groups.values()].reduce((sum, { position }) => sum + position, 0)

/** One leads, two hold two lanes each. Each way to the log takes 5 ms. */
async function begin(): Promise<void> {
  world.logDelayMs = 5
  for (const agent of ['a', 'b', 'c']) world.start(agent, { balanceTimes })
  await world.addSite('site-1', 'drill://')
  await world.until('two lanes each', () => world.leader() !== undefined && ['a', 'b', 'c'].map((agent) => lanesOf(agent).length).sort().join() === '0,2,2')
  await world.pass(2 * measuredMs)
}

/** Groups that go on for longer than any of these specs. */
async function heat(lane: string): Promise<void> {
  for (let group = 0; group < 4; group++) await world.openGroup(lane, Array.from({ length: 800 }, () => spec))
}

it('two lanes at work are held by one agent of two: one of them changes places with an idle lane, once', async () => {
  await begin()
  const hot = lanesOf(holderOf(lanes()[0]!)!)
  const [busy, idle] = ['a', 'b', 'c'].filter((agent) => lanesOf(agent).length > 0).sort((one) => (lanesOf(one).includes(hot[0]!) ? -1 : 1)) as [string, string]
  const before = takings()
  for (const lane of hot) await heat(lane)
  const heatedMs = world.time.nowMs
  await world.until('they are held by two', () => new Set(hot.map(holderOf)).size === 2, measuredMs + 5_000)
  expect(world.time.nowMs - heatedMs).toBeGreaterThan(2 * balanceTimes.spanMs)
  await world.pass(3 * measuredMs)
  expect(hot.every((lane) => doneIn(lane) < 3_200)).toBe(true)
  expect(takings() - before).toBe(2)
  expect(new Set(hot.map(holderOf)).size).toBe(2)
  expect([lanesOf(busy).length, lanesOf(idle).length]).toEqual([2, 2])
  expect(checkRun(await world.wholeLog(), { ended: false })).toEqual([])
}, 60_000)

it('one lane at work, or none: nothing moves', async () => {
  await begin()
  const before = takings()
  await heat(lanes()[0]!)
  await world.pass(3 * measuredMs)
  expect(doneIn(lanes()[0]!)).toBeGreaterThan(500)
  expect(takings()).toBe(before)
}, 60_000)
