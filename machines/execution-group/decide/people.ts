/** What people decide about a group: retry a failed job, settle an unknown one, cancel the rest. */
import { type Decision, happened, nothing, refused } from '../../decision.ts'
import type { GroupEvent } from '../events.ts'
import { groupTable } from '../machine.ts'
import { type GroupState, countOf, headJob, headPhase, runsFromHead } from '../state.ts'

/** The failed job that blocks the group is added anew, under a new number, in the old one's place (I3). */
export function retryFailed(state: GroupState): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'JobRetried')) {
    return refused('wrong-state', `group ${state.group} is ${state.phase}: only a blocked group can be retried`)
  }
  const job = headJob(state)
  if (headPhase(state) !== 'failed') {
    return refused('wrong-state', `the outcome of job ${job} of group ${state.group} is not known; settle it first with "reeve group resolve ${state.group} ${job} succeeded|failed"`)
  }
  return happened({ type: 'JobRetried', data: { job: state.jobsAdded + 1, retryOf: job! } }, { type: 'GroupUnblocked', data: {} })
}

/** A person has looked at the site and says what became of a job whose outcome is not known (I3). */
export function resolveUnknown(state: GroupState, job: number, as: 'succeeded' | 'failed'): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'JobResolved') || state.unknown?.job !== job) {
    return refused('wrong-state', `job ${job} of group ${state.group} is not in the state "unknown"`)
  }
  const resolved: GroupEvent = { type: 'JobResolved', data: { job, as } }
  if (as === 'failed') return happened(resolved)
  const unblocked: GroupEvent = { type: 'GroupUnblocked', data: {} }
  const completed: GroupEvent = { type: 'GroupCompleted', data: {} }
  return state.position + 1 === state.queued ? happened<GroupEvent>(resolved, unblocked, completed) : happened<GroupEvent>(resolved, unblocked)
}

/** P25: never closes an open grant. */
export function cancelGroup(state: GroupState): Decision<GroupEvent> {
  const cancelled: GroupEvent = { type: 'GroupCancelled', data: {} }
  if (groupTable.can(state.phase, 'GroupAbandoned')) return happened({ type: 'GroupAbandoned', data: { reason: 'cancelled' } })
  if (state.fault !== null && groupTable.can(state.phase, 'GroupCancelled')) return happened(cancelled)
  if (groupTable.can(state.phase, 'GroupCancelled')) return nothing(`group ${state.group} is being cancelled already`)
  if (!groupTable.can(state.phase, 'GroupCancelRequested')) {
    return state.phase === 'absent'
      ? refused('unknown-group', `there is no group ${state.group}`)
      : nothing(`group ${state.group} is ${state.phase} already`)
  }
  const inFlight = state.grant?.left ?? 0
  const rest = runsFromHead(state, state.queued, headPhase(state) === 'failed' ? 1 : inFlight)
  const events: GroupEvent[] = [{ type: 'GroupCancelRequested', data: {} }]
  if (countOf(rest) > 0) events.push({ type: 'JobsCancelled', data: { jobs: rest } })
  if (inFlight === 0) events.push(cancelled)
  return happened(...events)
}
