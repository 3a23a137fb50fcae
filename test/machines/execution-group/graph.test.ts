/** Explicit predicates: a graph beside strict order (I1, I2, I3). */
import { describe, expect, it } from 'vitest'
import { assignJobs, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, sealGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { GroupEvent, JobSpec, Run } from '../../../machines/execution-group/events.ts'
import { foldInto } from '../../../machines/execution-group/evolve.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { absentGroup } from '../../../machines/execution-group/state.ts'
import { jobsToAssign } from '../../../machines/placement/unassigned.ts'
import {
  added, assigned, blocked, cancelRequested, cancelled, compensated, compensationBegun, completed, failed, given, granted, groupCancelled, groupName, opened, plan, retried, returned,
  sealed, spec, succeeded, unblocked, unknown, why,
} from '../../support/group-events.ts'

const success = { kind: 'succeeded' } as const
const failure = { kind: 'failed', reason: why } as const
const ask = (agent: string, job?: number) => ({ agent, instance: `${agent}-i`, credit: 1, callDeadlineMs: 10_000, ...(job === undefined ? {} : { job }) })
const after = (...runs: Run[]): JobSpec => ({ ...spec, after: runs })
/** 1 and 2 are free; 3 waits for 1; 4 for 2 and 3. Jobs 1 and 3 are a1's, 2 and 4 a2's; the next event has revision 5. */
const diamond = [
  opened({ jobs: 4, order: 'graph' }), added(1, spec, spec, after([1, 1]), after([2, 3])), sealed,
  assigned({ first: 1, last: 1, agent: 'a1' }, { first: 2, last: 2, agent: 'a2' }, { first: 3, last: 3, agent: 'a1' }, { first: 4, last: 4, agent: 'a2' }),
]

describe('a graph is judged before it is sealed', () => {
  const adding = (jobs: readonly JobSpec[], order: 'strict' | 'graph' = 'graph') => given(opened({ jobs: jobs.length, order })).when((state) => addJobs(state, { plan, part: 1, jobs }))
  it.each<readonly [string, readonly JobSpec[]]>([
    ['its own number', [spec, after([1, 2])]],
    ['a number beyond the last', [spec, after([3, 3])]],
    ['a number before the first', [spec, after([0, 1])]],
    ['a run backwards', [spec, spec, after([2, 1])]],
    ['no whole number', [spec, after([0.5, 1])]],
  ])('%s is refused', (_name, jobs) => {
    adding(jobs).thenRefused('malformed')
  })
  it('predicates are refused in a group of strict order', () => {
    adding([spec, after([1, 1])], 'strict').thenRefused('malformed')
  })
  it('a cycle is refused in one line that names it', () => {
    const jobs = [after([3, 3]), spec, after([2, 2], [4, 4]), after([1, 1])]
    const { state } = given(opened({ jobs: 4, order: 'graph' }), added(1, ...jobs))
    const decision = sealGroup(state, plan)
    expect(decision).toMatchObject({ kind: 'refused', refusal: { code: 'malformed', text: `group ${groupName} cannot be sealed: the predicates are cyclic: job 1 waits for job 3 waits for job 4 waits for job 1` } })
    // Who folds it all the same faults it.
    expect(given(opened({ jobs: 4, order: 'graph' }), added(1, ...jobs), sealed).state.fault).toMatchObject({ type: 'broken-order', event: 'GroupSealed' })
  })
  it('later numbers may be predicates', () => {
    given(opened({ jobs: 3, order: 'graph' }), added(1, after([2, 3]), after([3, 3]), spec)).when((state) => sealGroup(state, plan)).then(sealed)
  })
})

describe('a graph is carried out', () => {
  it('one grant at a time (I1), of a job whose predicates are settled (I2), the lowest in the queue of who asks', () => {
    const { state } = given(...diamond)
      .when((at) => grantLock(at, ask('a2'))).then(granted([[2, 2]], 'a2'))
      .when((at) => grantLock(at, ask('a1'))).thenRefused('too-early')
      .when((at) => takeOutcome(at, 5, 2, success)).then(succeeded(2, 5))
      .when((at) => grantLock(at, ask('a2'))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a2', 4))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a1', 3))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a2', 1))).thenRefused('not-assigned')
      .when((at) => grantLock(at, ask('a1'))).then(granted([[1, 1]]))
      .when((at) => takeOutcome(at, 7, 1, success)).then(succeeded(1, 7))
      .when((at) => grantLock(at, ask('a1', 3))).then(granted([[3, 3]]))
      .when((at) => takeOutcome(at, 9, 3, success)).then(succeeded(3, 9))
      .when((at) => grantLock(at, ask('a2'))).then(granted([[4, 4]], 'a2'))
      .when((at) => takeOutcome(at, 11, 4, success)).then(succeeded(4, 11), completed)
    expect(exclusiveStateOf(state)).toMatchObject({ phase: 'completed', order: 'graph', position: 4, executed: [[1, 4]], pending: [] })
    expect(state.graph).toBeNull()
  })
  it('its exclusive state is the set of completed jobs', () => {
    const { state } = given(...diamond, granted([[2, 2]], 'a2'), succeeded(2, 5), granted([[1, 1]]))
    expect(exclusiveStateOf(state)).toMatchObject({ position: 1, executed: [[2, 2]], executing: [[1, 1]], pending: [[3, 4]], lock: { grant: 7, agent: 'a1' } })
  })
  it('what is not settled is assigned anew when an agent is gone; the job in flight is left where it is', () => {
    const { state } = given(...diamond, granted([[2, 2]], 'a2'), succeeded(2, 5), granted([[1, 1]]))
    expect(jobsToAssign(state, () => false, 10)).toEqual([{ first: 3, last: 4 }])
    given(...diamond).when((at) => assignJobs(at, [{ first: 1, last: 3, agent: 'a3' }])).then(assigned({ first: 1, last: 3, agent: 'a3' }))
      .when((at) => grantLock(at, ask('a1'))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a3'))).then(granted([[1, 1]], 'a3'))
  })
  it('given back, a job may be granted anew, or another one; its late outcome counts while its grant was the last (P24)', () => {
    const back = [...diamond, granted([[1, 1]]), returned(5)]
    given(...diamond, granted([[1, 1]])).when((at) => handBack(at, 5)).then(returned(5)).when((at) => grantLock(at, ask('a1'))).then(granted([[1, 1]]))
    given(...back).when((at) => takeOutcome(at, 5, 1, success)).then(succeeded(1, 5)).when((at) => grantLock(at, ask('a1'))).then(granted([[3, 3]]))
    given(...back, granted([[2, 2]], 'a2')).when((at) => takeOutcome(at, 5, 1, success)).thenNothing()
    given(...back, granted([[2, 2]], 'a2'), returned(7)).when((at) => takeOutcome(at, 5, 1, success)).thenNothing()
  })
  it('a retry takes the place of the failed job, also as predicate of others (I3)', () => {
    const { state } = given(...diamond, granted([[1, 1]]))
      .when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), blocked(1))
      .when((at) => grantLock(at, ask('a2'))).thenRefused('wrong-state')
      .when(retryFailed).then(retried(5, 1), unblocked)
      .when((at) => grantLock(at, ask('a1', 3))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a1', 1))).thenRefused('too-early')
      .when((at) => grantLock(at, ask('a1'))).then(granted([[5, 5]]))
      .when((at) => takeOutcome(at, 10, 5, success)).then(succeeded(5, 10))
      .when((at) => grantLock(at, ask('a1'))).then(granted([[3, 3]]))
    expect(exclusiveStateOf(state)).toMatchObject({ position: 1, executed: [[5, 5]], executing: [[3, 3]], pending: [[2, 2], [4, 4]], failed: [{ job: 1 }], retries: [{ job: 5, retryOf: 1 }] })
  })
  it('a job that failed late is not granted twice, nor is it in the way of others, after its retry (P24)', () => {
    const { state } = given(...diamond, granted([[1, 1]]), returned(5), failed(1, 5), blocked(1), retried(5, 1), unblocked, granted([[5, 5]]), returned(11), succeeded(5, 11))
    expect(state.fault).toBeNull()
    given(...diamond, granted([[1, 1]]), returned(5), failed(1, 5), blocked(1), retried(5, 1), unblocked, granted([[5, 5]]), returned(11), succeeded(5, 11))
      .when((at) => grantLock(at, ask('a1'))).then(granted([[3, 3]]))
  })
  it('an outcome that is not known blocks all of it', () => {
    given(...diamond, granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, { kind: 'unknown', reason: why })).then(unknown(1, 5), blocked(1))
      .when((at) => grantLock(at, ask('a2'))).thenRefused('wrong-state')
      .when((at) => takeOutcome(at, 5, 1, success)).then(succeeded(1, 5), unblocked)
      .when((at) => grantLock(at, ask('a1'))).then(granted([[3, 3]]))
  })
  it('with continue a failed job is settled for those that wait for it', () => {
    const events = [opened({ jobs: 3, order: 'graph', onFailure: 'continue' }), added(1, spec, after([1, 1]), spec), sealed, assigned({ first: 1, last: 3, agent: 'a1' })]
    const { state } = given(...events, granted([[1, 1]])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5))
      .when((at) => grantLock(at, ask('a1'))).then(granted([[2, 2]]))
    expect(exclusiveStateOf(state)).toMatchObject({ position: 1, executed: [], failed: [{ job: 1 }] })
  })
  it('with compensate what succeeded is undone in the reverse order of its success', () => {
    const jobs = [spec, spec, spec, spec].map((job): JobSpec => ({ ...job, compensate: { name: 'stop' } }))
    const events = [opened({ jobs: 4, order: 'graph', onFailure: 'compensate' }), added(1, ...jobs), sealed, assigned({ first: 1, last: 2, agent: 'a1' }, { first: 3, last: 4, agent: 'a2' })]
    const failing = [...events, granted([[3, 3]], 'a2'), succeeded(3, 5), granted([[1, 1]]), succeeded(1, 7), granted([[4, 4]], 'a2')]
    const { state } = given(...failing).when((at) => takeOutcome(at, 9, 4, failure)).then(failed(4, 9), cancelled([2, 2]), compensationBegun(4, [3, 1]))
      // 5 undoes 1, 6 undoes 3.
      .when((at) => grantLock(at, ask('a1'))).then(granted([[5, 5]]))
      .when((at) => takeOutcome(at, 13, 5, success)).then(succeeded(5, 13))
      .when((at) => grantLock(at, ask('a2'))).then(granted([[6, 6]], 'a2'))
      .when((at) => takeOutcome(at, 15, 6, success)).then(succeeded(6, 15), compensated)
    expect(exclusiveStateOf(state)).toMatchObject({ phase: 'compensated', executed: [[1, 1], [3, 3], [5, 6]], cancelled: [[2, 2]] })
  })
  it('a cancel names one run and cancels what is pending in it (P16, P25)', () => {
    const { state } = given(...diamond, granted([[2, 2]], 'a2')).when(cancelGroup).then(cancelRequested, cancelled([1, 4]))
      .when((at) => takeOutcome(at, 5, 2, success)).then(succeeded(2, 5), groupCancelled)
    expect(exclusiveStateOf(state)).toMatchObject({ phase: 'cancelled', executed: [[2, 2]], cancelled: [[1, 1], [3, 4]] })
    given(...diamond, granted([[1, 1]]), failed(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, cancelled([2, 4]), groupCancelled)
    given(...diamond, granted([[1, 1]]), unknown(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, cancelled([1, 4]), groupCancelled)
    given(...diamond, granted([[1, 1]]), cancelRequested, cancelled([2, 4])).when((at) => takeOutcome(at, 5, 1, failure)).then(failed(1, 5), groupCancelled)
    given(...diamond, granted([[1, 1]]), cancelRequested, cancelled([2, 4])).when((at) => handBack(at, 5)).then(returned(5), cancelled([1, 1]), groupCancelled)
  })
})

describe('a broken order faults the group', () => {
  it.each<readonly [string, readonly GroupEvent[], GroupEvent]>([
    ['a second grant (I1)', [...diamond, granted([[1, 1]])], granted([[2, 2]], 'a2')],
    ['a grant before a predicate is settled (I2)', diamond, granted([[3, 3]])],
    ['a grant of two jobs', diamond, granted([[1, 2]])],
    ['a grant of nothing', diamond, granted([])],
    ['a grant of a job that is settled', [...diamond, granted([[1, 1]]), succeeded(1, 5)], granted([[1, 1]])],
    ['a grant of a job that there is not', diamond, granted([[5, 5]])],
    ['a grant of a job that was replaced', [...diamond, granted([[1, 1]]), failed(1, 5), blocked(1), retried(5, 1), unblocked], granted([[1, 1]])],
    ['a success of another job', [...diamond, granted([[1, 1]])], succeeded(2, 5)],
    ['cancelling fewer jobs than wait', [...diamond, cancelRequested], cancelled([1, 3])],
  ])('%s', (_name, events, event) => {
    expect(given(...events).state.fault).toBeNull()
    expect(given(...events, event).state.fault).toMatchObject({ type: 'broken-order', event: event.type })
  })
})

describe('the limits', () => {
  it('a group whose pending jobs stand one by one between settled ones can be cancelled', () => {
    const jobs = 280_001
    const last = after([jobs, jobs])
    const state = absentGroup(groupName)
    foldInto(state, opened({ jobs, order: 'graph' }))
    const specs = Array.from({ length: jobs }, (_, index) => (index % 2 === 0 && index + 1 < jobs ? last : spec))
    foldInto(state, { type: 'JobsAdded', data: { part: 1, jobs: specs } })
    foldInto(state, sealed)
    foldInto(state, assigned({ first: 1, last: jobs, agent: 'a1' }))
    for (let job = 2; job < jobs; job += 2) {
      foldInto(state, granted([[job, job]]))
      foldInto(state, succeeded(job, state.revision))
    }
    foldInto(state, cancelRequested)
    foldInto(state, cancelled([1, jobs]))
    foldInto(state, groupCancelled)
    expect(state).toMatchObject({ fault: null, phase: 'cancelled', position: (jobs - 1) / 2 })
    expect(state.cancelled).toHaveLength((jobs + 1) / 2)
  })
})

describe('50,000 jobs', () => {
  it('a barrier between two halves is no list of their pairs', () => {
    const half = 25_000
    const state = absentGroup(groupName)
    const specs = [...Array.from({ length: half }, () => spec), ...Array.from({ length: half }, () => after([1, half]))]
    foldInto(state, opened({ jobs: 2 * half, order: 'graph' }))
    foldInto(state, added(1, ...specs))
    foldInto(state, sealed)
    foldInto(state, assigned({ first: 1, last: 2 * half, agent: 'a1' }))
    expect(state.graph!.waiterPlace.length).toBeLessThan(half * 20)
    for (let job = 1; job <= 2 * half; job++) {
      const decision = grantLock(state, ask('a1'))
      if (decision.kind !== 'events') throw new Error(`job ${job}: ${JSON.stringify(decision)}`)
      foldInto(state, decision.events[0]!)
      expect(state.head).toBe(job)
      foldInto(state, succeeded(job, state.revision))
    }
    expect(state).toMatchObject({ fault: null, position: 2 * half, head: 0 })
  })
})
