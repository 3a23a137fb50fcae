/**
 * The exclusive state of an execution group as it is shown, exported and compared (I6): which jobs have been executed, are
 * being executed, and are yet to be executed. A pure function of the folded log; integers, text and lists only.
 */
import type { Assignment, GroupMode, Reason, Run } from './events.ts'
import type { GroupPhase } from './machine.ts'
import { type Fault, type GroupState, headJob, headPhase, runsFromHead } from './state.ts'

export interface ExclusiveState {
  readonly group: string
  readonly name: string
  readonly phase: GroupPhase
  readonly revision: number
  readonly fault: Fault | null
  readonly decision: number
  readonly plan: string
  readonly order: 'strict'
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
}

export function exclusiveStateOf(state: GroupState): ExclusiveState {
  const inFlight = state.grant?.left ?? 0
  const phase = headPhase(state)
  const stopped = phase === 'failed' || phase === 'unknown' ? 1 : 0
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
    executed: settledRuns(state),
    executing: runsFromHead(state, inFlight),
    pending: headJob(state) === undefined ? [] : runsFromHead(state, state.queued, inFlight + stopped),
    cancelled: state.cancelled,
    unknown: state.unknown,
    failed: state.failed,
    retries: state.retries,
    lock: state.grant === null ? null : { grant: state.grant.revision, agent: state.grant.agent, instance: state.grant.instance },
    assignments: state.assignments,
  }
}

function settledRuns(state: GroupState): Run[] {
  const runs: Run[] = []
  for (let index = 0; index < state.headRun && index < state.queue.length; index++) runs.push(state.queue[index]!)
  const current = state.queue[state.headRun]
  if (current !== undefined && state.head > current[0]) runs.push([current[0], state.head - 1])
  return runs
}
