/**
 * State of an execution group: the log, folded. Jobs run in queue order, one grant at a time, so what is settled is a prefix
 * of the queue and what is granted stands right behind it; each event costs the same however long the queue is.
 *
 * Of order `graph` the queue is empty while `graph` is set: `head` is then the job that the last grant was for (in flight, stopped,
 * or given back), and 0 after it was settled. A cancel, a compensation and the end turn what was settled into a queue again.
 *
 * Of order `none` there is neither a queue nor a head while `unordered` is set, and `grant`, `lastGrant` and `unknown` stay null; its end
 * turns what was settled into a queue.
 */
import type { JobPhase } from '../job/machine.ts'
import type { Assignment, FailurePolicy, GroupAgents, GroupMode, GroupOrder, JobSpec, Reason, Run } from './events.ts'
import { type GraphState, nextReady, occupantRuns, openPlaces, placeOf } from './graph.ts'
import { type GroupPhase, groupTable } from './machine.ts'
import { firstFrom } from './sorted-list.ts'
import { type UnorderedGrant, type UnorderedState, indexOfGrant, nextReadyRuns, runsIn, spanOf, stopsOf } from './unordered.ts'

export interface Grant {
  /** Revision of its `LockGranted`: the last part of the fencing token. */
  revision: number
  agent: string
  instance: string
  callDeadlineMs: number
  /** How many of its jobs are not settled: the first `left` jobs from the head of the queue. */
  left: number
}

export interface Fault {
  readonly type: 'broken-order' | 'broken-life-cycle' | 'broken-count' | 'broken-revision' | 'malformed' | 'unknown-event'
  readonly revision: number
  readonly event: string
}

export interface GroupState {
  readonly group: string
  phase: GroupPhase
  /** Of the last event folded; 0 before the first. */
  revision: number
  fault: Fault | null
  name: string
  decision: number
  plan: string
  order: GroupOrder
  priority: number
  /** Null: any. */
  agents: GroupAgents | null
  onFailure: FailurePolicy
  mode: GroupMode
  window: number
  region: string
  distributionFactor: number
  jobsAnnounced: number
  partsAnnounced: number
  partsAdded: number
  jobsAdded: number
  /** Details by number − 1; emptied when the group has ended (the log keeps them). */
  specs: JobSpec[]
  /** Execution order as runs of numbers, without cancelled and replaced jobs. */
  queue: Run[]
  /**
   * The first job that is not settled: its run of the queue, its number, and the last number of that run (both 0 when all are
   * settled). The numbers stand here although the queue says them, since each event asks for them.
   */
  headRun: number
  head: number
  headLast: number
  /** How many jobs of the queue are settled. */
  position: number
  /** How many jobs the queue holds. */
  queued: number
  grant: Grant | null
  /** The last grant that was closed with jobs left: a late outcome may still name it (P24). */
  lastGrant: { revision: number; left: number } | null
  /** By number; a retry has an entry of its own, which it inherits from the job that it replaces. */
  assignments: Assignment[]
  /** Revision of the last `JobsAssigned`; 0 before. */
  assignedRevision: number
  /** The job at the head whose outcome is not known. */
  unknown: { job: number; reason: Reason } | null
  /** Job numbers that failed, with the reason; replaced ones too. */
  failed: { job: number; reason: Reason }[]
  cancelled: Run[]
  retries: { job: number; retryOf: number }[]
  /** Predicates of a group of order `graph` from its seal on; null once the rest is a queue. */
  graph: GraphState | null
  /** Jobs of a group of order `none` from its seal to its end. */
  unordered: UnorderedState | null
  /** Jobs that a compensation would undo, in the order of their success; kept only where the group compensates. */
  undoable: number[]
  compensation: { job: number; of: readonly Run[] } | null
}

export function absentGroup(group: string): GroupState {
  return {
    group,
    phase: 'absent',
    revision: 0,
    fault: null,
    name: '',
    decision: 0,
    plan: '',
    order: 'strict',
    priority: 0,
    agents: null,
    onFailure: 'stop',
    mode: 'jobs',
    window: 1,
    region: '',
    distributionFactor: 100,
    jobsAnnounced: 0,
    partsAnnounced: 0,
    partsAdded: 0,
    jobsAdded: 0,
    specs: [],
    queue: [],
    headRun: 0,
    head: 0,
    headLast: 0,
    position: 0,
    queued: 0,
    grant: null,
    lastGrant: null,
    assignments: [],
    assignedRevision: 0,
    unknown: null,
    failed: [],
    cancelled: [],
    retries: [],
    graph: null,
    unordered: null,
    undoable: [],
    compensation: null,
  }
}

/** The first job of the queue that is not settled; undefined when all are. */
export function headJob(state: GroupState): number | undefined {
  return state.head === 0 ? undefined : state.head
}

/** Life-cycle state of the job at the head of the queue (`machines/job/machine.ts`). */
export function headPhase(state: GroupState): JobPhase {
  if (state.unknown !== null) return 'unknown'
  if (state.grant !== null) return 'granted'
  // A failed job stays at the head until a retry replaces it or a cancel ends the group. The end of an empty list is not read: that takes the runtime longer than all else here.
  const { failed } = state
  return failed.length > 0 && failed[failed.length - 1]!.job === state.head ? 'failed' : 'pending'
}

/** The job at the head did not succeed: its group stops there. Without order: some job. */
export function isStopped(state: GroupState): boolean {
  if (state.unordered !== null) return stopsOf(state.unordered) > 0
  const phase = headPhase(state)
  return phase === 'failed' || phase === 'unknown'
}

/** The job that stops the group, or the first of them; undefined where none does. */
export function stoppedAt(state: GroupState): number | undefined {
  const { unordered } = state
  if (unordered !== null) return unordered.unknown[0]?.job ?? unordered.stopped[0]
  return isStopped(state) ? headJob(state) : undefined
}

/** The job whose outcome is not known, or the first of them; null where there is none. */
export function unknownJob(state: GroupState): { readonly job: number; readonly reason: Reason } | null {
  return state.unknown ?? state.unordered?.unknown[0] ?? null
}

/** The open grants: at most one, except of a group without order. */
export function openGrants(state: GroupState): readonly Grant[] {
  return state.unordered?.grants ?? (state.grant === null ? [] : [state.grant])
}

/** The open grant of this revision. */
export function openGrant(state: GroupState, revision: number): Grant | undefined {
  if (state.unordered === null) return state.grant?.revision === revision ? state.grant : undefined
  return state.unordered.grants[indexOfGrant(state.unordered, revision)]
}

/** Those of its jobs that are not settled, in the order of execution. */
export function runsOfGrant(state: GroupState, grant: Grant): readonly Run[] {
  return 'jobs' in grant ? (grant as UnorderedGrant).jobs : runsFromHead(state, grant.left)
}

/** What a failed job does now: one that undoes another stops its group, whatever the group does otherwise. */
export function failurePolicy(state: GroupState): FailurePolicy {
  return state.compensation === null ? state.onFailure : 'stop'
}

/** All jobs that are not settled but the first `skip` from the head (those in flight, or the stopped one), in execution order. Without order: those that wait. */
export function pendingRuns(state: GroupState, skip: number): Run[] {
  const { graph, unordered } = state
  if (unordered !== null) return runsIn(unordered, 'pending')
  if (graph === null) return state.head === 0 ? [] : runsFromHead(state, state.queued, skip)
  return occupantRuns(graph, openPlaces(graph, skip === 0 ? undefined : placeOf(graph, state.head)))
}

/** The next job in this agent's queue: of a graph one that could run now, where there is one. What is in flight is left out. */
export function nextOf(state: GroupState, agent: string): number | undefined {
  if (state.unordered !== null) return nextReadyRuns(state.unordered, agent, 1)[0]?.[0]
  const ready = state.graph === null ? undefined : nextReady(state.graph, agent)
  if (ready !== undefined) return ready
  for (const [first, last] of pendingRuns(state, state.grant?.left ?? 0)) {
    const assignment = state.assignments.find((one) => one.agent === agent && one.last >= first && one.first <= last)
    if (assignment !== undefined) return Math.max(first, assignment.first)
  }
  return undefined
}

/** As `JobsCancelled` names them: exactly, or where they may lie anywhere (a graph, no order) from the lowest to the highest (P16). */
export function runsToCancel(state: GroupState, skip: number): Run[] {
  if (state.unordered !== null) return spanOf(runsIn(state.unordered, 'pending', 'unknown'))
  const pending = pendingRuns(state, skip)
  return state.graph === null ? pending : spanOf(pending)
}

/** As `CompensationBegun` names them: from the highest number to the lowest. */
export function runsToUndo(undoable: readonly number[]): Run[] {
  if (undoable.length === 0) return []
  let low = Infinity
  let high = 0
  for (const job of undoable) {
    low = Math.min(low, job)
    high = Math.max(high, job)
  }
  return [[high, low]]
}

/** The next `count` jobs of the queue from the head, as runs. */
export function runsFromHead(state: GroupState, count: number, skip = 0): Run[] {
  const runs: Run[] = []
  if (skip === 0 && count >= 1 && count <= state.headLast - state.head + 1) return [[state.head, state.head + count - 1]]
  let offset = state.head === 0 ? 0 : state.head - state.queue[state.headRun]![0]
  for (let index = state.headRun; index < state.queue.length && count > 0; index++) {
    const run = state.queue[index]!
    const length = run[1] - run[0] + 1 - offset
    if (skip >= length) {
      skip -= length
    } else {
      const first = run[0] + offset + skip
      const last = Math.min(run[1], first + count - 1)
      runs.push([first, last])
      count -= last - first + 1
      skip = 0
    }
    offset = 0
  }
  return runs
}

export function countOf(runs: readonly Run[]): number {
  let count = 0
  for (const run of runs) count += run[1] - run[0] + 1
  return count
}

export function sameRuns(left: readonly Run[], right: readonly Run[]): boolean {
  return left.length === right.length && left.every((run, index) => run[0] === right[index]![0] && run[1] === right[index]![1])
}

/** The job at the start of a chain of retries: P22's scope. */
export function firstOfRetries(state: GroupState, job: number): number {
  let first = job
  for (let index = state.retries.length - 1; index >= 0; index--) {
    const retry = state.retries[index]!
    if (retry.job === first) first = retry.retryOf
  }
  return first
}

/** As `firstOfRetries`, of a group without order, whose jobs beyond those announced are retries in the order of their numbers. */
export function chainOf({ jobsAnnounced, retries }: GroupState, job: number): number {
  while (job > jobsAnnounced) job = retries[job - jobsAnnounced - 1]!.retryOf
  return job
}

/** The agent whose queue the job is in; undefined while it is not assigned. */
export function assigneeOf({ assignments }: GroupState, job: number): string | undefined {
  const found = assignmentFrom(assignments, job)
  return found !== undefined && found.first <= job ? found.agent : undefined
}

/** The assignment that holds the job, else the next one. They stand in order and do not overlap. */
export function assignmentFrom(assignments: readonly Assignment[], job: number): Assignment | undefined {
  return assignments[firstFrom(assignments, ({ last }) => last, job)]
}

/** Whether a grant can be given back in this phase. Where not (the group is at fault, or has ended), nobody says, counts or waits for its grants. */
export function canGiveBack({ phase }: Pick<GroupState, 'phase'>): boolean {
  return groupTable.can(phase, 'LockReturned')
}
