/** Groups without order: many grants open at once, at most one of a job (I1). `ready` takes revisions 1 to 4. */
import { describe, expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { addJobs, openGroup } from '../../../machines/execution-group/decide/opening.ts'
import { cancelGroup, pauseGroup, resolveUnknown, resumeGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import { retryLimit } from '../../../machines/execution-group/decide/unordered.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import { chainOf, nextOf, stoppedAt, unknownJob } from '../../../machines/execution-group/state.ts'
import {
  abandoned, added, assigned, blocked, cancelRequested, cancelled, completed, failed, given, granted, groupCancelled, onceOnly, opened, paused, plan, ready, readyWith, resolved,
  resumed, retried, returned, sealed, spec, succeeded, unblocked, unknown, why,
} from '../../support/group-events.ts'

const none = { order: 'none' } as const
const asked = (agent: string, credit = 1) => ({ agent, instance: `${agent}-i`, credit, callDeadlineMs: 10_000 })
const success = { kind: 'succeeded' } as const
const failure = { kind: 'failed', reason: why } as const
const doubt = { kind: 'unknown', reason: why } as const
const lost = (job: number) => ({ code: 'executor-lost', text: `agent a1 was lost while it may have been at work on job ${job}` })
/** Jobs 1 and 2 to a1, 3 and 4 to a2. */
const shared = [opened({ ...none, jobs: 4 }), added(1, spec, spec, spec, spec), sealed, assigned({ first: 1, last: 2, agent: 'a1' }, { first: 3, last: 4, agent: 'a2' })]
/** Grants 5 (job 1), 6 (job 3), 7 (job 2). */
const three = [...shared, granted([[1, 1]]), granted([[3, 3]], 'a2'), granted([[2, 2]])]

describe('opening', () => {
  const asks = { name: 'a group', jobs: 1, parts: 1, plan, window: 1, region: 'east', distributionFactor: 100, order: 'none' } as const
  it('has decision 2, also with a window', () => {
    given().when((state) => openGroup(state, asks)).then(opened({ ...none, jobs: 1 }))
    given().when((state) => openGroup(state, { ...asks, window: 8 })).then(opened({ ...none, jobs: 1, window: 8 }))
    given().when((state) => openGroup(state, { ...asks, onFailure: 'continue' })).then(opened({ ...none, jobs: 1, onFailure: 'continue' }))
  })
  it('what undoes jobs, and a service that carries out one job itself, have an order', () => {
    given().when((state) => openGroup(state, { ...asks, onFailure: 'compensate' })).thenRefused('malformed')
    given().when((state) => openGroup(state, { ...asks, mode: 'direct' })).thenRefused('malformed')
  })
  it('its jobs wait for nobody', () => {
    given(opened({ ...none, jobs: 2 })).when((state) => addJobs(state, { plan, part: 1, jobs: [spec, { ...spec, after: [[1, 1]] }] })).thenRefused('malformed')
    expect(given(opened({ ...none, jobs: 2 }), added(1, spec, { ...spec, after: [[1, 1]] }), sealed).state.fault?.type).toBe('broken-order')
  })
  it('is abandoned as any other', () => {
    given(opened({ ...none, jobs: 2 }), added(1, spec)).when(cancelGroup).then(abandoned('cancelled'))
  })
  it('a proposal before the seal is granted by', () => {
    given(opened({ ...none, jobs: 2 }), added(1, spec, spec), assigned({ first: 1, last: 2, agent: 'a1' }), sealed)
      .when((state) => grantLock(state, asked('a1'))).then(granted([[1, 1]]))
  })
})

describe('granting', () => {
  it('many at once, each to the agent in whose queue the job is', () => {
    given(...shared)
      .when((state) => grantLock(state, asked('a1'))).then(granted([[1, 1]]))
      .when((state) => grantLock(state, asked('a2'))).then(granted([[3, 3]], 'a2'))
      .when((state) => grantLock(state, asked('a1'))).then(granted([[2, 2]]))
      .when((state) => grantLock(state, asked('a1'))).thenRefused('too-early')
      .when((state) => grantLock(state, asked('a3'))).thenRefused('too-early')
      .when((state) => grantLock(state, asked('a2', 0))).thenNothing()
  })
  it('a window at a time, over gaps', () => {
    const window = [...ready({ ...none, jobs: 6, window: 3 })]
    given(...window).when((state) => grantLock(state, asked('a1', 2))).then(granted([[1, 2]])).when((state) => grantLock(state, asked('a1', 9))).then(granted([[3, 5]]))
    given(...window, granted([[2, 2]])).when((state) => grantLock(state, asked('a1', 3))).then(granted([[1, 1], [3, 4]]))
  })
  it('by name', () => {
    given(...three)
      .when((state) => grantLock(state, { ...asked('a2'), job: 4 })).then(granted([[4, 4]], 'a2'))
      .when((state) => grantLock(state, { ...asked('a2'), job: 4 })).thenRefused('too-early')
      .when((state) => grantLock(state, { ...asked('a1'), job: 9 })).thenRefused('too-early')
    given(...shared).when((state) => grantLock(state, { ...asked('a1'), job: 3 })).thenRefused('not-assigned')
    given(opened({ ...none, jobs: 1 }), added(1, spec), sealed).when((state) => grantLock(state, { ...asked('a1'), job: 1 })).thenRefused('not-assigned')
    expect(nextOf(given(...three).state, 'a2')).toBe(4)
    expect(nextOf(given(...three).state, 'a1')).toBeUndefined()
  })
  it('I1: a second grant of a job breaks the order, also within one grant and of a settled job', () => {
    expect(given(...three, granted([[1, 1]])).state.fault).toMatchObject({ type: 'broken-order', event: 'LockGranted', revision: 8 })
    expect(given(...shared, granted([[1, 1], [1, 1]])).state.fault?.type).toBe('broken-order')
    expect(given(...three, succeeded(1, 5), granted([[1, 1]])).state.fault?.type).toBe('broken-order')
    expect(given(...shared, granted([[5, 5]])).state.fault?.type).toBe('broken-order')
    expect(given(...shared, granted([])).state.fault?.type).toBe('broken-order')
  })
  it('assigned anew, what waits is granted to its new agent; what is granted stays', () => {
    given(...three, assigned({ first: 1, last: 4, agent: 'a3' }))
      .when((state) => grantLock(state, asked('a3'))).then(granted([[4, 4]], 'a3'))
      .when((state) => handBack(state, 5)).then(returned(5))
      .when((state) => grantLock(state, asked('a3'))).then(granted([[1, 1]], 'a3'))
    given(...shared).when((state) => assignJobs(state, [{ first: 2, last: 3, agent: 'a3' }])).then(assigned({ first: 2, last: 3, agent: 'a3' }))
      .when((state) => grantLock(state, { ...asked('a3'), credit: 1 })).then(granted([[2, 2]], 'a3'))
      .when((state) => grantLock(state, asked('a1'))).then(granted([[1, 1]]))
      .when((state) => grantLock(state, asked('a1'))).thenRefused('too-early')
  })
})

describe('outcomes', () => {
  it('in any order of the grants; the last one completes the group', () => {
    given(...three, granted([[4, 4]], 'a2'))
      .when((state) => takeOutcome(state, 8, 4, success)).then(succeeded(4, 8))
      .when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
      .when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
      .when((state) => takeOutcome(state, 6, 3, { ...success, already: true })).then({ type: 'JobSucceeded', data: { job: 3, grant: 6, already: true } })
      .when((state) => takeOutcome(state, 7, 2, success)).then(succeeded(2, 7), completed)
  })
  it('of one grant in its order', () => {
    given(...ready({ ...none, window: 3 }), granted([[1, 3]]))
      .when((state) => takeOutcome(state, 5, 2, success)).thenNothing()
      .when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
      .when((state) => takeOutcome(state, 5, 2, success)).then(succeeded(2, 5))
      .when((state) => takeOutcome(state, 5, 3, success)).then(succeeded(3, 5), completed)
    expect(given(...ready({ ...none, window: 3 }), granted([[1, 3]]), succeeded(2, 5)).state.fault?.type).toBe('broken-order')
  })
  it('a token that is no grant, or another job of it, changes nothing', () => {
    given(...three).when((state) => takeOutcome(state, 4, 1, success)).thenNothing()
    given(...three).when((state) => takeOutcome(state, 5, 2, success)).thenNothing()
    given(...three).when((state) => takeOutcome(state, 99, 99, success)).thenNothing()
    expect(given(...three, succeeded(1, 6)).state.fault?.type).toBe('broken-order')
  })
})

describe('a failed job', () => {
  it('blocks the group: nothing more is granted, what is open ends by its outcome', () => {
    const stopped = given(...three).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), blocked(1))
    stopped.when((state) => grantLock(state, asked('a2'))).thenRefused('wrong-state')
    stopped.when((state) => takeOutcome(state, 6, 3, success)).then(succeeded(3, 6))
      .when((state) => takeOutcome(state, 7, 2, failure)).then(failed(2, 7))
      .when(retryFailed).then(retried(5, 1), retried(6, 2), unblocked)
      .when((state) => grantLock(state, asked('a1'))).then(granted([[6, 6]]))
      .when((state) => grantLock(state, asked('a1'))).then(granted([[5, 5]]))
    stopped.when((state) => handBack(state, 7)).then(returned(7)).when((state) => expireGrant(state, 6)).then(returned(6, 'lost'))
    stopped.when((state) => takeOutcome(state, 7, 2, doubt)).then(unknown(2, 7)).when(retryFailed).then(retried(5, 1))
      .when((state) => resolveUnknown(state, 2, 'succeeded')).then(resolved(2, 'succeeded'), unblocked)
    expect(stoppedAt(stopped.when((state) => takeOutcome(state, 7, 2, doubt)).then(unknown(2, 7)).state)).toBe(2)
    expect(stoppedAt(stopped.state)).toBe(1)
  })
  it('closes its grant: the rest of it waits again, and goes on after the retry', () => {
    given(...ready({ ...none, window: 3 }), granted([[1, 3]]), succeeded(1, 5))
      .when((state) => takeOutcome(state, 5, 2, failure)).then(failed(2, 5), blocked(2))
      .when(retryFailed).then(retried(4, 2), unblocked)
      .when((state) => grantLock(state, asked('a1', 3))).then(granted([[4, 4], [3, 3]]))
  })
  it('retries are of the same chain, over several failures', () => {
    const { state } = given(...three, failed(1, 5), blocked(1), retried(5, 1), unblocked, granted([[5, 5]]), failed(5, 12), blocked(5), retried(6, 5), unblocked)
    expect([chainOf(state, 6), chainOf(state, 5), chainOf(state, 2)]).toEqual([1, 1, 2])
    expect(state.fault).toBeNull()
  })
  it('more than a commit takes are retried by several commands', () => {
    const many = retryLimit + 2
    const events = ready({ ...none, jobs: many })
    for (let job = 1; job <= many; job++) events.push(granted([[job, job]]))
    for (let job = 1; job <= many; job++) events.push(failed(job, 4 + job), ...(job === 1 ? [blocked(1)] : []))
    const first = Array.from({ length: retryLimit }, (_, index) => retried(many + 1 + index, index + 1))
    given(...events).when(retryFailed).then(...first)
      .when(retryFailed).then(retried(many + retryLimit + 1, many - 1), retried(many + retryLimit + 2, many), unblocked)
  })
  it('with continue it counts as settled', () => {
    const policy = { ...none, jobs: 2, onFailure: 'continue' } as const
    given(...ready(policy), granted([[1, 1]]), granted([[2, 2]]))
      .when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5))
      .when((state) => takeOutcome(state, 6, 2, failure)).then(failed(2, 6), completed)
    given(...ready(policy), granted([[1, 1]]), granted([[2, 2]]), unknown(1, 5), blocked(1), succeeded(2, 6))
      .when((state) => resolveUnknown(state, 1, 'failed')).then(resolved(1, 'failed'), unblocked, completed)
    given(...ready(policy), granted([[1, 1]]), unknown(1, 5), blocked(1)).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), unblocked)
      .when(retryFailed).thenRefused('wrong-state')
  })
  it('there is nothing to retry where none has failed', () => {
    given(...three).when(retryFailed).thenRefused('wrong-state')
    given(...three, paused).when(retryFailed).thenRefused('wrong-state')
    given(...three, unknown(1, 5), blocked(1)).when(retryFailed).thenRefused('wrong-state')
  })
})

describe('an outcome that is not known', () => {
  const stopped = [...three, unknown(1, 5), blocked(1)]
  it('blocks the group until the last of them is settled', () => {
    given(...three)
      .when((state) => takeOutcome(state, 5, 1, doubt)).then(unknown(1, 5), blocked(1))
      .when((state) => takeOutcome(state, 7, 2, doubt)).then(unknown(2, 7))
      .when((state) => resolveUnknown(state, 3, 'succeeded')).thenRefused('wrong-state')
      .when((state) => resolveUnknown(state, 1, 'failed')).then(resolved(1, 'failed'))
      .when((state) => resolveUnknown(state, 2, 'succeeded')).then(resolved(2, 'succeeded'))
      .when(retryFailed).then(retried(5, 1), unblocked)
    expect(unknownJob(given(...stopped).state)).toEqual({ job: 1, reason: why })
    expect(given(...stopped, unblocked).state.fault?.type).toBe('broken-order')
    expect(given(...three, blocked(1)).state.fault?.type).toBe('broken-order')
  })
  it('P24: the truth of its grant settles it, that of another does not', () => {
    given(...stopped).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), unblocked)
    given(...stopped).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5)).when(retryFailed).then(retried(5, 1), unblocked)
    given(...stopped).when((state) => takeOutcome(state, 6, 1, success)).thenNothing()
    given(...stopped).when((state) => takeOutcome(state, 5, 1, doubt)).thenNothing()
  })
})

describe('P24: late truth, job by job', () => {
  const given5 = [...ready({ ...none, window: 3 }), granted([[1, 3]]), returned(5, 'lost')]
  it('a job that waits again is settled by its last grant, also while others are granted', () => {
    given(...given5, granted([[1, 1]]))
      .when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
      .when((state) => takeOutcome(state, 5, 2, success)).then(succeeded(2, 5))
      .when((state) => grantLock(state, asked('a1', 3))).then(granted([[3, 3]]))
      .when((state) => takeOutcome(state, 5, 3, success)).thenNothing()
    given(...given5).when((state) => takeOutcome(state, 5, 3, failure)).then(failed(3, 5), blocked(3))
    given(...given5).when((state) => takeOutcome(state, 5, 3, doubt)).thenNothing()
  })
  it('the last grant only', () => {
    given(...given5, granted([[1, 1]]), returned(7)).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
      .when((state) => takeOutcome(state, 7, 1, success)).then(succeeded(1, 7))
    expect(given(...given5, granted([[1, 1]]), succeeded(1, 5)).state.fault?.type).toBe('broken-order')
  })
  it('what is retried is a job of its own', () => {
    given(...three, failed(1, 5), blocked(1), retried(5, 1), unblocked).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
  })
})

describe('locks that come back', () => {
  it('one of many; the others stay open', () => {
    given(...three)
      .when((state) => handBack(state, 6)).then(returned(6))
      .when((state) => handBack(state, 6)).thenNothing()
      .when((state) => expireGrant(state, 5)).then(returned(5, 'lost'))
      .when((state) => expireGrant(state, 5)).thenNothing()
      .when((state) => takeOutcome(state, 7, 2, success)).then(succeeded(2, 7))
      .when((state) => grantLock(state, asked('a2'))).then(granted([[3, 3]], 'a2'))
      .when((state) => grantLock(state, asked('a1'))).then(granted([[1, 1]]))
    expect(given(...three, returned(9)).state.fault?.type).toBe('broken-order')
  })
  it('I9: what may harm when done twice is not known when its executor is lost', () => {
    given(...ready(none, onceOnly), granted([[1, 1]])).when((state) => expireGrant(state, 5)).then(unknown(1, 5, lost(1)), blocked(1))
    given(...ready(none, onceOnly), granted([[1, 1]])).when((state) => handBack(state, 5)).then(returned(5))
  })
})

describe('pausing', () => {
  it('nothing is granted; what is in flight ends, and what stopped the group meanwhile blocks it', () => {
    given(...three)
      .when(pauseGroup).then(paused)
      .when((state) => grantLock(state, asked('a2'))).thenRefused('wrong-state')
      .when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
      .when((state) => takeOutcome(state, 6, 3, failure)).then(failed(3, 6))
      .when((state) => handBack(state, 7)).then(returned(7))
      .when(resumeGroup).then(resumed, blocked(3))
      .when(pauseGroup).then(paused)
      .when(retryFailed).then(retried(5, 3))
      .when(resumeGroup).then(resumed)
      .when((state) => grantLock(state, asked('a2', 1))).then(granted([[5, 5]], 'a2'))
  })
  it('the last outcome ends it', () => {
    given(...ready({ ...none, jobs: 1 }), granted([[1, 1]]), paused).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), completed)
  })
})

describe('cancelling (P25)', () => {
  it('what waits is cancelled at once, what is in flight ends by its outcome, the last one ends the group', () => {
    given(...three)
      .when(cancelGroup).then(cancelRequested, cancelled([4, 4]))
      .when((state) => takeOutcome(state, 6, 3, success)).then(succeeded(3, 6))
      .when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5))
      .when((state) => takeOutcome(state, 7, 2, success)).then(succeeded(2, 7), groupCancelled)
    given(...ready({ ...none, jobs: 1 }), granted([[1, 1]])).when(cancelGroup).then(cancelRequested)
      .when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), groupCancelled)
  })
  it('at once where nothing is in flight', () => {
    given(...shared).when(cancelGroup).then(cancelRequested, cancelled([1, 4]), groupCancelled)
    given(...shared, granted([[1, 1]]), failed(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, cancelled([2, 4]), groupCancelled)
    given(...ready({ ...none, jobs: 1 }), granted([[1, 1]]), failed(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, groupCancelled)
  })
  it('a run says where the cancelled jobs lie: what is granted or settled in it is not cancelled', () => {
    const { state } = given(...shared, granted([[2, 2]]), granted([[3, 3]], 'a2'), succeeded(3, 6)).when(cancelGroup).then(cancelRequested, cancelled([1, 4]))
    expect(exclusiveStateOf(state)).toMatchObject({ executed: [[3, 3]], executing: [[2, 2]], pending: [], cancelled: [[1, 1], [4, 4]], phase: 'cancelling' })
    expect(given(...shared, granted([[2, 2]]), cancelRequested, cancelled([1, 1])).state.fault?.type).toBe('broken-order')
    expect(given(...shared, granted([[2, 2]]), cancelled([1, 4])).state.fault?.type).toBe('broken-order')
    expect(given(...shared, granted([[2, 2]]), cancelRequested, cancelled([1, 4]), groupCancelled).state.fault?.type).toBe('broken-order')
  })
  it('what a grant still held is cancelled when it is closed', () => {
    const cancelling = [...ready({ ...none, jobs: 4, window: 3 }), granted([[1, 3]]), granted([[4, 4]]), cancelRequested]
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), cancelled([2, 3]))
      .when((state) => takeOutcome(state, 6, 4, doubt)).then(unknown(4, 6), cancelled([4, 4]), groupCancelled)
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
      .when((state) => handBack(state, 5)).then(returned(5), cancelled([2, 3]))
      .when((state) => expireGrant(state, 6)).then(returned(6, 'lost'), cancelled([4, 4]), groupCancelled)
    given(...cancelling, returned(5), cancelled([1, 3])).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
  })
  it('a job whose outcome is not known is cancelled too', () => {
    given(...three, unknown(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, cancelled([1, 4]))
  })
})

describe('the exclusive state', () => {
  it('names all locks, and all jobs whose outcome is not known', () => {
    const { state } = given(...three, unknown(1, 5), blocked(1))
    expect(exclusiveStateOf(state)).toMatchObject({
      order: 'none', phase: 'blocked', position: 0, executed: [], executing: [[2, 3]], pending: [[4, 4]], lock: null, unknown: { job: 1, reason: why },
      locks: [{ grant: 6, agent: 'a2', instance: 'a2-i', jobs: [[3, 3]] }, { grant: 7, agent: 'a1', instance: 'a1-i', jobs: [[2, 2]] }],
      unknowns: [{ job: 1, reason: why }],
    })
  })
  it('after the end says what was executed, and nothing of locks', () => {
    const { state } = given(...ready({ ...none, jobs: 3, onFailure: 'continue' }), granted([[1, 1]]), granted([[2, 2]]), granted([[3, 3]]), succeeded(3, 7), failed(2, 6), succeeded(1, 5), completed)
    const shown = exclusiveStateOf(state)
    expect(shown).toMatchObject({ phase: 'completed', position: 3, executed: [[1, 1], [3, 3]], executing: [], pending: [], failed: [{ job: 2, reason: why }] })
    expect(shown).not.toHaveProperty('locks')
    expect(state.unordered).toBeNull()
  })
  it('a skill that alternates makes many runs, and all of them are granted', () => {
    const jobs = 100
    const events = readyWith({ ...none, jobs }, Array.from({ length: jobs }, () => spec)).slice(0, 3)
    const each = Array.from({ length: jobs }, (_, index) => ({ first: index + 1, last: index + 1, agent: index % 2 === 0 ? 'a1' : 'a2' }))
    let specified = given(...events, assigned(...each))
    for (let job = 1; job <= jobs; job += 2) specified = specified.when((state) => grantLock(state, asked('a1'))).then(granted([[job, job]]))
    specified.when((state) => grantLock(state, asked('a1'))).thenRefused('too-early')
  })
})
