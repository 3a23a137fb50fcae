/** Events of a group in short, for specs; jobs as runs. */
import type { Assignment, GroupEvent, GroupMode, JobSpec, Reason, Run } from '../../machines/execution-group/events.ts'
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

export interface Opening {
  readonly jobs?: number
  readonly parts?: number
  readonly window?: number
  readonly mode?: GroupMode
}

export function opened({ jobs = 3, parts = 1, window = 1, mode = 'jobs' }: Opening = {}): GroupEvent {
  return {
    type: 'GroupOpened',
    data: { name: 'a group', decision: 1, jobs, parts, plan, order: 'strict', mode, window, region: 'east', distributionFactor: 100 },
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
export const completed: GroupEvent = { type: 'GroupCompleted', data: {} }

/** Sealed and assigned to `a1`: 4 revisions, so the next event has revision 5. */
export function ready(opening: Opening = {}, job: JobSpec = spec): GroupEvent[] {
  const jobs = opening.jobs ?? 3
  return [opened(opening), added(1, ...Array.from({ length: jobs }, () => job)), sealed, assigned({ first: 1, last: jobs, agent: 'a1' })]
}
