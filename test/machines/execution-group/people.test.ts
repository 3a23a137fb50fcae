/** Retry, resolve, cancel (I3, P25). Job 1 is granted at revision 5. */
import { describe, expect, it } from 'vitest'
import { assignJobs, grantLock } from '../../../machines/execution-group/decide/locks.ts'
import { cancelGroup, resolveUnknown, retryFailed } from '../../../machines/execution-group/decide/people.ts'
import type { GroupEvent } from '../../../machines/execution-group/events.ts'
import { exclusiveStateOf } from '../../../machines/execution-group/exclusive-state.ts'
import {
  assigned, blocked, cancelRequested, cancelled, completed, failed, given, granted, groupCancelled, opened, ready, resolved, retried, returned,
  succeeded, unblocked, unknown,
} from '../../support/group-events.ts'

const running = [...ready(), granted([[1, 1]])]
const stopped = [...running, failed(1, 5), blocked(1)]
const inDoubt = [...running, unknown(1, 5), blocked(1)]
const broken: GroupEvent = succeeded(3, 5)
const request = { agent: 'a1', instance: 'a1-i', credit: 1, callDeadlineMs: 10_000 }

describe('retryFailed', () => {
  it('a new job in the place of the old one, in the same queue (I3, P16)', () => {
    const { state } = given(...stopped).when(retryFailed).then(retried(4, 1), unblocked)
    expect(exclusiveStateOf(state)).toMatchObject({ pending: [[4, 4], [2, 3]], failed: [{ job: 1 }], retries: [{ job: 4, retryOf: 1 }] })
    given(...stopped, retried(4, 1), unblocked).when((at) => grantLock(at, request)).then(granted([[4, 4]]))
  })
  it('a retry whose agent was lost can be assigned by its own number', () => {
    given(...stopped, retried(4, 1), unblocked)
      .when((state) => assignJobs(state, [{ first: 4, last: 4, agent: 'a2' }])).then(assigned({ first: 4, last: 4, agent: 'a2' }))
      .when((state) => grantLock(state, { ...request, agent: 'a2', instance: 'a2-i' })).then(granted([[4, 4]], 'a2'))
  })
  it('of a retry again, and in the middle of the queue', () => {
    given(...ready(), granted([[1, 1]]), succeeded(1, 5), granted([[2, 2]]), failed(2, 7), blocked(2))
      .when(retryFailed).then(retried(4, 2), unblocked)
      .when((state) => grantLock(state, request)).then(granted([[4, 4]]))
    const { state } = given(...stopped, retried(4, 1), unblocked, granted([[4, 4]]), failed(4, 10), blocked(4)).when(retryFailed).then(retried(5, 4), unblocked)
    expect(exclusiveStateOf(state).pending).toEqual([[5, 5], [2, 3]])
  })
  it('only what failed', () => {
    given(...inDoubt).when(retryFailed).thenRefused('wrong-state')
    given(...running).when(retryFailed).thenRefused('wrong-state')
    given(...stopped, broken).when(retryFailed).thenRefused('wrong-state')
    given().when(retryFailed).thenRefused('wrong-state')
  })
})

describe('resolveUnknown', () => {
  it('as succeeded goes on, or ends the group', () => {
    given(...inDoubt).when((state) => resolveUnknown(state, 1, 'succeeded')).then(resolved(1, 'succeeded'), unblocked)
    given(...ready({ jobs: 1 }), granted([[1, 1]]), unknown(1, 5), blocked(1))
      .when((state) => resolveUnknown(state, 1, 'succeeded')).then(resolved(1, 'succeeded'), unblocked, completed)
  })
  it('as failed stays blocked, to be retried', () => {
    given(...inDoubt).when((state) => resolveUnknown(state, 1, 'failed')).then(resolved(1, 'failed')).when(retryFailed).then(retried(4, 1), unblocked)
  })
  it('only the job that is unknown', () => {
    given(...inDoubt).when((state) => resolveUnknown(state, 2, 'succeeded')).thenRefused('wrong-state')
    given(...stopped).when((state) => resolveUnknown(state, 1, 'succeeded')).thenRefused('wrong-state')
    given(...inDoubt, broken).when((state) => resolveUnknown(state, 1, 'succeeded')).thenRefused('wrong-state')
  })
})

describe('cancelGroup', () => {
  it('nothing in flight: at once', () => {
    given(...ready()).when(cancelGroup).then(cancelRequested, cancelled([1, 3]), groupCancelled)
    given(...inDoubt).when(cancelGroup).then(cancelRequested, cancelled([1, 3]), groupCancelled)
    given(...running, returned(5)).when(cancelGroup).then(cancelRequested, cancelled([1, 3]), groupCancelled)
  })
  it('a failed job keeps its end; only what stands behind it is cancelled', () => {
    const { state } = given(...stopped).when(cancelGroup).then(cancelRequested, cancelled([2, 3]), groupCancelled)
    expect(exclusiveStateOf(state)).toMatchObject({ failed: [{ job: 1 }], cancelled: [[2, 3]], pending: [], executed: [] })
    given(...ready({ jobs: 1 }), granted([[1, 1]]), failed(1, 5), blocked(1)).when(cancelGroup).then(cancelRequested, groupCancelled)
  })
  it('never closes an open grant (P25)', () => {
    given(...running).when(cancelGroup).then(cancelRequested, cancelled([2, 3])).when(cancelGroup).thenNothing()
    given(...ready({ jobs: 1 }), granted([[1, 1]])).when(cancelGroup).then(cancelRequested)
    const { state } = given(...ready({ jobs: 5, window: 3 }), granted([[1, 3]]), succeeded(1, 5)).when(cancelGroup).then(cancelRequested, cancelled([4, 5]))
    expect(exclusiveStateOf(state)).toMatchObject({ executed: [[1, 1]], executing: [[2, 3]], cancelled: [[4, 5]], pending: [] })
  })
  it('is what a faulted group still takes', () => {
    given(...running, broken).when(cancelGroup).then(groupCancelled).when(cancelGroup).thenNothing()
  })
  it('what is over stays so; what is not there is refused', () => {
    given(...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed).when(cancelGroup).thenNothing()
    given(opened(), { type: 'GroupAbandoned', data: { reason: 'deadline' } }).when(cancelGroup).thenNothing()
    given().when(cancelGroup).thenRefused('unknown-group')
  })
})
