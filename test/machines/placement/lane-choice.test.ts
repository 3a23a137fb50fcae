/** Which lane a new group goes to, and what a group counts there. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldInto } from '../../../machines/execution-group/evolve.ts'
import { absentGroup } from '../../../machines/execution-group/state.ts'
import { type LaneToChoose, leastLoadedLane } from '../../../machines/placement/lane-choice.ts'
import { jobsLeft, outstandingWork, serialJobs } from '../../../machines/placement/lane-work.ts'

const lane = (name: string, work: number, groups = 0, region = 'here'): LaneToChoose => ({ lane: name, region, work, groups })

describe('the lane of a new group', () => {
  it('no lane: none', () => expect(leastLoadedLane([], 'here', 0)).toBeUndefined())
  it('the one with the least work, however many groups', () => expect(leastLoadedLane([lane('a', 10, 1), lane('b', 9, 9)], 'here', 0)).toBe('b'))
  it('of as much work the one with the fewest groups: many that wait for a person are many all the same', () => expect(leastLoadedLane([lane('a', 5, 2), lane('b', 5, 1)], 'here', 0)).toBe('b'))
  it('of several alike any, as the draw says', () => {
    const alike = ['a', 'b', 'c', 'd'].map((name) => lane(name, 5, 1))
    expect([0, 0.25, 0.5, 0.999].map((draw) => leastLoadedLane(alike, 'here', draw))).toEqual(['a', 'b', 'c', 'd'])
  })
  it('one of the region, also where another has less to do; of another region only where there is none', () => {
    const lanes = [lane('a', 100), lane('z', 0, 0, 'there')]
    expect(leastLoadedLane(lanes, 'here', 0)).toBe('a')
    expect(leastLoadedLane(lanes, 'yonder', 0)).toBe('z')
  })
  it('who counts what it sent spreads any groups: no lane ends with more than the longest group above another', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 100 }), fc.integer({ min: 1, max: 8 }), fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (groups, count, draws) => {
        const lanes = Array.from({ length: count }, (_, index) => ({ ...lane(`l${index}`, 0) }))
        for (const jobs of groups) {
          const name = leastLoadedLane(lanes, 'here', draws.next().value!)
          const chosen = lanes.find((one) => one.lane === name)!
          Object.assign(chosen, { work: chosen.work + jobs, groups: chosen.groups + 1 })
        }
        const works = lanes.map(({ work }) => work)
        expect(Math.max(...works) - Math.min(...works)).toBeLessThanOrEqual(Math.max(...groups))
      }),
    )
  })
})

const open = (jobs: number, terms: object = {}) => ({ type: 'GroupOpened', data: { name: 'g', decision: 1, jobs, parts: 1, plan: 'p', order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 1, ...terms } })
const whole = (jobs: number, terms: object = {}) => [
  open(jobs, terms),
  { type: 'JobsAdded', data: { part: 1, jobs: Array.from({ length: jobs }, () => ({ site: 's', service: 'x', operation: { name: 'start' }, repeatable: true })) } },
  { type: 'GroupSealed', data: {} },
  { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: jobs, agent: 'a' }] } },
]
const granted = (job: number) => ({ type: 'LockGranted', data: { jobs: [[job, job]], agent: 'a', instance: 'a1', callDeadlineMs: 10_000 } })
function after(...events: readonly { type: string; data: unknown }[]) {
  const state = absentGroup('here-1-X')
  for (const event of events) foldInto(state, event as never)
  expect(state.fault).toBeNull()
  return { left: jobsLeft(state), work: outstandingWork(state) }
}

describe('what a group counts in its lane', () => {
  it('absent: nothing', () => expect(after()).toEqual({ left: 0, work: 0 }))
  it('opened, its parts still to come: all that were announced', () => expect(after(open(7))).toEqual({ left: 7, work: 7 }))
  it('running: what waits and what runs', () => expect(after(...whole(3), granted(1))).toEqual({ left: 3, work: 3 }))
  it('what was settled no more', () => expect(after(...whole(3), granted(1), { type: 'JobSucceeded', data: { job: 1, grant: 5 } })).toEqual({ left: 2, work: 2 }))
  it('ended: nothing', () => expect(after(...whole(1), granted(1), { type: 'JobSucceeded', data: { job: 1, grant: 5 } }, { type: 'GroupCompleted', data: {} })).toEqual({ left: 0, work: 0 }))
  it('stopped, until a person says how it goes on, or paused: no work', () => {
    const failed = [...whole(3), granted(1), { type: 'JobFailed', data: { job: 1, grant: 5, reason: { code: 'x', text: 'x' } } }, { type: 'GroupBlocked', data: { job: 1 } }]
    expect(after(...failed)).toEqual({ left: 3, work: 0 })
    expect(after(...whole(3), { type: 'GroupPaused', data: {} })).toEqual({ left: 3, work: 0 })
  })
  it('of a long ordered group what it can do in about a second, of one without order all', () => {
    expect(after(...whole(serialJobs + 1))).toEqual({ left: serialJobs + 1, work: serialJobs })
    expect(after(...whole(2 * serialJobs + 1, { window: 2 }))).toEqual({ left: 2 * serialJobs + 1, work: 2 * serialJobs })
    expect(after(...whole(serialJobs + 1, { order: 'none' }))).toEqual({ left: serialJobs + 1, work: serialJobs + 1 })
  })
})
