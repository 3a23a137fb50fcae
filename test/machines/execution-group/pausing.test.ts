/** Pause, resume and priority. Job 1 is granted at revision 5. */
import { describe, expect, it } from 'vitest'
import { assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import { cancelGroup, pauseGroup, prioritizeGroup, resolveUnknown, resumeGroup, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import {
  assigned, blocked, cancelRequested, cancelled, compensationBegun, completed, failed, given, granted, groupCancelled, onceOnly, opened, paused, prioritized, ready, resolved,
  resumed, retried, returned, spec, succeeded, unknown, why,
} from '../../support/group-events.ts'

const request = { agent: 'a1', instance: 'a1-i', credit: 1, callDeadlineMs: 10_000 }
const running = [...ready(), granted([[1, 1]])]
const undoing = [...ready({ onFailure: 'compensate' }, { ...spec, compensate: { name: 'stop' } }), granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), failed(2, 7), cancelled([3, 3]), compensationBegun(2, [1, 1])]

describe('pauseGroup', () => {
  it('nothing is granted until it is resumed', () => {
    given(...ready())
      .when(pauseGroup).then(paused)
      .when((state) => grantLock(state, request)).thenRefused('wrong-state')
      .when(pauseGroup).thenNothing()
      .when(resumeGroup).then(resumed)
      .when((state) => grantLock(state, request)).then(granted([[1, 1]]))
  })
  it('the job in flight ends by its outcome, and nothing follows it; the last one ends the group', () => {
    given(...running).when(pauseGroup).then(paused)
      .when((state) => takeOutcome(state, 5, 1, { kind: 'succeeded' })).then(succeeded(1, 5))
      .when((state) => grantLock(state, request)).thenRefused('wrong-state')
    given(...ready({ jobs: 1 }), granted([[1, 1]]), paused).when((state) => takeOutcome(state, 5, 1, { kind: 'succeeded' })).then(succeeded(1, 5), completed)
  })
  it('or by I9: given back, or its executor lost', () => {
    given(...running, paused).when((state) => handBack(state, 5)).then(returned(5))
    given(...running, paused).when((state) => expireGrant(state, 5)).then(returned(5, 'lost'))
    const reason = { code: 'executor-lost', text: 'agent a1 was lost while it may have been at work on job 1' }
    given(...ready({}, onceOnly), granted([[1, 1]]), paused).when((state) => expireGrant(state, 5)).then(unknown(1, 5, reason))
  })
  it('of a window the rest is given back after the one that runs', () => {
    given(...ready({ window: 3 }), granted([[1, 3]]), paused)
      .when((state) => takeOutcome(state, 5, 1, { kind: 'succeeded' })).then(succeeded(1, 5))
      .when((state) => handBack(state, 5)).then(returned(5))
      .when(resumeGroup).then(resumed)
      .when((state) => grantLock(state, { ...request, credit: 3 })).then(granted([[2, 3]]))
  })
  it('a job that does not succeed meanwhile blocks the group when that is resumed', () => {
    given(...running, paused)
      .when((state) => takeOutcome(state, 5, 1, { kind: 'failed', reason: why })).then(failed(1, 5))
      .when(resumeGroup).then(resumed, blocked(1))
      .when(pauseGroup).then(paused)
      .when(retryFailed).then(retried(4, 1))
      .when(retryFailed).thenRefused('wrong-state')
      .when(resumeGroup).then(resumed)
      .when((state) => grantLock(state, request)).then(granted([[4, 4]]))
    given(...running, paused)
      .when((state) => takeOutcome(state, 5, 1, { kind: 'unknown', reason: why })).then(unknown(1, 5))
      .when(retryFailed).thenRefused('wrong-state')
      .when((state) => resolveUnknown(state, 1, 'succeeded')).then(resolved(1, 'succeeded'))
      .when(resumeGroup).then(resumed)
    // A late outcome settles it, and does not let the group go on.
    given(...running, paused, unknown(1, 5)).when((state) => takeOutcome(state, 5, 1, { kind: 'succeeded' })).then(succeeded(1, 5)).when((state) => grantLock(state, request)).thenRefused('wrong-state')
  })
  it('also while it undoes what it did', () => {
    given(...undoing)
      .when(pauseGroup).then(paused)
      .when((state) => grantLock(state, request)).thenRefused('wrong-state')
      .when(resumeGroup).then(resumed)
      .when((state) => grantLock(state, request)).then(granted([[4, 4]]))
  })
  it('a paused group may be assigned and cancelled', () => {
    given(...ready(), paused).when((state) => assignJobs(state, [{ first: 1, last: 3, agent: 'a2' }])).then(assigned({ first: 1, last: 3, agent: 'a2' }))
      .when(cancelGroup).then(cancelRequested, cancelled([1, 3]), groupCancelled)
  })
  it('refuses what is not at work, and going on with what is not paused changes nothing', () => {
    for (const events of [[], [opened()], [...running, cancelRequested, cancelled([2, 3])], [...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed]]) {
      given(...events).when(pauseGroup).thenRefused('wrong-state')
      given(...events).when(resumeGroup).thenRefused('wrong-state')
    }
    given(...running).when(resumeGroup).thenNothing()
  })
})

describe('prioritizeGroup', () => {
  it('at any time at work; the same again changes nothing', () => {
    given(...running).when((state) => prioritizeGroup(state, 7)).then(prioritized(7)).when((state) => prioritizeGroup(state, 7)).thenNothing()
      .when((state) => prioritizeGroup(state, 0)).then(prioritized(0))
    for (const events of [[...running, failed(1, 5), blocked(1)], [...running, paused], undoing, [...undoing, paused]]) {
      const { state } = given(...events).when((at) => prioritizeGroup(at, -100)).then(prioritized(-100))
      expect(exclusiveStateOf(state).priority).toBe(-100)
    }
  })
  it.each([101, -101, 0.5, Number.NaN])('refuses %d', (priority) => {
    given(...running).when((state) => prioritizeGroup(state, priority)).thenRefused('malformed')
  })
  it('refuses what has no more locks to grant', () => {
    given(...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed).when((state) => prioritizeGroup(state, 1)).thenRefused('wrong-state')
    given(...running, cancelRequested, cancelled([2, 3])).when((state) => prioritizeGroup(state, 1)).thenRefused('wrong-state')
  })
})
