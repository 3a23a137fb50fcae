/**
 * The exclusive state of an execution group as it is shown, exported and compared (I6): which jobs have been executed, are
 * being executed, and are yet to be executed. A pure function of the folded log; integers, text and lists only.
 */
import type { Assignment, FailurePolicy, GroupAgents, GroupMode, GroupOrder, Reason, Run } from './events.ts'
import { occupantRuns, settledPlaces } from './graph.ts'
import type { GroupPhase } from './machine.ts'
import { type Fault, type GroupState, isStopped, pendingRuns, runsFromHead, unknownJob } from './state.ts'
import { runsIn } from './unordered.ts'

export interface ExclusiveState {
  readonly group: string
  readonly name: string
  readonly phase: GroupPhase
  readonly revision: number
  readonly fault: Fault | null
  readonly decision: number
  readonly plan: string
  readonly order: GroupOrder
  readonly mode: GroupMode
  readonly window: number
  readonly region: string
  readonly distributionFactor: number
  /** Jobs announced, without retries. */
  readonly jobs: number
  /** How many jobs of the queue are settled. */
  readonly position: number
  readonly executed: readonly Run[]
  readonly executing: readonly Run[]
  readonly pending: readonly Run[]
  readonly cancelled: readonly Run[]
  readonly unknown: { readonly job: number; readonly reason: Reason } | null
  readonly failed: readonly { readonly job: number; readonly reason: Reason }[]
  readonly retries: readonly { readonly job: number; readonly retryOf: number }[]
  /** The open lock: fencing token, agent and instance. */
  readonly lock: { readonly grant: number; readonly agent: string; readonly instance: string } | null
  readonly assignments: readonly Assignment[]
  /** Absent, as the following, where it is as in format 1: 0. */
  readonly priority?: number
  readonly agents?: GroupAgents
  readonly onFailure?: Exclude<FailurePolicy, 'stop'>
  /** The job that failed, and what is undone because of it: runs from a high number to a low one. */
  readonly compensation?: { readonly job: number; readonly of: readonly Run[] }
  /** Only without order, where `lock` is null: all open locks, with the jobs that are left of each. */
  readonly locks?: readonly { readonly grant: number; readonly agent: string; readonly instance: string; readonly jobs: readonly Run[] }[]
  /** Only without order: all jobs whose outcome is not known; `unknown` is the first. */
  readonly unknowns?: readonly { readonly job: number; readonly reason: Reason }[]
}

export function exclusiveStateOf(state: GroupState): ExclusiveState {
  const inFlight = state.grant?.left ?? 0
  const stopped = isStopped(state) ? 1 : 0
  const { unordered } = state
  return {
    group: state.group,
    name: state.name,
    phase: state.phase,
    revision: state.revision,
    fault: state.fault,
    decision: state.decision,
    plan: state.plan,
    order: state.order,
    mode: state.mode,
    window: state.window,
    region: state.region,
    distributionFactor: state.distributionFactor,
    jobs: state.jobsAnnounced,
    position: state.position,
    executed: unordered === null ? succeededRuns(state) : runsIn(unordered, 'succeeded'),
    executing: unordered === null ? (inFlight === 0 ? [] : runsFromHead(state, inFlight)) : runsIn(unordered, 'granted'),
    pending: pendingRuns(state, inFlight + stopped),
    cancelled: state.cancelled,
    unknown: unknownJob(state),
    failed: state.failed,
    retries: state.retries,
    lock: state.grant === null ? null : { grant: state.grant.revision, agent: state.grant.agent, instance: state.grant.instance },
    assignments: state.assignments,
    ...(state.priority === 0 ? {} : { priority: state.priority }),
    ...(state.agents === null ? {} : { agents: state.agents }),
    ...(state.onFailure === 'stop' ? {} : { onFailure: state.onFailure }),
    ...(state.compensation === null ? {} : { compensation: state.compensation }),
    ...(unordered === null ? {} : { locks: unordered.grants.map(({ revision, agent, instance, jobs }) => ({ grant: revision, agent, instance, jobs })), unknowns: unordered.unknown }),
  }
}

/** Of what is settled, all but the jobs that failed and that the group went on after. */
function succeededRuns(state: GroupState): Run[] {
  const settled = state.graph === null ? settledRuns(state) : occupantRuns(state.graph, settledPlaces(state.graph))
  if (state.onFailure !== 'continue') return settled
  const failed = new Set(state.failed.map(({ job }) => job))
  const runs: Run[] = []
  for (const [first, last] of settled) {
    let from = first
    for (let job = first; job <= last + 1; job++) {
      if (job <= last && !failed.has(job)) continue
      if (from < job) runs.push([from, job - 1])
      from = job + 1
    }
  }
  return runs
}

function settledRuns(state: GroupState): Run[] {
  const runs: Run[] = []
  for (let index = 0; index < state.headRun && index < state.queue.length; index++) runs.push(state.queue[index]!)
  const current = state.queue[state.headRun]
  if (current !== undefined && state.head > current[0]) runs.push([current[0], state.head - 1])
  return runs
}
