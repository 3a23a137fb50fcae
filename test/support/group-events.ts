/** Events of a group in short, for specs; jobs as runs. */
import type { Assignment, GroupEvent, GroupMode, GroupOrder, GroupTerms, JobSpec, Reason, Run } from '../../machines/execution-group/events.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import { specification } from './decider-specification.ts'

export const groupName = 'east-1-01J0000000000000000000GRP1'
export const given = specification<GroupState, GroupEvent>({
  empty: () => absentGroup(groupName),
  fold: foldInto,
  fault: (state) => state.fault ?? undefined,
})

export const spec: JobSpec = { site: 'site-a', service: 'vm-1', operation: { name: 'start' }, repeatable: true }
export const onceOnly: JobSpec = { ...spec, repeatable: false }
export const plan = 'a'.repeat(64)
export const why: Reason = { code: 'refused-by-site', text: 'no' }

export interface Opening extends GroupTerms {
  readonly order?: GroupOrder
  readonly jobs?: number
  readonly parts?: number
  readonly window?: number
  readonly mode?: GroupMode
}

export function opened({ jobs = 3, parts = 1, window = 1, mode = 'jobs', order = 'strict', ...terms }: Opening = {}): GroupEvent {
  const decision = order === 'strict' && Object.keys(terms).length === 0 ? 1 : 2
  return {
    type: 'GroupOpened',
    data: { name: 'a group', decision, jobs, parts, plan, order, mode, window, region: 'east', distributionFactor: 100, ...terms },
  }
}
export const added = (part: number, ...jobs: JobSpec[]): GroupEvent => ({ type: 'JobsAdded', data: { part, jobs } })
export const sealed: GroupEvent = { type: 'GroupSealed', data: {} }
export const abandoned = (reason: 'deadline' | 'cancelled'): GroupEvent => ({ type: 'GroupAbandoned', data: { reason } })
export const assigned = (...assignments: Assignment[]): GroupEvent => ({ type: 'JobsAssigned', data: { assignments } })
export const granted = (jobs: readonly Run[], agent = 'a1'): GroupEvent => ({
  type: 'LockGranted',
  data: { jobs, agent, instance: `${agent}-i`, callDeadlineMs: 10_000 },
})
export const returned = (grant: number, reason: 'handed-back' | 'lost' = 'handed-back'): GroupEvent => ({ type: 'LockReturned', data: { grant, why: reason } })
export const succeeded = (job: number, grant: number): GroupEvent => ({ type: 'JobSucceeded', data: { job, grant } })
export const failed = (job: number, grant: number, reason = why): GroupEvent => ({ type: 'JobFailed', data: { job, grant, reason } })
export const unknown = (job: number, grant: number, reason = why): GroupEvent => ({ type: 'JobUnknown', data: { job, grant, reason } })
export const resolved = (job: number, as: 'succeeded' | 'failed'): GroupEvent => ({ type: 'JobResolved', data: { job, as } })
export const retried = (job: number, retryOf: number): GroupEvent => ({ type: 'JobRetried', data: { job, retryOf } })
export const cancelled = (...jobs: Run[]): GroupEvent => ({ type: 'JobsCancelled', data: { jobs } })
export const blocked = (job: number): GroupEvent => ({ type: 'GroupBlocked', data: { job } })
export const unblocked: GroupEvent = { type: 'GroupUnblocked', data: {} }
export const cancelRequested: GroupEvent = { type: 'GroupCancelRequested', data: {} }
export const groupCancelled: GroupEvent = { type: 'GroupCancelled', data: {} }
export const paused: GroupEvent = { type: 'GroupPaused', data: {} }
export const resumed: GroupEvent = { type: 'GroupResumed', data: {} }
export const prioritized = (priority: number): GroupEvent => ({ type: 'GroupPrioritized', data: { priority } })
export const compensationBegun = (job: number, ...of: Run[]): GroupEvent => ({ type: 'CompensationBegun', data: { job, of } })
export const compensated: GroupEvent = { type: 'GroupCompensated', data: {} }
export const completed: GroupEvent = { type: 'GroupCompleted', data: {} }

/** Sealed and assigned to `a1`: 4 revisions, so the next event has revision 5. */
export function ready(opening: Opening = {}, job: JobSpec = spec): GroupEvent[] {
  return readyWith(opening, Array.from({ length: opening.jobs ?? 3 }, () => job))
}

export function readyWith(opening: Opening, jobs: readonly JobSpec[]): GroupEvent[] {
  return [opened({ ...opening, jobs: jobs.length }), added(1, ...jobs), sealed, assigned({ first: 1, last: jobs.length, agent: 'a1' })]
}
