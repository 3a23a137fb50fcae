/** What a follower of the log says that a lane does, in virtual time. */
import { beforeEach, expect, it } from 'vitest'
import { jobsPerTurn } from '../../machines/placement/lane-work.ts'
import { LaneRates, spanMs, spansKept } from '../../src/realm/lane-rates.ts'
import type { Turn } from '../../streams/envelope.ts'

let nowMs: number
let rates: LaneRates
beforeEach(() => {
  nowMs = 5_000_000
  rates = new LaneRates({ nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) })
})

const turn = (...events: readonly { readonly type: string; readonly data?: object }[]) =>
  ({ commits: [{ aggregate: 'group', id: 'r-1-X', revision: 1, actor: 'lane:r-1', events: events.map((event) => ({ data: {}, ...event })) }] }) as unknown as Turn
const granted = (agent: string, ...jobs: readonly (readonly [number, number])[]) => ({ type: 'LockGranted', data: { agent, jobs } })
const succeeded = { type: 'JobSucceeded' }
/** In one span, and on to the next. */
function span(turns: number, jobsATurn: number): void {
  for (let index = 0; index < turns; index++) rates.see('r-1', turn(...Array.from({ length: jobsATurn }, () => succeeded)))
  nowMs += spanMs
}

it('before anything was measured nothing is said', () => {
  expect([rates.known, rates.workOf('r-1'), rates.rateOf('r-1')]).toEqual([false, 0, undefined])
})

it('jobs that are settled, whatever became of them, and turns', () => {
  rates.see('r-1', turn(succeeded, { type: 'JobFailed' }, { type: 'JobUnknown' }, granted('a', [1, 4])))
  rates.see('r-1', turn())
  rates.see('r-2', turn(succeeded))
  nowMs += spanMs
  expect(rates.rateOf('r-1')).toEqual({ jobsPerSecond: Math.round(3_000 / spanMs), turnsPerSecond: Math.round(2_000 / spanMs) })
  expect(rates.rateOf('r-3')).toEqual({ jobsPerSecond: 0, turnsPerSecond: 0 })
})

it('a lock that nobody can read is passed over: it faults its group, and not who leads', () => {
  for (const data of [null, {}, { agent: 'a' }, { agent: 'a', jobs: 1 }, { agent: 'a', jobs: [null, [1], [1, 'x']] }]) rates.see('r-1', turn({ type: 'LockGranted', data: data as object }))
  rates.see('r-1', turn(granted('a', [1, 4])))
  nowMs += spanMs
  expect([...rates.executedOf('r-1')]).toEqual([['a', 4]])
})

it('is known once as many spans have passed as are kept, and not any more when it begins anew', () => {
  for (let index = 0; index < spansKept; index++) {
    expect(rates.known).toBe(false)
    span(100, 10)
  }
  expect(rates.known).toBe(true)
  expect(rates.workOf('r-1')).toBe(((100 * 10 + jobsPerTurn * 100) * 1_000) / spanMs)
  rates.begin()
  expect([rates.known, rates.workOf('r-1'), rates.rateOf('r-1')]).toEqual([false, 0, undefined])
})

it('a burst in two of five spans is no work, a pause in two of five does not end it', () => {
  for (const turns of [500, 500, 0, 0, 0]) span(turns, 20)
  expect(rates.workOf('r-1')).toBe(0)
  for (const turns of [100, 0, 100, 0, 100]) span(turns, 0)
  expect(rates.workOf('r-1')).toBe((jobsPerTurn * 100 * 1_000) / spanMs)
})

it('a time in which nothing is heard counts as spans of nothing', () => {
  for (let index = 0; index < spansKept; index++) span(100, 10)
  nowMs += 2 * spanMs
  expect(rates.workOf('r-1')).toBeGreaterThan(0)
  nowMs += 1_000 * spanMs
  expect([rates.known, rates.workOf('r-1'), rates.rateOf('r-1')]).toEqual([true, 0, { jobsPerSecond: 0, turnsPerSecond: 0 }])
})

it('says who executes, by the jobs of each lock', () => {
  rates.see('r-1', turn(granted('a', [1, 4], [7, 7]), granted('b', [9, 9])))
  nowMs += spanMs
  rates.see('r-1', turn(granted('b', [10, 10])))
  expect([...rates.executedOf('r-1')]).toEqual([['a', 5], ['b', 1]])
})
