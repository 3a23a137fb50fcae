/** What `evolve` does with facts that `decide` would never have written: a fault, the first one kept, and no exception. */
import { describe, expect, it } from 'vitest'
import type { GroupEvent } from '../../../machines/execution-group/events.ts'
import { evolve, foldCommitInto, foldInto } from '../../../machines/execution-group/evolve.ts'
import { absentGroup, assigneeOf, firstOfRetries } from '../../../machines/execution-group/state.ts'
import {
  added, blocked, cancelRequested, cancelled, completed, failed, granted, groupCancelled, groupName, opened, ready, resolved, retried, returned, sealed,
  spec, succeeded, unblocked, unknown,
} from '../../support/group-events.ts'

const fold = (...events: GroupEvent[]) => evolve(absentGroup(groupName), events)
const running = [...ready(), granted([[1, 1]])]
const inDoubt = [...running, unknown(1, 5), blocked(1)]
const stopped = [...running, failed(1, 5), blocked(1)]

describe('a broken order faults the group', () => {
  const cases: readonly (readonly [string, readonly GroupEvent[], GroupEvent])[] = [
    ['a second grant (I1)', running, granted([[2, 2]])],
    ['a grant of a later job (I2)', ready(), granted([[2, 2]])],
    ['a grant of more than there is', ready(), granted([[1, 4]])],
    ['a grant of nothing', ready(), granted([])],
    ['a lock returned that is not open', ready(), returned(4)],
    ['a lock returned with another token', running, returned(4)],
    ['a success of a later job', running, succeeded(2, 5)],
    ['a success with another token (I4)', running, succeeded(1, 4)],
    ['a success without a grant', ready(), succeeded(1, 4)],
    ['a second end of a job (I3)', [...stopped], failed(1, 5)],
    ['an unknown outcome without a grant', ready(), unknown(1, 4)],
    ['an unknown outcome of a later job', running, unknown(2, 5)],
    ['a decision about a job that is not unknown', stopped, resolved(1, 'succeeded')],
    ['a retry of a job that is unknown', inDoubt, retried(4, 1)],
    ['a retry under a number that is taken', stopped, retried(3, 1)],
    ['a retry of a later job', stopped, retried(4, 2)],
    ['a block without a reason', ready(), blocked(1)],
    ['a block at a job in flight', running, blocked(1)],
    ['a block at a later job', [...running, failed(1, 5)], blocked(2)],
    ['going on past a failed job', stopped, unblocked],
    ['going on past an unknown job', inDoubt, unblocked],
    ['cancelling fewer jobs than wait', [...running, cancelRequested], cancelled([2, 2])],
    ['cancelling the job in flight (P25)', [...running, cancelRequested], cancelled([1, 3])],
    ['an end with a grant open', [...running, cancelRequested, cancelled([2, 3])], groupCancelled],
    ['an end with jobs that wait (I3)', [...ready(), cancelRequested], groupCancelled],
    ['an end with a job unknown (I3)', [...inDoubt, cancelRequested], groupCancelled],
  ]
  it.each(cases)('%s', (_name, events, event) => {
    expect(fold(...events).fault).toBeNull()
    expect(fold(...events, event)).toMatchObject({ phase: 'faulted', fault: { type: 'broken-order', revision: events.length + 1, event: event.type } })
  })
  it.each<readonly [string, readonly GroupEvent[], GroupEvent]>([
    ['a part out of order', [opened({ parts: 2 })], added(2, spec)],
    ['a seal before the last part', [opened({ parts: 2 }), added(1, spec, spec, spec)], sealed],
    ['a seal before the last job', [opened(), added(1, spec)], sealed],
    ['a completion before the last job', running, completed],
  ])('%s', (_name, events, event) => {
    expect(fold(...events, event).fault?.type).toBe('broken-count')
  })
  it.each<readonly [string, readonly GroupEvent[], GroupEvent]>([
    ['opened twice', [opened()], opened()],
    ['jobs after the seal', ready(), added(2, spec)],
    ['anything after the end', [...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed], succeeded(1, 5)],
  ])('%s', (_name, events, event) => {
    expect(fold(...events, event).fault?.type).toBe('broken-life-cycle')
  })
  it('an unknown type is said to be that', () => {
    expect(fold(...ready(), { type: 'GroupTeleported', data: {} } as unknown as GroupEvent).fault).toEqual({ type: 'unknown-event', revision: 5, event: 'GroupTeleported' })
  })
  it.each<GroupEvent>([
    { type: 'LockGranted', data: undefined } as unknown as GroupEvent,
    { type: 'LockGranted', data: { jobs: null } } as unknown as GroupEvent,
    { type: 'LockReturned', data: {} } as unknown as GroupEvent,
    { type: 'JobUnknown', data: {} } as unknown as GroupEvent,
    { type: 'JobsAssigned', data: { assignments: [null] } } as unknown as GroupEvent,
  ])('what cannot be read faults and never throws: %o', (event) => {
    expect(fold(...ready(), event).phase).toBe('faulted')
  })
  it('the first fault stays, and only a cancel leads on', () => {
    const state = fold(...running, succeeded(3, 5), granted([[2, 2]]), succeeded(1, 5), completed)
    expect(state).toMatchObject({ phase: 'faulted', revision: 9, fault: { revision: 6 } })
    expect(fold(...running, succeeded(3, 5), groupCancelled)).toMatchObject({ phase: 'cancelled', fault: { revision: 6 } })
  })
})

describe('foldCommitInto', () => {
  it('a commit that was lost, or that comes twice, faults the group; its revision stays that of the log', () => {
    const lost = absentGroup(groupName)
    foldCommitInto(lost, 1, ready())
    foldCommitInto(lost, 6, [granted([[1, 1]])])
    expect(lost).toMatchObject({ phase: 'faulted', revision: 6, fault: { type: 'broken-revision', revision: 6, event: 'LockGranted' } })
    const twice = absentGroup(groupName)
    foldCommitInto(twice, 1, ready())
    foldCommitInto(twice, 4, [ready()[3]!])
    expect(twice).toMatchObject({ phase: 'faulted', revision: 4, fault: { type: 'broken-revision' } })
  })
})

describe('details', () => {
  it('a retry inherits the queue of the job that it replaces, and its scope (P22)', () => {
    const state = fold(...stopped, retried(4, 1), unblocked, granted([[4, 4]]), failed(4, 10), blocked(4), retried(5, 4), unblocked)
    expect(state.fault).toBeNull()
    expect([4, 5].map((job) => assigneeOf(state, job))).toEqual(['a1', 'a1'])
    expect([1, 4, 5, 2].map((job) => firstOfRetries(state, job))).toEqual([1, 1, 1, 2])
  })
  it('an ended group keeps no details of its jobs', () => {
    const state = absentGroup(groupName)
    for (const event of [...ready({ jobs: 1 }), granted([[1, 1]]), succeeded(1, 5), completed]) foldInto(state, event)
    expect(state).toMatchObject({ phase: 'completed', specs: [], assignments: [], lastGrant: null })
  })
})
