/** Who is passed over for a lane, for how long, and for which others. In virtual time. */
import { beforeEach, expect, it } from 'vitest'
import { LaneFitness, longestUnfitMs, takeMs, unfitMs } from '../../src/leader/lane-fitness.ts'

let nowMs: number
let fitness: LaneFitness
beforeEach(() => {
  nowMs = 0
  fitness = new LaneFitness({ nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => ({ cancel() {} }) })
})

const candidates = [
  { agent: 'a', instance: 'a1' },
  { agent: 'b', instance: 'b1' },
]
const unfit = (lane: string, mapped: string) => [...fitness.unfitFor(lane, mapped, mapped, candidates)]

it('an agent that was found unfit is passed over for a while, and then tried again', () => {
  fitness.unfit('r-1', 'a1')
  expect(unfit('r-1', 'a')).toEqual(['a'])
  nowMs = unfitMs
  expect(unfit('r-1', 'b')).toEqual([])
})

it('it gets no other lane meanwhile, and keeps those that it has', () => {
  fitness.unfit('r-1', 'a1')
  expect(unfit('r-2', 'b')).toEqual(['a'])
  expect(unfit('r-2', 'a')).toEqual([])
})

it('who fails again soon after it was tried again is passed over for twice as long, up to a bound; who did well starts anew', () => {
  const spans: number[] = []
  for (let tries = 0; tries < 7; tries++) {
    fitness.unfit('r-1', 'a1')
    const fromMs = nowMs
    while (fitness.isUnfit('r-1', 'a1')) nowMs += 1_000
    spans.push((nowMs - fromMs) / unfitMs)
    nowMs += takeMs
    unfit('r-1', 'a')
  }
  expect(spans).toEqual([1, 2, 4, 8, 16, 16, 16])
  nowMs += longestUnfitMs
  unfit('r-1', 'a')
  fitness.unfit('r-1', 'a1')
  nowMs += unfitMs
  expect(fitness.isUnfit('r-1', 'a1')).toBe(false)
})

it('who was mapped and has not taken the lane in time is unfit; restarted, it is fit at once', () => {
  const untaken = (now: typeof candidates) => [...fitness.unfitFor('r-1', 'a', undefined, now)]
  expect(untaken(candidates)).toEqual([])
  nowMs = takeMs
  expect(untaken(candidates)).toEqual(['a'])
  expect(untaken([{ agent: 'a', instance: 'a2' }])).toEqual([])
})
