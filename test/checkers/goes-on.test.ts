/** What counts as going on after a repair: a job that is granted or ends, soon enough for what it needs. */
import { expect, it } from 'vitest'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { checkGoesOn } from './goes-on.ts'
import type { ReadLog } from './read.ts'

const repair = { atMs: 100_000, killed: new Set(['s2']), livingMs: 10_000, heldMs: 18_000 }
type Event = readonly [type: string, data?: object]

/** One group `g`, in a lane that h holds; each of `turns`: so long after the repair, these events. */
function logOf(turns: readonly (readonly [afterMs: number, ...events: Event[]])[], holder = 'h'): ReadLog {
  return {
    turns: [[-9_000, ['LaneTaken', { agent: holder }] as Event] as const, ...turns].map(([afterMs, ...events], index) => ({
      message: { position: index + 1, storedMs: repair.atMs + afterMs } as StoredMessage,
      lane: 'l-1',
      turn: {
        number: index + 1,
        commits: [{ aggregate: index === 0 ? 'lane' : 'group', id: index === 0 ? 'l-1' : 'g', revision: 1, events: events.map(([type, data]) => ({ type, data: data ?? {} })) }],
      } as unknown as ReadLog['turns'][number]['turn'],
    })),
  }
}

const sealed: Event = ['GroupSealed']
const assigned = (agent: string, first = 1, last = 3): Event => ['JobsAssigned', { assignments: [{ first, last, agent }] }]
const granted = (job: number, agent: string): Event => ['LockGranted', { jobs: [[job, job]], agent }]
const succeeded = (job: number): Event => ['JobSucceeded', { job, grant: 1 }]
const returned: Event = ['LockReturned', { grant: 1, why: 'lost' }]
const completed: Event = ['GroupCompleted']

const judged = (log: ReadLog) => {
  const { violations, living, held, laterMs } = checkGoesOn(log, repair)
  return { violations: violations.map(({ what }) => what), living: living.groups, held: held.groups, laterMs }
}

it('a group of living agents has to go on within the time for those', () => {
  const log = (afterMs: number) => logOf([[-500, sealed, assigned('s1'), granted(1, 's1')], [afterMs, succeeded(1), granted(2, 's1')], [afterMs + 400, succeeded(2), completed]])
  expect(judged(log(10_000))).toEqual({ violations: [], living: 1, held: 0, laterMs: 400 })
  expect(judged(log(10_001)).violations).toEqual(['group g stood still for 10001 ms, from 0 ms after the repair on, though all that it needed was alive'])
})

it.each([
  { what: 'its open grant', log: (afterMs: number) => logOf([[-500, sealed, assigned('s2'), granted(1, 's2')], [afterMs, returned, assigned('s1'), granted(1, 's1')], [afterMs, succeeded(1), completed]]) },
  { what: 'its next job', log: (afterMs: number) => logOf([[-500, sealed, assigned('s1', 1, 1), assigned('s2', 2, 3), granted(1, 's1'), succeeded(1)], [afterMs, assigned('s1'), granted(2, 's1')], [afterMs, succeeded(2), completed]]) },
  { what: 'its lane', log: (afterMs: number) => logOf([[-500, sealed, assigned('s1'), granted(1, 's1')], [afterMs, succeeded(1), completed]], 's2') },
])('one of which a killed agent holds $what has the waits for that agent more', ({ log }) => {
  expect(judged(log(18_000))).toEqual({ violations: [], living: 0, held: 1, laterMs: 0 })
  expect(judged(log(18_001)).violations).toEqual(['group g stood still for 18001 ms, from 0 ms after the repair on, where a killed agent held something of it'])
})

it('one whose jobs have left the killed agent is of living ones', () => {
  const log = logOf([[-500, sealed, assigned('s2'), granted(1, 's2'), returned, assigned('s1')], [17_000, granted(1, 's1'), succeeded(1), completed]])
  expect(judged(log)).toMatchObject({ violations: ['group g stood still for 17000 ms, from 0 ms after the repair on, though all that it needed was alive'], living: 1, held: 0 })
})

it('to be assigned is not to go on', () => {
  const log = logOf([[-500, sealed, assigned('s2')], [3_000, assigned('s1')]])
  expect(judged(log).violations).toEqual(['group g stood still for Infinity ms, from 0 ms after the repair on, where a killed agent held something of it'])
})

it('a later pause is one too, from the last job on', () => {
  const log = (untilMs: number) => logOf([[-500, sealed, assigned('s1'), granted(1, 's1')], [5_000, succeeded(1), granted(2, 's1')], [untilMs, succeeded(2), completed]])
  expect(judged(log(15_000))).toEqual({ violations: [], living: 1, held: 0, laterMs: 10_000 })
  expect(judged(log(15_001)).violations).toEqual(['group g stood still for 10001 ms, from 5000 ms after the repair on, though all that it needed was alive'])
})

it('what has ended, waits for a person, is not sealed, or begins later is not waited for', () => {
  for (const events of [[sealed, completed], [sealed, ['GroupBlocked'] as Event], [sealed, ['GroupPaused'] as Event], [assigned('s1')]]) {
    expect(judged(logOf([[-500, ...events], [60_000, assigned('s1')]]))).toMatchObject({ violations: [], living: 0, held: 0 })
  }
  expect(judged(logOf([[500, sealed]]))).toMatchObject({ violations: [], living: 0, held: 0 })
})
