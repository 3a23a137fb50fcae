/**
 * Folds an execution group's events. Total: a recorded fact is never refused; what the state cannot accept makes the group
 * `faulted` (type, revision), from where only a cancel leads on.
 *
 * `foldInto` changes the state in place and is what replay and lane holders run on states that they own; `evolve` is the
 * same recipe on an immutable state. There is one recipe.
 */
import { produce } from 'immer'
import { jobTable } from '../job/machine.ts'
import { inherit, overlaid, overlaps } from './assignments.ts'
import type { GroupEvent, GroupEventType, Run } from './events.ts'
import { groupTable } from './machine.ts'
import { foldPlaceSettled, graphGrant, graphRetried, graphReturned, graphStopped, reassignReady, sealGraph } from './evolve-graph.ts'
import { becomeUnknown, cancelUnordered, grantUnordered, hasNoStops, isSettledUnordered, isStoppedAt, queueOfUnordered, reassignUnordered, resolveUnordered, retryUnordered, returnUnordered, sealUnordered, settleUnordered } from './evolve-unordered.ts'
import { occupantRuns, placeOf, settledPlaces } from './graph.ts'
import { type Fault, type GroupState, assigneeOf, countOf, failurePolicy, headJob, headPhase, isStopped, openGrants, pendingRuns, runsFromHead, runsToCancel, runsToUndo, sameRuns } from './state.ts'
import { undoOf } from './undo.ts'

/** State after `events`, the first of which has revision `state.revision + 1`. One draft for all of them. */
export function evolve(state: GroupState, events: readonly GroupEvent[]): GroupState {
  return produce(state, (draft) => {
    for (const event of events) foldInto(draft as GroupState, event)
  })
}

/** In place. Never throws for what stands in a log. */
export function foldInto(state: GroupState, event: GroupEvent): void {
  state.revision += 1
  const next = groupTable.next(state.phase, event.type)
  if (next === undefined) return fault(state, isGroupEventType(event.type) ? 'broken-life-cycle' : 'unknown-event', event)
  const broken = applied(state, event)
  if (broken !== undefined) return fault(state, broken, event)
  state.phase = next
  if (groupTable.isFinal(next)) end(state)
}

/**
 * In place, the events of one commit, whose first has the revision `revision`. A commit that does not follow on the last
 * one folded (lost, doubled, out of order) faults the group; its revision is then the log's, so that tokens stay comparable.
 */
export function foldCommitInto(state: GroupState, revision: number, events: readonly GroupEvent[]): void {
  if (revision !== state.revision + 1) {
    state.revision = revision
    fault(state, 'broken-revision', events[0] ?? { type: '' })
    state.revision = revision - 1
  }
  for (const event of events) foldInto(state, event)
}

const groupEventTypes: ReadonlySet<string> = new Set(groupTable.events)

/** Whether this build knows the type: a writer of a lane stops at one that it does not know (P11). */
export function isGroupEventType(type: string): type is GroupEventType {
  return groupEventTypes.has(type)
}

function fault(state: GroupState, type: Fault['type'], event: { readonly type: string }): void {
  // The first fault is the one that explains the others.
  state.fault ??= { type, revision: state.revision, event: event.type }
  state.phase = 'faulted'
}

/** What cannot even be read is a fault too: `evolve` is total, and its result the same wherever it is folded. */
function applied(state: GroupState, event: GroupEvent): Fault['type'] | undefined {
  try {
    return applyTo(state, event)
  } catch (error) {
    if (error instanceof TypeError) return 'malformed'
    throw error
  }
}

/** Details of ended groups are in the log; a lane keeps thousands of ended groups in memory. */
function end(state: GroupState): void {
  if (state.graph !== null) becomeQueue(state)
  if (state.unordered !== null) endUnordered(state)
  state.undoable = []
  state.specs = []
  state.assignments = []
  state.lastGrant = null
}

function endUnordered(state: GroupState): void {
  state.queue = queueOfUnordered(state)
  state.queued = state.position
  state.unordered = null
  standAt(state, state.queue.length)
}

function applyTo(state: GroupState, event: GroupEvent): Fault['type'] | undefined {
  switch (event.type) {
    case 'GroupOpened': {
      const data = event.data
      state.name = data.name
      state.decision = data.decision
      state.plan = data.plan
      state.order = data.order
      state.priority = data.priority ?? 0
      state.agents = data.agents ?? null
      state.onFailure = data.onFailure ?? 'stop'
      state.mode = data.mode
      state.window = data.window
      state.region = data.region
      state.distributionFactor = data.distributionFactor
      state.jobsAnnounced = data.jobs
      state.partsAnnounced = data.parts
      return undefined
    }
    case 'JobsAdded': {
      if (event.data.part !== state.partsAdded + 1) return 'broken-count'
      state.partsAdded += 1
      for (const spec of event.data.jobs) state.specs.push(spec)
      state.jobsAdded += event.data.jobs.length
      return undefined
    }
    case 'GroupSealed': {
      if (state.jobsAdded < 1 || state.partsAdded !== state.partsAnnounced || state.jobsAdded !== state.jobsAnnounced) return 'broken-count'
      state.queued = state.jobsAdded
      if (state.order === 'graph') return sealGraph(state)
      if (state.order === 'none') return sealUnordered(state)
      state.queue = [[1, state.jobsAdded]]
      standAt(state, 0)
      return undefined
    }
    case 'JobsAssigned': {
      const moved = state.unordered !== null && overlaps(state.assignments, event.data.assignments)
      state.assignments = overlaid(state.assignments, event.data.assignments)
      state.assignedRevision = state.revision
      if (state.graph !== null) reassignReady(state)
      if (state.unordered !== null) reassignUnordered(state, event.data.assignments, moved)
      return undefined
    }
    case 'LockGranted':
      return state.unordered === null ? grantLock(state, event.data) : grantUnordered(state, event.data)
    case 'LockReturned':
      if (state.unordered !== null) return returnUnordered(state, event.data.grant)
      if (state.grant === null || state.grant.revision !== event.data.grant) return 'broken-order'
      closeGrant(state)
      if (state.graph !== null) graphReturned(state)
      return undefined
    case 'JobSucceeded': {
      const { job, grant } = event.data
      const broken = state.unordered === null ? settleHead(state, job, grant, 'Succeeded') : settleUnordered(state, job, grant, 'Succeeded')
      if (state.onFailure === 'compensate' && broken === undefined && event.data.already !== true) remember(state, event.data.job)
      return broken
    }
    case 'JobFailed': {
      const { job, grant } = event.data
      const broken = state.unordered === null ? settleHead(state, job, grant, 'Failed') : settleUnordered(state, job, grant, 'Failed')
      if (broken === undefined) state.failed.push({ job: event.data.job, reason: event.data.reason })
      return broken
    }
    case 'JobUnknown':
      if (state.unordered !== null) return becomeUnknown(state, event.data)
      if (state.grant === null || state.grant.revision !== event.data.grant || headJob(state) !== event.data.job) return 'broken-order'
      closeGrant(state)
      state.unknown = { job: event.data.job, reason: event.data.reason }
      return undefined
    case 'JobResolved': {
      if (state.unordered !== null) return resolveUnordered(state, event.data)
      const unknown = state.unknown
      if (unknown === null || unknown.job !== event.data.job) return 'broken-order'
      state.unknown = null
      if (event.data.as === 'succeeded') {
        settleLate(state)
        advance(state)
        if (state.onFailure === 'compensate') remember(state, unknown.job)
      } else {
        state.lastGrant = null
        state.failed.push({ job: unknown.job, reason: unknown.reason })
        if (failurePolicy(state) === 'continue') advance(state)
      }
      return undefined
    }
    case 'JobRetried':
      return retryHead(state, event.data.job, event.data.retryOf)
    case 'JobsCancelled':
      return cancelRest(state, event.data.jobs)
    case 'GroupCompleted':
      return state.position === state.queued && openGrants(state).length === 0 ? undefined : 'broken-count'
    case 'GroupPrioritized':
      state.priority = event.data.priority
      return undefined
    case 'CompensationBegun':
      return beginCompensation(state, event.data)
    case 'GroupCompensated':
      return state.compensation !== null && state.position === state.queued && state.grant === null ? undefined : 'broken-count'
    case 'GroupBlocked':
      if (state.unordered !== null) return isStoppedAt(state, event.data.job) ? undefined : 'broken-order'
      return headJob(state) === event.data.job && isStopped(state) ? undefined : 'broken-order'
    case 'GroupUnblocked':
      if (state.unordered !== null) return hasNoStops(state) ? undefined : 'broken-order'
      return headPhase(state) === 'pending' || headJob(state) === undefined ? undefined : 'broken-order'
    case 'GroupCancelled':
      // A cancelled group that was faulted keeps what it held, as the record of what is wrong with it.
      if (state.phase === 'faulted') return undefined
      // I3: every job has had its terminal event.
      if (state.unordered !== null) return isSettledUnordered(state) ? undefined : 'broken-order'
      return state.grant === null && state.unknown === null && state.queued - state.position === (isStopped(state) ? 1 : 0) ? undefined : 'broken-order'
    case 'GroupAbandoned':
    case 'GroupPaused':
    case 'GroupResumed':
    case 'GroupCancelRequested':
      return undefined
    default: {
      const unknown: never = event
      void unknown
      return 'unknown-event'
    }
  }
}

function grantLock(state: GroupState, data: Extract<GroupEvent, { type: 'LockGranted' }>['data']): Fault['type'] | undefined {
  // I1 and I2: one open grant, and only of the jobs at the head, whose predecessors are all settled.
  if (state.grant !== null || !jobTable.can(headPhase(state), 'Granted')) return 'broken-order'
  const count = countOf(data.jobs)
  if (state.graph !== null) {
    if (!graphGrant(state, data.jobs)) return 'broken-order'
  } else if (count < 1 || !areNext(state, count, data.jobs)) return 'broken-order'
  state.grant = {
    revision: state.revision,
    agent: data.agent,
    instance: data.instance,
    callDeadlineMs: data.callDeadlineMs,
    left: count,
  }
  state.lastGrant = null
  return undefined
}

/** Whether they are the first so many jobs from the head on. One run of them, as nearly all grants have, is compared without a list being made. */
function areNext(state: GroupState, count: number, jobs: readonly Run[]): boolean {
  if (jobs.length !== 1 || count > state.headLast - state.head + 1) return sameRuns(runsFromHead(state, count), jobs)
  const run = jobs[0]!
  return run[0] === state.head && run[1] === state.head + count - 1
}

function closeGrant(state: GroupState): void {
  const grant = state.grant!
  state.lastGrant = { revision: grant.revision, left: grant.left }
  state.grant = null
}

/** What may have to be undone. */
function remember(state: GroupState, job: number): void {
  if (state.compensation === null && state.specs[job - 1]?.compensate !== undefined) state.undoable.push(job)
}

function settleHead(state: GroupState, job: number, grant: number, signal: 'Succeeded' | 'Failed'): Fault['type'] | undefined {
  if (headJob(state) !== job || !jobTable.can(headPhase(state), signal)) return 'broken-order'
  if (state.grant !== null) {
    if (state.grant.revision !== grant) return 'broken-order'
    if (signal === 'Failed') closeGrant(state)
    else if (--state.grant.left === 0) state.grant = null
  } else {
    // P24: the truth about the job arrives after its grant was closed.
    const late = state.lastGrant
    if (late === null || late.revision !== grant || late.left < 1) return 'broken-order'
    settleLate(state)
    state.unknown = null
  }
  if (signal === 'Succeeded') advance(state)
  else {
    state.lastGrant = null
    if (failurePolicy(state) === 'continue') advance(state)
    else if (state.graph !== null) graphStopped(state)
  }
  return undefined
}

/** One more job of the last grant is settled after it was closed. */
function settleLate(state: GroupState): void {
  const late = state.lastGrant
  if (late !== null && --late.left === 0) state.lastGrant = null
}

function advance(state: GroupState): void {
  state.position += 1
  if (state.graph !== null) foldPlaceSettled(state)
  else if (state.head < state.headLast) state.head += 1
  else standAt(state, state.headRun + 1)
}

/** At the first job of a run of the queue; behind the last run there is none. */
function standAt(state: GroupState, headRun: number): void {
  const run = state.queue[headRun]
  state.headRun = headRun
  state.head = run?.[0] ?? 0
  state.headLast = run?.[1] ?? 0
}

function retryHead(state: GroupState, job: number, retryOf: number): Fault['type'] | undefined {
  const isNext = state.unordered === null ? headJob(state) === retryOf && headPhase(state) === 'failed' : isStoppedAt(state, retryOf)
  if (!isNext || job !== state.jobsAdded + 1) return 'broken-order'
  state.specs.push(state.specs[retryOf - 1]!)
  state.jobsAdded += 1
  state.retries.push({ job, retryOf })
  if (state.unordered !== null) {
    inherit(state, retryOf, job)
    return retryUnordered(state, job, retryOf)
  }
  const agent = assigneeOf(state, retryOf)
  if (agent !== undefined) state.assignments = overlaid(state.assignments, [{ first: job, last: job, agent }])
  if (state.graph !== null) return graphRetried(state, job, retryOf)
  const run = state.queue[state.headRun]!
  const runs: Run[] = []
  if (run[0] < retryOf) runs.push([run[0], retryOf - 1])
  runs.push([job, job])
  if (retryOf < run[1]) runs.push([retryOf + 1, run[1]])
  state.queue.splice(state.headRun, 1, ...runs)
  standAt(state, run[0] < retryOf ? state.headRun + 1 : state.headRun)
  return undefined
}

/**
 * Everything behind the jobs in flight leaves the queue: of a group that is being cancelled (P25), or that goes on to undo what
 * it did.
 */
function cancelRest(state: GroupState, jobs: readonly Run[]): Fault['type'] | undefined {
  const inFlight = state.grant?.left ?? 0
  const failed = headPhase(state) === 'failed'
  if (groupTable.can(state.phase, 'CompensationBegun') && !(state.unordered === null && failed && failurePolicy(state) === 'compensate')) return 'broken-order'
  if (state.unordered !== null) return cancelUnordered(state, jobs)
  // A failed job is settled already, by its failure: it is not cancelled, but it leaves the queue with what stands behind it.
  const skip = failed ? 1 : inFlight
  if (!sameRuns(runsToCancel(state, skip), jobs)) return 'broken-order'
  // One by one: of a graph there may be more than a call takes arguments.
  for (const run of pendingRuns(state, skip)) state.cancelled.push(run)
  cutBehindFlight(state)
  state.unknown = null
  return undefined
}

/** Only what is settled and what is in flight stays in the queue. */
function cutBehindFlight(state: GroupState): void {
  if (state.graph !== null) return becomeQueue(state)
  const inFlight = state.grant?.left ?? 0
  const kept = state.position + inFlight
  const queue: Run[] = []
  let room = kept
  for (const run of state.queue) {
    if (room === 0) break
    const length = Math.min(room, run[1] - run[0] + 1)
    queue.push([run[0], run[0] + length - 1])
    room -= length
  }
  // The head may have stood at the end of a run that is now shorter.
  const first = runsFromHead(state, 1)
  state.queue = queue
  if (inFlight === 0) {
    standAt(state, queue.length)
  } else {
    const at = first[0]![0]
    standAt(state, queue.findIndex((run) => run[0] <= at && at <= run[1]))
    state.head = at
  }
  state.queued = kept
}

/** What of a graph is settled, in the order of its places, and the job in flight behind it; the rest is gone. */
function becomeQueue(state: GroupState): void {
  const graph = state.graph!
  const inFlight = state.grant === null ? undefined : placeOf(graph, state.head)
  state.queue = occupantRuns(graph, settledPlaces(graph))
  state.graph = null
  if (inFlight !== undefined) state.queue.push([state.head, state.head])
  standAt(state, inFlight === undefined ? state.queue.length : state.queue.length - 1)
  state.queued = state.position + (inFlight === undefined ? 0 : 1)
}

function beginCompensation(state: GroupState, { job, of }: Extract<GroupEvent, { type: 'CompensationBegun' }>['data']): Fault['type'] | undefined {
  const failed = state.failed[state.failed.length - 1]
  if (failurePolicy(state) !== 'compensate' || state.grant !== null || state.unknown !== null || failed?.job !== job) return 'broken-order'
  // Every job that waited has had its terminal event (I3).
  if (state.queued - state.position !== (isStopped(state) ? 1 : 0) || !sameRuns(runsToUndo(state.undoable), of)) return 'broken-order'
  cutBehindFlight(state)
  state.compensation = { job, of }
  const first = state.jobsAdded + 1
  for (const done of state.undoable.reverse()) {
    state.specs.push(undoOf(state.specs[done - 1]!))
    state.jobsAdded += 1
    inherit(state, done, state.jobsAdded)
  }
  if (state.undoable.length === 0) return undefined
  state.queue.push([first, state.jobsAdded])
  state.queued += state.undoable.length
  state.undoable = []
  standAt(state, state.queue.length - 1)
  return undefined
}
