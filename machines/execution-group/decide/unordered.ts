/** Granting locks, taking outcomes and giving locks back where no job waits for another; and what people decide about such jobs. */
import { type Decision, happened, nothing, refused } from '../../decision.ts'
import { jobTable } from '../../job/machine.ts'
import type { GroupEvent, Run } from '../events.ts'
import { cutReason } from '../limits.ts'
import { groupTable } from '../machine.ts'
import { type GroupState, assigneeOf, canGiveBack, failurePolicy } from '../state.ts'
import { type UnorderedGrant, type UnorderedState, indexOfGrant, lateGrantOf, nextOfGrant, nextReadyRuns, restOf, spanOf, stopsOf } from '../unordered.ts'
import { ending } from './failure.ts'
import type { GrantRequest, Outcome } from './locks.ts'
import { notUnknown, settleFirst } from './unknown.ts'

/** Most jobs that one command adds anew, so that the commit fits into a turn (P16). */
export const retryLimit = 500

/** I1: only jobs that wait, so that no job has two open grants; only to the agent whose queue holds them. */
export function grantUnordered(state: GroupState, unordered: UnorderedState, request: GrantRequest): Decision<GroupEvent> {
  const { agent, instance, callDeadlineMs, job } = request
  let jobs: readonly Run[]
  if (job === undefined) {
    jobs = nextReadyRuns(unordered, agent, Math.min(state.window, Math.max(1, request.credit)))
    if (jobs.length === 0) return refused('too-early', `group ${state.group}: no job in the queue of ${agent} waits for a lock`)
  } else {
    const phase = unordered.phases[job - 1]
    if (phase === undefined || !jobTable.can(phase, 'Granted')) return refused('too-early', `group ${state.group}: job ${job} is ${phase ?? 'not one of its jobs'}; ask for another`)
    const assignee = assigneeOf(state, job)
    if (assignee !== agent) return refused('not-assigned', `group ${state.group}: job ${job} is in the queue of ${assignee ?? 'nobody yet'}`)
    jobs = [[job, job]]
  }
  return happened({ type: 'LockGranted', data: { jobs, agent, instance, callDeadlineMs } })
}

/** An open grant's outcomes count in its order; of a closed one those of jobs that no later grant was given (P24). */
export function takeUnordered(state: GroupState, unordered: UnorderedState, grant: number, job: number, outcome: Outcome): Decision<GroupEvent> {
  const open = grantAt(unordered, grant)
  if (open === undefined && lateGrantOf(unordered, job) !== grant) return nothing(`grant ${grant} of group ${state.group} is not open`)
  if (open !== undefined && nextOfGrant(open) !== job) return nothing(`job ${job} of group ${state.group} is not the next of grant ${grant}`)
  const phase = unordered.phases[job - 1]!
  switch (outcome.kind) {
    case 'succeeded': {
      const event: GroupEvent = { type: 'JobSucceeded', data: outcome.already === true ? { job, grant, already: true } : { job, grant } }
      if (!groupTable.can(state.phase, event.type) || !jobTable.can(phase, 'Succeeded')) return nothing(`job ${job} is ${phase}`)
      if (isCancelling(state)) return isLast(unordered, open) && open!.left === 1 ? happened<GroupEvent>(event, cancelledNow) : happened(event)
      return happened(event, ...afterSettled(state, unordered, phase === 'unknown'))
    }
    case 'failed': {
      const event: GroupEvent = { type: 'JobFailed', data: { job, grant, reason: cutReason(outcome.reason) } }
      if (!groupTable.can(state.phase, event.type) || !jobTable.can(phase, 'Failed')) return nothing(`job ${job} is ${phase}`)
      if (isCancelling(state)) return cancelledWith(event, open === undefined ? [] : restOf(open), isLast(unordered, open))
      return happened(event, ...afterFailure(state, unordered, job, phase === 'unknown'))
    }
    case 'unknown': {
      if (open === undefined) return nothing(`job ${job} of group ${state.group} is ${phase} already`)
      const event: GroupEvent = { type: 'JobUnknown', data: { job, grant, reason: cutReason(outcome.reason) } }
      if (!groupTable.can(state.phase, event.type)) return nothing(`group ${state.group} is ${state.phase}`)
      if (isCancelling(state)) return cancelledWith(event, open.jobs, isLast(unordered, open))
      return groupTable.can(state.phase, 'GroupBlocked') ? happened<GroupEvent>(event, { type: 'GroupBlocked', data: { job } }) : happened(event)
    }
  }
}

/** No call of it runs, and none will (P19). */
export function handBackUnordered(state: GroupState, unordered: UnorderedState, grant: number): Decision<GroupEvent> {
  const open = returnable(state, unordered, grant)
  return open === undefined ? nothing(`grant ${grant} of group ${state.group} is not open`) : returned(state, unordered, open, 'handed-back')
}

/** Its executor is lost for good (I9, P18); the other grants of the group stay as they are. */
export function expireUnordered(state: GroupState, unordered: UnorderedState, grant: number): Decision<GroupEvent> {
  const open = returnable(state, unordered, grant)
  if (open === undefined) return nothing(`grant ${grant} of group ${state.group} is not open`)
  const job = nextOfGrant(open)
  // What may harm when done twice is never repeated by itself (I9).
  if (state.specs[job - 1]?.repeatable !== false) return returned(state, unordered, open, 'lost')
  const reason = { code: 'executor-lost', text: `agent ${open.agent} was lost while it may have been at work on job ${job}` }
  return takeUnordered(state, unordered, grant, job, { kind: 'unknown', reason })
}

/** All that failed, so that the group goes on with one command; those whose outcome is not known are settled first. */
export function retryUnordered(state: GroupState, unordered: UnorderedState): Decision<GroupEvent> {
  const [unknown] = unordered.unknown
  if (stopsOf(unordered) === 0) return refused('wrong-state', `group ${state.group} is ${state.phase}, and no job of it has failed: there is nothing to retry`)
  if (unordered.stopped.length === 0) {
    return settleFirst(state, unknown!.job)
  }
  const events: GroupEvent[] = unordered.stopped.slice(0, retryLimit).map((retryOf, index) => ({ type: 'JobRetried', data: { job: state.jobsAdded + 1 + index, retryOf } }))
  if (unknown === undefined && unordered.stopped.length <= retryLimit && groupTable.can(state.phase, 'GroupUnblocked')) events.push(unblocked)
  return happened(...events)
}

export function resolveUnordered(state: GroupState, unordered: UnorderedState, job: number, as: 'succeeded' | 'failed'): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'JobResolved') || !unordered.unknown.some((one) => one.job === job)) {
    return notUnknown(state, job)
  }
  const resolved: GroupEvent = { type: 'JobResolved', data: { job, as } }
  return happened(resolved, ...(as === 'succeeded' ? afterSettled(state, unordered, true) : afterFailure(state, unordered, job, true)))
}

/** What stands in the commit behind the end of a job that counts as settled; `stopped`: it stopped the group so far. */
function afterSettled(state: GroupState, unordered: UnorderedState, stopped: boolean): GroupEvent[] {
  const events: GroupEvent[] = []
  if (stopped && stopsOf(unordered) === 1 && groupTable.can(state.phase, 'GroupUnblocked')) events.push(unblocked)
  if (state.position + 1 === state.queued) events.push(ending(state))
  return events
}

function afterFailure(state: GroupState, unordered: UnorderedState, job: number, stopped: boolean): GroupEvent[] {
  if (failurePolicy(state) === 'continue') return afterSettled(state, unordered, stopped)
  return groupTable.can(state.phase, 'GroupBlocked') ? [{ type: 'GroupBlocked', data: { job } }] : []
}

function returned(state: GroupState, unordered: UnorderedState, open: UnorderedGrant, why: 'handed-back' | 'lost'): Decision<GroupEvent> {
  const event: GroupEvent = { type: 'LockReturned', data: { grant: open.revision, why } }
  return isCancelling(state) ? cancelledWith(event, open.jobs, isLast(unordered, open)) : happened(event)
}

/** P25: what a grant held when it was closed is cancelled at once, and the group is over with its last grant. */
function cancelledWith(event: GroupEvent, rest: readonly Run[], last: boolean): Decision<GroupEvent> {
  const events: GroupEvent[] = [event]
  if (rest.length > 0) events.push({ type: 'JobsCancelled', data: { jobs: spanOf(rest) } })
  if (last) events.push(cancelledNow)
  return happened(...events)
}

function isCancelling(state: GroupState): boolean {
  return groupTable.can(state.phase, 'GroupCancelled')
}

function isLast({ grants }: UnorderedState, open: UnorderedGrant | undefined): boolean {
  return open !== undefined && grants.length === 1
}

/** In a faulted group no grant can be given back: only a cancel is decided there. */
function returnable(state: GroupState, unordered: UnorderedState, grant: number): UnorderedGrant | undefined {
  return canGiveBack(state) ? grantAt(unordered, grant) : undefined
}

function grantAt(unordered: UnorderedState, grant: number): UnorderedGrant | undefined {
  return unordered.grants[indexOfGrant(unordered, grant)]
}

const cancelledNow: GroupEvent = { type: 'GroupCancelled', data: {} }
const unblocked: GroupEvent = { type: 'GroupUnblocked', data: {} }
