/** What a failed job does to its group: it goes on, or what was done is undone. Job 1 is granted at revision 5. */
import { describe, expect, it } from 'vitest'
import { assignJobs, grantLock, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, openGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, resolveUnknown, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { GroupEvent, JobSpec } from '../../../machines/execution-group/events.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import {
  added, assigned, blocked, cancelRequested, cancelled, compensated, compensationBegun, completed, failed, given, granted, groupCancelled, opened, paused, plan, ready, readyWith,
  resolved, retried, sealed, spec, succeeded, unblocked, unknown, why,
} from '../../support/group-events.ts'

const success = { kind: 'succeeded' } as const
const failure = { kind: 'failed', reason: why } as const
const request = { agent: 'a1', instance: 'a1-i', credit: 9, callDeadlineMs: 10_000 }
const undoable: JobSpec = { ...spec, compensate: { name: 'stop' } }

describe('continue', () => {
  const running = [...ready({ onFailure: 'continue' }), granted([[1, 1]])]
  it('a failed job is settled, and the next one is granted (I2)', () => {
    const { state } = given(...running)
      .when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5))
      .when((at) => takeOutcome(at, 5, 1, success)).thenNothing()
      .when((at) => grantLock(at, request)).then(granted([[2, 2]]))
    expect(exclusiveStateOf(state)).toMatchObject({ phase: 'running', position: 1, executed: [], executing: [[2, 2]], failed: [{ job: 1 }], onFailure: 'continue' })
  })
  it('the group ends as completed, and says which jobs failed', () => {
    const { state } = given(...running, succeeded(1, 5), granted([[2, 2]]), failed(2, 7), granted([[3, 3]])).when((at) => takeOutcome(at, 9, 3, success)).then(succeeded(3, 9), completed)
    expect(exclusiveStateOf(state)).toMatchObject({ phase: 'completed', position: 3, executed: [[1, 1], [3, 3]], pending: [], failed: [{ job: 2 }] })
    given(...ready({ onFailure: 'continue', jobs: 1 }), granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), completed)
  })
  it('of a grant of several jobs the rest is pending again (I2)', () => {
    given(...ready({ onFailure: 'continue', window: 3 }), granted([[1, 3]]))
      .when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5))
      .when((at) => takeOutcome(at, 5, 2, success)).thenNothing()
      .when((at) => grantLock(at, request)).then(granted([[2, 3]]))
  })
  it('an outcome that is not known blocks; found failed, it counts as that', () => {
    given(...running).when((at) => takeOutcome(at, 5, 1, { kind: 'unknown', reason: why })).then(unknown(1, 5), blocked(1))
      .when((at) => resolveUnknown(at, 1, 'failed')).then(resolved(1, 'failed'), unblocked)
      .when((at) => grantLock(at, request)).then(granted([[2, 2]]))
    given(...running, unknown(1, 5), blocked(1)).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), unblocked)
    given(...ready({ onFailure: 'continue', jobs: 1 }), granted([[1, 1]]), unknown(1, 5), blocked(1)).when((at) => resolveUnknown(at, 1, 'failed')).then(resolved(1, 'failed'), unblocked, completed)
  })
  it('a failure ends a group that is being cancelled, and there is nothing to retry', () => {
    given(...running, cancelRequested, cancelled([2, 3])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), groupCancelled)
    given(...running, failed(1, 5)).when(retryFailed).thenRefused('wrong-state').when(cancelGroup).then(cancelRequested, cancelled([2, 3]), groupCancelled)
  })
})

describe('compensate', () => {
  const group = (jobs: readonly JobSpec[]) => readyWith({ onFailure: 'compensate' }, jobs)
  const failing = [...group([undoable, undoable, undoable, undoable]), granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), succeeded(2, 7), granted([[3, 3]])]
  const undoing = [...failing, failed(3, 9), cancelled([4, 4]), compensationBegun(3, [2, 1])]
  it('what was done is undone, the last first, by new jobs in the queues of the old ones', () => {
    const { state } = given(...failing)
      .when((at) => takeOutcome(at, 9, 3, failure)).then(failed(3, 9), cancelled([4, 4]), compensationBegun(3, [2, 1]))
      .when((at) => grantLock(at, request)).then(granted([[5, 5]]))
    expect(exclusiveStateOf(state)).toMatchObject({
      phase: 'compensating', position: 2, executed: [[1, 2]], executing: [[5, 5]], pending: [[6, 6]], cancelled: [[4, 4]], failed: [{ job: 3 }],
      compensation: { job: 3, of: [[2, 1]] }, assignments: [{ first: 1, last: 6, agent: 'a1' }],
    })
    expect(state.specs.slice(4)).toEqual([5, 6].map(() => ({ site: 'site-a', service: 'vm-1', operation: { name: 'stop' }, repeatable: true })))
    const end = given(...undoing, granted([[5, 5]]), succeeded(5, 13), granted([[6, 6]])).when((at) => takeOutcome(at, 15, 6, success)).then(succeeded(6, 15), compensated)
    expect(exclusiveStateOf(end.state)).toMatchObject({ phase: 'compensated', position: 4, executed: [[1, 2], [5, 6]], pending: [] })
  })
  it('jobs that were so already, or cannot be undone, are left out', () => {
    const events: GroupEvent[] = [
      ...group([undoable, spec, undoable, undoable]),
      granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), succeeded(2, 7), granted([[3, 3]]), { type: 'JobSucceeded', data: { job: 3, grant: 9, already: true } }, granted([[4, 4]]),
    ]
    given(...events).when((at) => takeOutcome(at, 11, 4, failure)).then(failed(4, 11), compensationBegun(4, [1, 1]))
      .when((at) => grantLock(at, request)).then(granted([[5, 5]]))
  })
  it('with nothing to undo the group ends at once', () => {
    given(...group([undoable, undoable]), granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), cancelled([2, 2]), compensationBegun(1), compensated)
    given(...group([spec]), granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), compensationBegun(1), compensated)
  })
  it('one that fails blocks the group as any other, and is retried in its place', () => {
    given(...undoing, granted([[5, 5]]))
      .when((at) => takeOutcome(at, 13, 5, failure)).then(failed(5, 13), blocked(5))
      .when(retryFailed).then(retried(7, 5), unblocked)
      .when((at) => grantLock(at, request)).then(granted([[7, 7]]))
      .when((at) => takeOutcome(at, 18, 7, success)).then(succeeded(7, 18))
      .when((at) => grantLock(at, request)).then(granted([[6, 6]]))
      .when((at) => takeOutcome(at, 20, 6, success)).then(succeeded(6, 20), compensated)
  })
  it('an outcome that is not known blocks; found failed, it begins to undo; found succeeded, it would be undone too', () => {
    const inDoubt = [...failing, unknown(3, 9), blocked(3)]
    given(...inDoubt).when((at) => resolveUnknown(at, 3, 'failed')).then(resolved(3, 'failed'), cancelled([4, 4]), compensationBegun(3, [2, 1]))
      .when((at) => grantLock(at, request)).then(granted([[5, 5]]))
    given(...inDoubt).when((at) => takeOutcome(at, 9, 3, failure)).then(failed(3, 9), cancelled([4, 4]), compensationBegun(3, [2, 1]))
    given(...inDoubt, resolved(3, 'succeeded'), unblocked, granted([[4, 4]])).when((at) => takeOutcome(at, 14, 4, failure)).then(failed(4, 14), compensationBegun(4, [3, 1]))
    given(...undoing, granted([[5, 5]]), unknown(5, 13), blocked(5)).when((at) => resolveUnknown(at, 5, 'failed')).then(resolved(5, 'failed')).when(retryFailed).then(retried(7, 5), unblocked)
  })
  it('begins also while the group is paused, and goes on when that is resumed', () => {
    given(...failing, paused).when((at) => takeOutcome(at, 9, 3, failure)).then(failed(3, 9), cancelled([4, 4]), compensationBegun(3, [2, 1]))
      .when((at) => grantLock(at, request)).thenRefused('wrong-state')
  })
  it('a cancel leaves the rest as it is', () => {
    given(...undoing, granted([[5, 5]])).when(cancelGroup).then(cancelRequested, cancelled([6, 6]))
      .when((at) => takeOutcome(at, 13, 5, success)).then(succeeded(5, 13), groupCancelled)
    given(...failing).when(cancelGroup).then(cancelRequested, cancelled([4, 4])).when((at) => takeOutcome(at, 9, 3, failure)).then(failed(3, 9), groupCancelled)
  })
  it('a success that comes while nothing failed undoes nothing', () => {
    given(...group([undoable]), granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, success)).then(succeeded(1, 5), completed)
  })
  it.each<readonly [string, readonly GroupEvent[], GroupEvent]>([
    ['of other jobs than those that succeeded', [...failing, failed(3, 9), cancelled([4, 4])], compensationBegun(3, [3, 1])],
    ['while jobs wait (I3)', [...failing, failed(3, 9)], compensationBegun(3, [2, 1])],
    ['of another job than the one that failed', [...failing, failed(3, 9), cancelled([4, 4])], compensationBegun(2, [2, 1])],
    ['with a lock open (I1)', failing, compensationBegun(3, [2, 1])],
    ['a second time', undoing, compensationBegun(3, [2, 1])],
    ['in a group that stops', [...ready(), granted([[1, 1]]), failed(1, 5)], compensationBegun(1)],
    ['jobs cancelled without a failure', failing, cancelled([4, 4])],
    ['an end before the last is undone', undoing, compensated],
  ])('%s: a fault', (_name, events, event) => {
    expect(given(...events).state.fault).toBeNull()
    expect(given(...events, event).state.phase).toBe('faulted')
  })
})

describe('opening', () => {
  const command = { name: 'a group', jobs: 1, parts: 1, plan, window: 1, region: 'east', distributionFactor: 100 }
  it('terms stand in the log only where they are set, and with them the decision version is 2', () => {
    given().when((state) => openGroup(state, { ...command, priority: 0 })).then(opened({ jobs: 1 }))
    given().when((state) => openGroup(state, { ...command, priority: 5, agents: 'skilled', onFailure: 'continue', trigger: { trigger: 't', atMs: 1 } }))
      .then(opened({ jobs: 1, priority: 5, agents: 'skilled', onFailure: 'continue', trigger: { trigger: 't', atMs: 1 } }))
    expect(opened({ jobs: 1, priority: 5 })).toMatchObject({ data: { decision: 2 } })
  })
  it.each([{ priority: 101 }, { priority: 1.5 }, { order: 'graph' as const, window: 2 }, { order: 'graph' as const, mode: 'direct' as const }, { agents: 'generic' as const, mode: 'direct' as const }])('refuses %o', (wrong) => {
    given().when((state) => openGroup(state, { ...command, ...wrong })).thenRefused('malformed')
  })
  it('refuses jobs that say how they are undone in a group that does not compensate', () => {
    given(opened({ jobs: 1 })).when((state) => addJobs(state, { plan, part: 1, jobs: [undoable] })).thenRefused('malformed')
    given(opened({ jobs: 1, onFailure: 'compensate' })).when((state) => addJobs(state, { plan, part: 1, jobs: [undoable] })).then(added(1, undoable))
  })
  it('a proposal stands before the seal, once all jobs are there (claim 2)', () => {
    const to = [{ first: 1, last: 2, agent: 'a1' }]
    given(opened({ parts: 2 }), added(1, spec, spec)).when((state) => assignJobs(state, to)).thenNothing()
    given(opened(), added(1, spec, spec, spec)).when((state) => assignJobs(state, to, 2)).then(assigned(...to))
    given(opened(), added(1, spec, spec, spec), assigned(...to), sealed).when((state) => grantLock(state, request)).then(granted([[1, 1]]))
  })
})
