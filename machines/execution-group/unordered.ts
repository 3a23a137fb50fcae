/**
 * Jobs of a group of order `none`: none waits for another, and many grants are open at once (I1: at most one of a job). No event
 * costs more for a longer group as such; but what is `late`, unknown or stopped is looked through as a whole: each grant costs what is late
 * then, so that to grant anew what many lost grants held costs the square of it.
 *
 * 1. A job is `granted` exactly while an open grant holds it among what is left of it.
 * 2. `ready` holds, by agent in whose queue the job is, exactly the jobs that are `pending` and in somebody's queue.
 * 3. `late` names the last grant of each job that is pending again, or whose outcome is not known, after that grant was closed (P24).
 */
import { type JobPhase, jobTable } from '../job/machine.ts'
import type { Reason, Run } from './events.ts'
import { firstFrom } from './sorted-list.ts'
import type { Grant } from './state.ts'

export interface UnorderedGrant extends Grant {
  /** Those of it that are not settled, in the order of execution. */
  jobs: Run[]
}

export interface UnorderedState {
  /** By number − 1. */
  phases: JobPhase[]
  /** The open ones, in the order of their revisions. */
  grants: UnorderedGrant[]
  late: { job: number; grant: number }[]
  unknown: { job: number; reason: Reason }[]
  /** Jobs whose failure stops the group, until they are retried. */
  stopped: number[]
  /** The next job is the first of the last run. */
  ready: { readonly agent: string; runs: Run[] }[]
}

/** From the seal on; nothing is in `ready` yet. */
export function unorderedOf(jobs: number): UnorderedState {
  return { phases: new Array<JobPhase>(jobs).fill(jobTable.initial), grants: [], late: [], unknown: [], stopped: [], ready: [] }
}

/** Of an open grant; −1 where it is not open. */
export function indexOfGrant({ grants }: UnorderedState, revision: number): number {
  const index = firstFrom(grants, (grant) => grant.revision, revision)
  return grants[index]?.revision === revision ? index : -1
}

/** The job whose outcome comes next. */
export function nextOfGrant(grant: UnorderedGrant): number {
  return grant.jobs[0]![0]
}

/** The grant by which a late outcome may still settle the job (P24). */
export function lateGrantOf({ late }: UnorderedState, job: number): number | undefined {
  return late.length === 0 ? undefined : late.find((one) => one.job === job)?.grant
}

/** How many jobs stop the group. */
export function stopsOf({ unknown, stopped }: UnorderedState): number {
  return unknown.length + stopped.length
}

/** Jobs in one of these states, in the order of their numbers, as runs. */
export function runsIn({ phases }: UnorderedState, ...wanted: readonly JobPhase[]): Run[] {
  const runs: Run[] = []
  for (let index = 0; index < phases.length; index++) {
    if (!wanted.includes(phases[index]!)) continue
    const first = index + 1
    while (index + 1 < phases.length && wanted.includes(phases[index + 1]!)) index += 1
    runs.push([first, index + 1])
  }
  return runs
}

/** One run from the lowest to the highest (P16); none where there are no jobs. */
export function spanOf(runs: readonly Run[]): Run[] {
  let low = Infinity
  let high = 0
  for (const [first, last] of runs) {
    low = Math.min(low, first)
    high = Math.max(high, last)
  }
  return high === 0 ? [] : [[low, high]]
}

/** What is left of a grant when its next job is settled. */
export function restOf({ jobs }: UnorderedGrant): Run[] {
  const [first, last] = jobs[0]!
  return first === last ? jobs.slice(1) : [[first + 1, last], ...jobs.slice(1)]
}

/** The next jobs in this agent's queue that can be granted, at most `count`. */
export function nextReadyRuns({ ready }: UnorderedState, agent: string, count: number): Run[] {
  const runs = ready.find((one) => one.agent === agent)?.runs ?? []
  const next: Run[] = []
  for (let index = runs.length - 1; index >= 0 && count > 0; index--) {
    const [first, last] = runs[index]!
    const end = Math.min(last, first + count - 1)
    next.push([first, end])
    count -= end - first + 1
  }
  return next
}

export function hasReady({ ready }: UnorderedState, agent: string): boolean {
  return ready.some((one) => one.agent === agent && one.runs.length > 0)
}

/** Agents in whose queues a job could be granted; undefined where there are none. */
export function agentsWithAnyReady({ ready }: UnorderedState): readonly string[] | undefined {
  const agents = ready.filter(({ runs }) => runs.length > 0).map(({ agent }) => agent)
  return agents.length === 0 ? undefined : agents
}

/** The next ones to be granted of what is in this agent's queue. */
export function pushReady(state: UnorderedState, agent: string, first: number, last: number): void {
  let queue = state.ready.find((one) => one.agent === agent)
  if (queue === undefined) {
    state.ready.push({ agent, runs: [] })
    queue = state.ready[state.ready.length - 1]!
  }
  const next = queue.runs[queue.runs.length - 1]
  if (next !== undefined && next[0] === last + 1) queue.runs[queue.runs.length - 1] = [first, next[1]]
  else queue.runs.push([first, last])
}

/** Removes a run that lies in one of this agent's, the next one in O(1), where it nearly always is; false where there is none. */
export function takeReady(state: UnorderedState, agent: string, first: number, last: number): boolean {
  const runs = state.ready.find((one) => one.agent === agent)?.runs ?? []
  for (let index = runs.length - 1; index >= 0; index--) {
    const run = runs[index]!
    if (first < run[0] || last > run[1]) continue
    const left: Run[] = []
    if (last < run[1]) left.push([last + 1, run[1]])
    if (run[0] < first) left.push([run[0], first - 1])
    if (left.length === 1) runs[index] = left[0]!
    else if (index === runs.length - 1 && left.length === 0) runs.pop()
    else runs.splice(index, 1, ...left)
    return true
  }
  return false
}
