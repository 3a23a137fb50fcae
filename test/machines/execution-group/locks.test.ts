/** Assigning, granting, outcomes and giving back (I1-I4, P18, P19, P24-P26). Job 1 is granted at revision 5. */
import { describe, expect, it } from 'vitest'
import { type GrantRequest, assignJobs, expireGrant, grantLock, handBack, takeOutcome } from '../../../machines/execution-group/decide/locks.ts'
import type { GroupEvent, Reason } from '../../../machines/execution-group/events.ts'
import {
  assigned, blocked, cancelRequested, cancelled, completed, failed, given, granted, groupCancelled, onceOnly, opened, ready, retried, returned, spec,
  succeeded, unblocked, unknown, why,
} from '../../support/group-events.ts'

const request: GrantRequest = { agent: 'a1', instance: 'a1-i', credit: 1, callDeadlineMs: 10_000 }
const broken: GroupEvent = succeeded(3, 5)
const success = { kind: 'succeeded' } as const
const failure = { kind: 'failed', reason: why } as const
const notKnown = { kind: 'unknown', reason: why } as const

describe('assignJobs', () => {
  const to = (first: number, last: number, agent = 'a2') => [{ first, last, agent }]
  it('names runs; later ones win; a repeat changes nothing', () => {
    given(...ready())
      .when((state) => assignJobs(state, to(2, 2))).then(assigned(...to(2, 2)))
      .when((state) => assignJobs(state, to(2, 2))).thenNothing()
      .when((state) => {
        expect(state.assignments).toEqual([{ first: 1, last: 1, agent: 'a1' }, { first: 2, last: 2, agent: 'a2' }, { first: 3, last: 3, agent: 'a1' }])
        return assignJobs(state, to(1, 3, 'a3'))
      }).then(assigned(...to(1, 3, 'a3')))
  })
  it('also while the group is blocked, but not before it is sealed or when it ends', () => {
    given(...ready(), granted([[1, 1]]), failed(1, 5), blocked(1)).when((state) => assignJobs(state, to(1, 3))).then(assigned(...to(1, 3)))
    given(opened()).when((state) => assignJobs(state, to(1, 1))).thenNothing()
    given(...ready(), granted([[1, 1]]), cancelRequested, cancelled([2, 3])).when((state) => assignJobs(state, to(1, 1))).thenNothing()
  })
  it.each([[0, 1], [2, 1], [1, 4], [1.5, 2]])('refuses %d to %d of 3', (first, last) => {
    given(...ready()).when((state) => assignJobs(state, to(first, last))).thenRefused('malformed')
  })
  it('refuses what was decided on an older or a later state (P27)', () => {
    given(...ready()).when((state) => assignJobs(state, to(1, 3), 3)).thenRefused('stale')
    given(...ready()).when((state) => assignJobs(state, to(1, 3), 5)).thenRefused('stale')
    // Progress of the jobs is no reason.
    given(...ready(), granted([[1, 1]]), succeeded(1, 5)).when((state) => assignJobs(state, to(2, 3), 4)).then(assigned(...to(2, 3)))
  })
  it('refuses what fits into no turn', () => {
    const many = Array.from({ length: 2_000 }, (_, index) => ({ first: index + 1, last: index + 1, agent: 'a'.repeat(40) }))
    given(opened({ jobs: 2_000 }), { type: 'JobsAdded', data: { part: 1, jobs: many.map(() => spec) } }, { type: 'GroupSealed', data: {} })
      .when((state) => assignJobs(state, many)).thenRefused('too-large')
  })
})

describe('grantLock', () => {
  it('the job at the head, to the agent whose queue holds it (I1, I2)', () => {
    given(...ready()).when((state) => grantLock(state, request)).then(granted([[1, 1]]))
    given(...ready()).when((state) => grantLock(state, { ...request, job: 1 })).then(granted([[1, 1]]))
    given(...ready()).when((state) => grantLock(state, { ...request, job: 1, credit: 0 })).then(granted([[1, 1]]))
  })
  it('refuses an agent that asks too early (claim 9)', () => {
    given(...ready()).when((state) => grantLock(state, { ...request, job: 2 })).thenRefused('too-early')
    given(...ready(), granted([[1, 1]])).when((state) => grantLock(state, request)).thenRefused('too-early')
  })
  it('refuses whoever it is not assigned to', () => {
    given(...ready()).when((state) => grantLock(state, { ...request, agent: 'a2' })).thenRefused('not-assigned')
    given(...ready().slice(0, 3)).when((state) => grantLock(state, request)).thenRefused('not-assigned')
  })
  it.each([
    ['opening', [opened()]],
    ['blocked', [...ready(), granted([[1, 1]]), failed(1, 5), blocked(1)]],
    ['cancelling', [...ready(), granted([[1, 1]]), cancelRequested, cancelled([2, 3])]],
    ['completed', [...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed]],
    ['faulted', [...ready(), broken]],
  ])('refuses while the group is %s', (_phase, events) => {
    given(...events).when((state) => grantLock(state, request)).thenRefused('wrong-state')
  })
  it('without credit nothing', () => {
    given(...ready()).when((state) => grantLock(state, { ...request, credit: 0 })).thenNothing()
  })
  it('a window gives the next jobs of this agent, in execution order', () => {
    const events = ready({ jobs: 5, window: 3 })
    given(...events).when((state) => grantLock(state, { ...request, credit: 9 })).then(granted([[1, 3]]))
    given(...events).when((state) => grantLock(state, { ...request, credit: 2 })).then(granted([[1, 2]]))
    given(...events, assigned({ first: 2, last: 2, agent: 'a2' })).when((state) => grantLock(state, { ...request, credit: 3 })).then(granted([[1, 1]]))
    // A retry stands as a run of its own (P16).
    given(...events, granted([[1, 3]]), succeeded(1, 5), failed(2, 5), blocked(2), retried(6, 2), unblocked)
      .when((state) => grantLock(state, { ...request, credit: 3 })).then(granted([[6, 6], [3, 4]]))
  })
})

describe('takeOutcome', () => {
  const running = [...ready(), granted([[1, 1]])]
  it('success frees the next; the last completes the group', () => {
    given(...running).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
    given(...running).when((state) => takeOutcome(state, 5, 1, { kind: 'succeeded', already: true })).then({ type: 'JobSucceeded', data: { job: 1, grant: 5, already: true } })
    given(...ready({ jobs: 1 }), granted([[1, 1]])).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), completed)
  })
  it('failure and an unknown outcome block the group', () => {
    given(...running).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), blocked(1))
    given(...running).when((state) => takeOutcome(state, 5, 1, notKnown)).then(unknown(1, 5), blocked(1))
  })
  it('a doubled one, one of another grant, and one out of the order of the grant change nothing (I4, P24)', () => {
    given(...running, succeeded(1, 5)).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
    given(...running).when((state) => takeOutcome(state, 4, 1, success)).thenNothing()
    given(...ready({ window: 2 }), granted([[1, 2]])).when((state) => takeOutcome(state, 5, 2, success)).thenNothing()
    given(...ready()).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
  })
  it('a failed job closes its grant; the rest is pending again in the same commit (I2)', () => {
    const { state } = given(...ready({ window: 3 }), granted([[1, 3]]), succeeded(1, 5)).when((at) => takeOutcome(at, 5, 2, failure)).then(failed(2, 5), blocked(2))
    expect(state.grant).toBeNull()
    given(...ready({ window: 3 }), granted([[1, 3]]), succeeded(1, 5), failed(2, 5), blocked(2)).when((at) => takeOutcome(at, 5, 3, success)).thenNothing()
  })
  it('late, for an unknown job (P24)', () => {
    const events = [...running, unknown(1, 5), blocked(1)]
    given(...events).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), unblocked)
    given(...events).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5)).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
    given(...events).when((state) => takeOutcome(state, 5, 1, notKnown)).thenNothing()
    given(...ready({ jobs: 1 }), granted([[1, 1]]), unknown(1, 5), blocked(1)).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), unblocked, completed)
  })
  it('late, for a pending job while no grant is open (P24)', () => {
    const events = [...running, returned(5, 'lost')]
    given(...events).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
    given(...events).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), blocked(1))
    given(...events).when((state) => takeOutcome(state, 5, 1, notKnown)).thenNothing()
    given(...events, granted([[1, 1]])).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
    // Only the job's last grant counts.
    given(...events, granted([[1, 1]]), returned(7)).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
    given(...events, granted([[1, 1]]), returned(7)).when((state) => takeOutcome(state, 7, 1, success)).then(succeeded(1, 7))
  })
  it('late, all of a window, in its order', () => {
    given(...ready({ window: 3 }), granted([[1, 3]]), returned(5, 'lost'))
      .when((state) => takeOutcome(state, 5, 2, success)).thenNothing()
      .when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5))
      .when((state) => takeOutcome(state, 5, 2, success)).then(succeeded(2, 5))
      .when((state) => takeOutcome(state, 5, 3, success)).then(succeeded(3, 5), completed)
  })
  it('a job granted only in a former window is not settled by that grant after a newer one', () => {
    given(...ready({ window: 2 }), granted([[1, 2]]), returned(5, 'lost'), granted([[1, 1]]), succeeded(1, 7))
      .when((state) => takeOutcome(state, 5, 2, success)).thenNothing()
  })
  it('an unknown job that a person settled takes its share of the grant with it', () => {
    const events = [...ready({ window: 3, jobs: 4 }), granted([[1, 3]]), unknown(1, 5), blocked(1), { type: 'JobResolved', data: { job: 1, as: 'succeeded' } } as GroupEvent, unblocked]
    const { state } = given(...events, succeeded(2, 5), succeeded(3, 5))
    expect(state.fault).toBeNull()
    given(...events, succeeded(2, 5), succeeded(3, 5)).when((at) => takeOutcome(at, 5, 4, success)).thenNothing()
  })
  it('the one in flight ends a group that is being cancelled (P25)', () => {
    const cancelling = [...running, cancelRequested, cancelled([2, 3])]
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5), groupCancelled)
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), groupCancelled)
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, notKnown)).then(unknown(1, 5), cancelled([1, 1]), groupCancelled)
  })
  it('a window in flight ends a group that is being cancelled (P25)', () => {
    const cancelling = [...ready({ window: 2 }), granted([[1, 2]]), cancelRequested, cancelled([3, 3])]
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, success)).then(succeeded(1, 5)).when((state) => takeOutcome(state, 5, 2, success)).then(succeeded(2, 5), groupCancelled)
    given(...cancelling).when((state) => takeOutcome(state, 5, 1, failure)).then(failed(1, 5), cancelled([2, 2]), groupCancelled)
  })
  it('after the end, and in a faulted group, nothing', () => {
    given(...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed).when((state) => takeOutcome(state, 5, 1, success)).thenNothing()
    for (const outcome of [success, failure, notKnown]) given(...running, broken).when((state) => takeOutcome(state, 5, 1, outcome)).thenNothing()
  })
  it('a long reason is cut between characters: an outcome always fits into a turn (P16)', () => {
    const decision = takeOutcome(given(...running).state, 5, 1, { kind: 'failed', reason: { code: 'c'.repeat(100), text: '😀'.repeat(10_000), full: 'f'.repeat(64) } })
    expect(decision.kind).toBe('events')
    const event = decision.kind === 'events' ? decision.events[0]! : undefined
    const reason = (event as { data: { reason: Reason } }).data.reason
    expect(reason).toEqual({ code: 'c'.repeat(64), text: '😀'.repeat(512), full: 'f'.repeat(64) })
  })
})

describe('handBack and expireGrant', () => {
  const running = [...ready(), granted([[1, 1]])]
  it('the job is pending again', () => {
    given(...running).when((state) => handBack(state, 5)).then(returned(5)).when((state) => grantLock(state, request)).then(granted([[1, 1]]))
    given(...running).when((state) => expireGrant(state, 5)).then(returned(5, 'lost')).when((state) => expireGrant(state, 5)).thenNothing()
  })
  it('of another grant: nothing', () => {
    given(...running).when((state) => handBack(state, 4)).thenNothing()
    given(...running).when((state) => expireGrant(state, 4)).thenNothing()
    given(...ready()).when((state) => handBack(state, 5)).thenNothing()
  })
  it('what is given up goes to another with that, except where nothing is to be granted anew', () => {
    const to = [{ first: 1, last: 1, agent: 'a2' }]
    given(...running).when((state) => expireGrant(state, 5, to)).then(returned(5, 'lost'), assigned(...to))
      .when((state) => grantLock(state, request)).thenRefused('not-assigned')
    given(...running).when((state) => expireGrant(state, 5, [{ first: 1, last: 1, agent: 'a1' }])).then(returned(5, 'lost'))
    given(...running).when((state) => expireGrant(state, 5, [{ first: 1, last: 9, agent: 'a2' }])).then(returned(5, 'lost'))
    given(...running).when((state) => expireGrant(state, 4, to)).thenNothing()
    const reason = { code: 'executor-lost', text: 'agent a1 was lost while it may have been at work on job 1' }
    given(...ready({}, onceOnly), granted([[1, 1]])).when((state) => expireGrant(state, 5, to)).then(unknown(1, 5, reason), blocked(1))
  })
  it('a lost executor leaves a job that must not be repeated unknown (I9)', () => {
    const reason = { code: 'executor-lost', text: 'agent a1 was lost while it may have been at work on job 1' }
    given(...ready({}, onceOnly), granted([[1, 1]])).when((state) => expireGrant(state, 5)).then(unknown(1, 5, reason), blocked(1))
    given(...ready({}, onceOnly), granted([[1, 1]])).when((state) => handBack(state, 5)).then(returned(5))
  })
  it('a direct job is never granted anew (P26)', () => {
    const direct = (job: typeof spec) => [...ready({ jobs: 1, mode: 'direct' as const }, job), granted([[1, 1]])]
    given(...direct(spec)).when((state) => expireGrant(state, 5))
      .then(failed(1, 5, { code: 'executor-lost', text: 'service a1 was lost while it may have been at work on the job; ask again' }), blocked(1))
    given(...direct(onceOnly)).when((state) => expireGrant(state, 5))
      .then(unknown(1, 5, { code: 'executor-lost', text: 'agent a1 was lost while it may have been at work on job 1' }), blocked(1))
    given(...direct(spec)).when((state) => handBack(state, 5))
      .then(failed(1, 5, { code: 'handed-back', text: 'service a1 stopped before it carried out the job; ask again' }), blocked(1))
  })
  it('while cancelling it ends the group (P25)', () => {
    const cancelling = [...ready({ window: 2 }), granted([[1, 2]]), cancelRequested, cancelled([3, 3]), succeeded(1, 5)]
    given(...cancelling).when((state) => handBack(state, 5)).then(returned(5), cancelled([2, 2]), groupCancelled)
    given(...cancelling).when((state) => expireGrant(state, 5)).then(returned(5, 'lost'), cancelled([2, 2]), groupCancelled)
  })
  it('in a faulted group nothing, nor after its cancel: only a person ends it', () => {
    for (const events of [[...running, broken], [...running, broken, groupCancelled]]) {
      given(...events).when((state) => handBack(state, 5)).thenNothing()
      given(...events).when((state) => expireGrant(state, 5)).thenNothing()
    }
  })
})
