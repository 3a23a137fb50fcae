/** What the events of a group of order `none` do to its jobs and to what could be granted. In place. */
import { type JobSignal, jobTable } from '../job/machine.ts'
import type { Assignment, GroupEvent, Run } from './events.ts'
import { type Fault, type GroupState, assigneeOf, countOf, failurePolicy, runsToCancel, sameRuns } from './state.ts'
import { type UnorderedState, indexOfGrant, lateGrantOf, nextOfGrant, pushReady, restOf, runsIn, stopsOf, takeReady, unorderedOf } from './unordered.ts'

type DataOf<T extends GroupEvent['type']> = Extract<GroupEvent, { type: T }>['data']
type Broken = Fault['type'] | undefined

export function sealUnordered(state: GroupState): Broken {
  // What undoes jobs has an order.
  if (state.onFailure === 'compensate' || state.specs.some(({ after }) => after !== undefined)) return 'broken-order'
  state.unordered = unorderedOf(state.jobsAdded)
  reassignUnordered(state, state.assignments, false)
  return undefined
}

/** The queues changed: `moved` where jobs may have been in another before. */
export function reassignUnordered(state: GroupState, assignments: readonly Assignment[], moved: boolean): void {
  const unordered = state.unordered!
  if (moved) unordered.ready = []
  const fresh = moved ? state.assignments : assignments
  // The lowest numbers last, where the next job is looked for.
  for (let index = fresh.length - 1; index >= 0; index--) {
    const { first, last, agent } = fresh[index]!
    for (let job = Math.min(last, unordered.phases.length); job >= first; job--) {
      if (!jobTable.can(unordered.phases[job - 1]!, 'Granted')) continue
      const end = job
      while (job > first && jobTable.can(unordered.phases[job - 2]!, 'Granted')) job -= 1
      pushReady(unordered, agent, job, end)
    }
  }
}

export function grantUnordered(state: GroupState, { jobs, agent, instance, callDeadlineMs }: DataOf<'LockGranted'>): Broken {
  const unordered = state.unordered!
  const count = countOf(jobs)
  if (count < 1) return 'broken-order'
  for (const [first, last] of jobs) {
    for (let job = first; job <= last; job++) if (!turn(unordered, job, 'Granted')) return 'broken-order'
    if (!takeReady(unordered, agent, first, last)) for (let job = first; job <= last; job++) takeReady(unordered, assigneeOf(state, job) ?? '', job, job)
    if (unordered.late.length > 0) unordered.late = unordered.late.filter(({ job }) => job < first || job > last)
  }
  unordered.grants.push({ revision: state.revision, agent, instance, callDeadlineMs, left: count, jobs: [...jobs] })
  return undefined
}

export function returnUnordered(state: GroupState, grant: number): Broken {
  const index = indexOfGrant(state.unordered!, grant)
  if (index < 0) return 'broken-order'
  closeGrant(state, index, 'Returned')
  return undefined
}

export function settleUnordered(state: GroupState, job: number, grant: number, signal: 'Succeeded' | 'Failed'): Broken {
  const unordered = state.unordered!
  const index = indexOfGrant(unordered, grant)
  const open = unordered.grants[index]
  if (open === undefined ? lateGrantOf(unordered, job) !== grant : nextOfGrant(open) !== job) return 'broken-order'
  const wasReady = jobTable.can(unordered.phases[job - 1]!, 'Granted')
  if (!turn(unordered, job, signal)) return 'broken-order'
  if (open === undefined) {
    forget(unordered, job)
    if (wasReady) takeReady(unordered, assigneeOf(state, job) ?? '', job, job)
  } else {
    open.left -= 1
    if (open.left === 0) unordered.grants.splice(index, 1)
    else {
      open.jobs = restOf(open)
      // A failed job closes its grant.
      if (signal === 'Failed') closeGrant(state, index, 'Returned')
    }
  }
  count(state, job, signal)
  return undefined
}

export function becomeUnknown(state: GroupState, { job, grant, reason }: DataOf<'JobUnknown'>): Broken {
  const unordered = state.unordered!
  const index = indexOfGrant(unordered, grant)
  const open = unordered.grants[index]
  if (open === undefined || nextOfGrant(open) !== job || !turn(unordered, job, 'BecameUnknown')) return 'broken-order'
  open.jobs = restOf(open)
  open.left -= 1
  unordered.late.push({ job, grant })
  unordered.unknown.push({ job, reason })
  closeGrant(state, index, 'Returned')
  return undefined
}

export function resolveUnordered(state: GroupState, { job, as }: DataOf<'JobResolved'>): Broken {
  const unordered = state.unordered!
  const unknown = unordered.unknown.find((one) => one.job === job)
  const signal = as === 'succeeded' ? 'Succeeded' : 'Failed'
  if (unknown === undefined || !turn(unordered, job, signal)) return 'broken-order'
  forget(unordered, job)
  if (as === 'failed') state.failed.push({ job, reason: unknown.reason })
  count(state, job, signal)
  return undefined
}

/** The number of the retry is the next one; its details and its queue are there already. */
export function retryUnordered(state: GroupState, job: number, retryOf: number): Broken {
  const unordered = state.unordered!
  const at = unordered.stopped.indexOf(retryOf)
  if (at < 0) return 'broken-order'
  unordered.stopped.splice(at, 1)
  unordered.phases.push(jobTable.initial)
  const agent = assigneeOf(state, job)
  if (agent !== undefined) pushReady(unordered, agent, job, job)
  return undefined
}

/** Everything that is neither settled nor in flight is cancelled (P25). */
export function cancelUnordered(state: GroupState, jobs: readonly Run[]): Broken {
  const unordered = state.unordered!
  if (!sameRuns(runsToCancel(state, 0), jobs)) return 'broken-order'
  const runs = runsIn(unordered, 'pending', 'unknown')
  for (const run of runs) {
    for (let job = run[0]; job <= run[1]; job++) if (!turn(unordered, job, 'Cancelled')) return 'broken-order'
    state.cancelled.push(run)
  }
  state.queued -= countOf(runs)
  unordered.late = []
  unordered.unknown = []
  unordered.ready = []
  return undefined
}

/** All that waited has had its terminal event (I3). */
export function isSettledUnordered(state: GroupState): boolean {
  const { grants, unknown, stopped } = state.unordered!
  return grants.length === 0 && unknown.length === 0 && state.queued - state.position === stopped.length
}

/** What is settled, as a queue: of a group that has ended. */
export function queueOfUnordered(state: GroupState): Run[] {
  return state.onFailure === 'continue' ? runsIn(state.unordered!, 'succeeded', 'failed') : runsIn(state.unordered!, 'succeeded')
}

export function isStoppedAt(state: GroupState, job: number): boolean {
  const { unknown, stopped } = state.unordered!
  return stopped.includes(job) || unknown.some((one) => one.job === job)
}

export function hasNoStops(state: GroupState): boolean {
  return stopsOf(state.unordered!) === 0
}

/** False where the job's machine has no such transition. */
function turn(unordered: UnorderedState, job: number, signal: JobSignal): boolean {
  const phase = unordered.phases[job - 1]
  const next = phase === undefined ? undefined : jobTable.next(phase, signal)
  if (next === undefined) return false
  unordered.phases[job - 1] = next
  return true
}

function count(state: GroupState, job: number, signal: 'Succeeded' | 'Failed'): void {
  if (signal === 'Succeeded' || failurePolicy(state) === 'continue') state.position += 1
  else state.unordered!.stopped.push(job)
}

/** What it still held waits again, in the queue that it was in. */
function closeGrant(state: GroupState, index: number, signal: 'Returned'): void {
  const unordered = state.unordered!
  const { revision, jobs } = unordered.grants[index]!
  unordered.grants.splice(index, 1)
  for (let at = jobs.length - 1; at >= 0; at--) {
    const [first, last] = jobs[at]!
    for (let job = last; job >= first; job--) {
      turn(unordered, job, signal)
      unordered.late.push({ job, grant: revision })
      const agent = assigneeOf(state, job)
      if (agent !== undefined) pushReady(unordered, agent, job, job)
    }
  }
}

/** It is settled after its grant was closed. */
function forget(unordered: UnorderedState, job: number): void {
  unordered.late = unordered.late.filter((one) => one.job !== job)
  if (unordered.unknown.length > 0) unordered.unknown = unordered.unknown.filter((one) => one.job !== job)
}
