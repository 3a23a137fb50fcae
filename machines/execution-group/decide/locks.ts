/** Assigning jobs, granting locks, taking outcomes, and giving locks back. */
import { jobTable } from '../../job/machine.ts'
import { type Decision, happened, nothing, refused } from '../../decision.ts'
import type { Assignment, GroupEvent, Reason, Run } from '../events.ts'
import { cutReason, partLimitBytes, sizeBytes } from '../limits.ts'
import { groupTable } from '../machine.ts'
import { isRunnable, nextReady } from '../graph.ts'
import { type GroupState, assigneeOf, assignmentFrom, canGiveBack, countOf, headJob, headPhase, runsFromHead, runsToCancel } from '../state.ts'
import { afterFailure, ending } from './failure.ts'
import { expireUnordered, grantUnordered, handBackUnordered, takeUnordered } from './unordered.ts'

/**
 * Before the seal, once all parts are there, it is the proposal of who asked for the group; afterwards the leader's.
 * `ifRevision`: what the asker had seen of the group (P27); refused when it was assigned since, or is not that far yet.
 */
export function assignJobs(state: GroupState, assignments: readonly Assignment[], ifRevision?: number): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'JobsAssigned')) return nothing(`group ${state.group} is ${state.phase}`)
  if (groupTable.can(state.phase, 'GroupSealed') && state.jobsAdded !== state.jobsAnnounced) return nothing(`group ${state.group} waits for more of its jobs`)
  if (ifRevision !== undefined && (ifRevision > state.revision || ifRevision < state.assignedRevision)) {
    return refused('stale', `group ${state.group} is at revision ${state.revision} and was assigned at ${state.assignedRevision}, not as seen at ${ifRevision}; read it again`)
  }
  for (const { first, last } of assignments) {
    if (!Number.isInteger(first) || !Number.isInteger(last) || first < 1 || last < first || last > state.jobsAdded) {
      return refused('malformed', `group ${state.group} has no jobs ${first} to ${last}`)
    }
  }
  if (assignments.every((assignment) => state.assignments.some((old) => old.agent === assignment.agent && old.first <= assignment.first && assignment.last <= old.last))) {
    return nothing('assigned so already')
  }
  if (sizeBytes(assignments) > partLimitBytes) {
    return refused('too-large', `the assignments of group ${state.group} take more than ${partLimitBytes} bytes; give them in several commands`)
  }
  return happened({ type: 'JobsAssigned', data: { assignments } })
}

export interface GrantRequest {
  readonly agent: string
  readonly instance: string
  /** Most jobs to grant; the group's window is the other bound. Below 1 nothing is granted, except a job asked for by name. */
  readonly credit: number
  readonly callDeadlineMs: number
  /** Asked for by name: refused when it is not the job whose turn it is. */
  readonly job?: number
}

/** I1, I2: only the jobs at the head, only while no grant is open, only to the agent whose queue holds them. */
export function grantLock(state: GroupState, request: GrantRequest): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'LockGranted')) return refused('wrong-state', `group ${state.group} is ${state.phase}: no lock is granted`)
  if (request.credit < 1 && request.job === undefined) return nothing(`agent ${request.agent} has no room`)
  if (state.graph !== null) return grantOfGraph(state, request)
  if (state.unordered !== null) return grantUnordered(state, state.unordered, request)
  const head = headJob(state)
  if (head === undefined || !jobTable.can(headPhase(state), 'Granted')) {
    return refused('too-early', `group ${state.group}: job ${head ?? 'after the last'} is ${headPhase(state)}; ask again when it is settled`)
  }
  if (request.job !== undefined && request.job !== head) {
    return refused('too-early', `group ${state.group}: job ${request.job} waits for job ${head}`)
  }
  if (assigneeOf(state, head) !== request.agent) {
    return refused('not-assigned', `group ${state.group}: job ${head} is in the queue of ${assigneeOf(state, head) ?? 'nobody yet'}`)
  }
  const wanted = Math.min(state.window, Math.max(1, request.credit))
  const jobs = wanted === 1 ? [[head, head] as const] : sameAssignee(state, request.agent, wanted)
  return happened({
    type: 'LockGranted',
    data: { jobs, agent: request.agent, instance: request.instance, callDeadlineMs: request.callDeadlineMs },
  })
}

/** Any job whose predicates are settled may go on, so that a branch does not wait for an agent that only another one needs. */
function grantOfGraph(state: GroupState, request: GrantRequest): Decision<GroupEvent> {
  const { agent, instance, callDeadlineMs } = request
  if (state.grant !== null) return refused('too-early', `group ${state.group}: job ${state.head} is granted; ask again when it is settled`)
  const job = request.job ?? nextReady(state.graph!, agent)
  if (job === undefined) return refused('too-early', `group ${state.group}: no job in the queue of ${agent} can run yet; ask again when another is settled`)
  if (!isRunnable(state.graph!, job)) return refused('too-early', `group ${state.group}: job ${job} waits for others; ask again when they are settled`)
  const assignee = assigneeOf(state, job)
  if (assignee !== agent) return refused('not-assigned', `group ${state.group}: job ${job} is in the queue of ${assignee ?? 'nobody yet'}`)
  return happened({ type: 'LockGranted', data: { jobs: [[job, job]], agent, instance, callDeadlineMs } })
}

/** The longest stretch from the head, at most `wanted` jobs, that lies in this agent's queue. */
function sameAssignee(state: GroupState, agent: string, wanted: number): Run[] {
  const runs = runsFromHead(state, wanted)
  let count = 0
  for (const [first, last] of runs) {
    for (let job = first; job <= last; job++) {
      const assignment = assignmentFrom(state.assignments, job)
      if (assignment === undefined || assignment.first > job || assignment.agent !== agent) return runsFromHead(state, count)
      const end = Math.min(last, assignment.last)
      count += end - job + 1
      job = end
    }
  }
  return runs
}

export type Outcome =
  | { readonly kind: 'succeeded'; readonly already?: true }
  | { readonly kind: 'failed'; readonly reason: Reason }
  | { readonly kind: 'unknown'; readonly reason: Reason }

/**
 * An outcome is judged by its token, whoever brings it (P17). For a grant that is not the open one it changes nothing, except
 * where P24 lets it settle the job at the head.
 */
export function takeOutcome(state: GroupState, grant: number, job: number, outcome: Outcome): Decision<GroupEvent> {
  if (state.unordered !== null) return takeUnordered(state, state.unordered, grant, job, outcome)
  const open = state.grant
  if (open !== null ? open.revision !== grant : state.lastGrant?.revision !== grant || state.lastGrant.left < 1) {
    return nothing(`grant ${grant} of group ${state.group} is not open`)
  }
  if (headJob(state) !== job) return nothing(`job ${job} of group ${state.group} is not the next of grant ${grant}`)
  const cancelling = groupTable.can(state.phase, 'GroupCancelled')
  switch (outcome.kind) {
    case 'succeeded': {
      const event: GroupEvent = {
        type: 'JobSucceeded',
        data: outcome.already === true ? { job, grant, already: true } : { job, grant },
      }
      if (!groupTable.can(state.phase, event.type) || !jobTable.can(headPhase(state), 'Succeeded')) return nothing(`job ${job} is ${headPhase(state)}`)
      const last = state.position + 1 === state.queued
      if (cancelling) return last ? happened(event, cancelledNow) : happened(event)
      if (groupTable.can(state.phase, 'GroupUnblocked')) {
        return last ? happened(event, unblocked, ending(state)) : happened(event, unblocked)
      }
      return last ? happened(event, ending(state)) : happened(event)
    }
    case 'failed': {
      const event: GroupEvent = { type: 'JobFailed', data: { job, grant, reason: cutReason(outcome.reason) } }
      if (!groupTable.can(state.phase, event.type) || !jobTable.can(headPhase(state), 'Failed')) return nothing(`job ${job} is ${headPhase(state)}`)
      return cancelling ? cancelledWith(state, event, 1) : happened(event, ...afterFailure(state, job))
    }
    case 'unknown': {
      if (open === null) return nothing(`job ${job} of group ${state.group} is ${headPhase(state)} already`)
      if (!groupTable.can(state.phase, 'JobUnknown')) return nothing(`group ${state.group} is ${state.phase}`)
      const event: GroupEvent = { type: 'JobUnknown', data: { job, grant, reason: cutReason(outcome.reason) } }
      if (cancelling) return cancelledWith(state, event, 0)
      return groupTable.can(state.phase, 'GroupBlocked') ? happened<GroupEvent>(event, { type: 'GroupBlocked', data: { job } }) : happened(event)
    }
  }
}

/** A group that is being cancelled is over with a job that did not succeed (P25). */
function cancelledWith(state: GroupState, event: GroupEvent, settledAtHead: 0 | 1): Decision<GroupEvent> {
  const rest = runsToCancel(state, settledAtHead)
  const events: GroupEvent[] = [event]
  if (countOf(rest) > 0) events.push({ type: 'JobsCancelled', data: { jobs: rest } })
  return happened(...events, cancelledNow)
}

/**
 * The executor gives the lock back: no call of it runs, and none will (P19), so its jobs may be granted anew at once. A job
 * that is not repeatable and was begun ends as its outcome instead (I9).
 */
export function handBack(state: GroupState, grant: number): Decision<GroupEvent> {
  if (state.unordered !== null) return handBackUnordered(state, state.unordered, grant)
  if (!isOpen(state, grant)) return nothing(`grant ${grant} of group ${state.group} is not open`)
  if (state.mode === 'direct') {
    return takeOutcome(state, grant, headJob(state)!, {
      kind: 'failed',
      reason: { code: 'handed-back', text: `service ${state.grant!.agent} stopped before it carried out the job; ask again` },
    })
  }
  return returned(state, { type: 'LockReturned', data: { grant, why: 'handed-back' } })
}

/**
 * The executor's presence is lost for good, and the time of a call has passed since where the site does not fence (I9, P18).
 * `assignments`: to whom its jobs go with that, where they are to be granted anew.
 */
export function expireGrant(state: GroupState, grant: number, assignments: readonly Assignment[] = []): Decision<GroupEvent> {
  const expired = state.unordered === null ? expireOrdered(state, grant) : expireUnordered(state, state.unordered, grant)
  if (assignments.length === 0 || expired.kind !== 'events' || expired.events.length > 1 || expired.events[0]!.type !== 'LockReturned') return expired
  const assigned = assignJobs(state, assignments)
  return assigned.kind === 'events' ? happened(...expired.events, ...assigned.events) : expired
}

function expireOrdered(state: GroupState, grant: number): Decision<GroupEvent> {
  if (!isOpen(state, grant)) return nothing(`grant ${grant} of group ${state.group} is not open`)
  const job = headJob(state)!
  // What may harm when done twice is never repeated by itself (I9).
  if (state.specs[job - 1]?.repeatable === false) {
    return takeOutcome(state, grant, job, {
      kind: 'unknown',
      reason: { code: 'executor-lost', text: `agent ${state.grant!.agent} was lost while it may have been at work on job ${job}` },
    })
  }
  // P26: never granted anew.
  if (state.mode === 'direct') {
    return takeOutcome(state, grant, job, {
      kind: 'failed',
      reason: { code: 'executor-lost', text: `service ${state.grant!.agent} was lost while it may have been at work on the job; ask again` },
    })
  }
  return returned(state, { type: 'LockReturned', data: { grant, why: 'lost' } })
}

/** In a faulted group no grant can be given back: only a cancel is decided there. */
function isOpen(state: GroupState, grant: number): boolean {
  return state.grant?.revision === grant && canGiveBack(state)
}

function returned(state: GroupState, event: GroupEvent): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'GroupCancelled')) return happened(event)
  const rest = runsToCancel(state, 0)
  return happened(event, { type: 'JobsCancelled', data: { jobs: rest } }, cancelledNow)
}

const cancelledNow: GroupEvent = { type: 'GroupCancelled', data: {} }
const unblocked: GroupEvent = { type: 'GroupUnblocked', data: {} }
