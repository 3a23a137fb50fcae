/** What people decide about a group: retry a failed job, settle an unknown one, pause, go on, put before others, cancel the rest. */
import { type Decision, happened, nothing, refused } from '../../decision.ts'
import type { GroupEvent } from '../events.ts'
import { isPriority } from '../limits.ts'
import { groupTable } from '../machine.ts'
import { type GroupState, countOf, headJob, headPhase, isStopped, openGrants, runsToCancel, stoppedAt } from '../state.ts'
import { afterFailure, ending } from './failure.ts'
import { notUnknown, settleFirst } from './unknown.ts'
import { resolveUnordered, retryUnordered } from './unordered.ts'

/** The failed job that blocks the group is added anew, under a new number, in the old one's place (I3). */
export function retryFailed(state: GroupState): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'JobRetried')) {
    return refused('wrong-state', `group ${state.group} is ${state.phase}: only a blocked group can be retried`)
  }
  if (state.unordered !== null) return retryUnordered(state, state.unordered)
  const job = headJob(state)
  // A paused group need not have stopped at a job.
  if (!isStopped(state)) return refused('wrong-state', `group ${state.group} is ${state.phase}, and no job of it has failed: there is nothing to retry`)
  if (headPhase(state) !== 'failed') {
    return settleFirst(state, job!)
  }
  const retried: GroupEvent = { type: 'JobRetried', data: { job: state.jobsAdded + 1, retryOf: job! } }
  return groupTable.can(state.phase, 'GroupUnblocked') ? happened<GroupEvent>(retried, unblocked) : happened(retried)
}

/** A person has looked at the site and says what became of a job whose outcome is not known (I3). */
export function resolveUnknown(state: GroupState, job: number, as: 'succeeded' | 'failed'): Decision<GroupEvent> {
  if (state.unordered !== null) return resolveUnordered(state, state.unordered, job, as)
  if (!groupTable.can(state.phase, 'JobResolved') || state.unknown?.job !== job) {
    return notUnknown(state, job)
  }
  const resolved: GroupEvent = { type: 'JobResolved', data: { job, as } }
  if (as === 'failed') return happened(resolved, ...afterFailure(state, job))
  const events: GroupEvent[] = [resolved]
  if (groupTable.can(state.phase, 'GroupUnblocked')) events.push(unblocked)
  if (state.position + 1 === state.queued) events.push(ending(state))
  return happened(...events)
}

/** Nothing is granted from here on; what is in flight ends by its outcome or by I9. */
export function pauseGroup(state: GroupState): Decision<GroupEvent> {
  if (groupTable.can(state.phase, 'GroupPaused')) return happened<GroupEvent>({ type: 'GroupPaused', data: {} })
  return groupTable.can(state.phase, 'GroupResumed')
    ? nothing(`group ${state.group} is paused already`)
    : refused('wrong-state', `group ${state.group} is ${state.phase}: only a group that is at work can be paused`)
}

/** What stopped meanwhile at a job that did not succeed is blocked from here on. */
export function resumeGroup(state: GroupState): Decision<GroupEvent> {
  const resumed: GroupEvent = { type: 'GroupResumed', data: {} }
  if (groupTable.can(state.phase, resumed.type)) {
    const job = stoppedAt(state)
    return job === undefined ? happened(resumed) : happened<GroupEvent>(resumed, { type: 'GroupBlocked', data: { job } })
  }
  return groupTable.can(state.phase, 'GroupPaused')
    ? nothing(`group ${state.group} is not paused`)
    : refused('wrong-state', `group ${state.group} is ${state.phase}: only a paused group can be resumed`)
}

/** Whole number from -100 to 100; groups with a higher one are granted locks first. */
export function prioritizeGroup(state: GroupState, priority: number): Decision<GroupEvent> {
  if (!isPriority(priority)) return refused('malformed', `priority ${priority}: give a whole number from -100 to 100`)
  if (!groupTable.can(state.phase, 'GroupPrioritized')) return refused('wrong-state', `group ${state.group} is ${state.phase}: its priority has no meaning any more`)
  if (state.priority === priority) return nothing(`group ${state.group} has priority ${priority} already`)
  return happened<GroupEvent>({ type: 'GroupPrioritized', data: { priority } })
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
  const rest = runsToCancel(state, headPhase(state) === 'failed' ? 1 : inFlight)
  const events: GroupEvent[] = [{ type: 'GroupCancelRequested', data: {} }]
  if (countOf(rest) > 0) events.push({ type: 'JobsCancelled', data: { jobs: rest } })
  if (openGrants(state).length === 0) events.push(cancelled)
  return happened(...events)
}

const unblocked: GroupEvent = { type: 'GroupUnblocked', data: {} }
