/**
 * What one executor is told by one turn, and how much of it: one message, which a server of the usual limit (`max_payload`, 1 MiB) takes
 * with room to spare. What an executor is not told of now goes with the answer to its next list (P6).
 */
import type { GroupEvent, Run } from '../../machines/execution-group/events.ts'
import { type GrantRequest, grantLock } from '../../machines/execution-group/decide/locks.ts'
import { mostSpecBytes, sizeBytes } from '../../machines/execution-group/limits.ts'
import { type GroupState, countOf } from '../../machines/execution-group/state.ts'
import type { Decision } from '../../machines/decision.ts'
import type { GrantMessage, GrantRef } from '../../streams/lane-protocol.ts'

/** Most bytes of all grants in one message, where there is more than one. */
export const grantsLimitBytes = 512 * 1024
/** Most bytes of the jobs of one grant, where it has more than one. */
export const grantLimitBytes = 256 * 1024
/** Above this another grant may be too much for the message. */
const fullBytes = grantsLimitBytes - grantLimitBytes
/** So few jobs are not measured: each came in a part (`partLimitBytes`), so together they are below `grantLimitBytes`. */
const fewJobs = 3
/** What a job takes in a message beside its details. */
const jobBytes = 60

export class Dispatch {
  readonly grants: GrantMessage[] = []
  readonly stops: GrantRef[] = []
  /** Of a paused group: the job that runs is ended, the rest given back. */
  readonly yields: GrantRef[] = []
  #jobs = 0
  /** Those before it are in `#bytes`, the others in `#most`. */
  #measured = 0
  #bytes = 0
  /** At least what those take that are not measured. */
  #most = 0

  /** Another grant may be too much. */
  get full(): boolean {
    return this.#bytes > fullBytes
  }

  /** Nothing where it does not fit beside what there is. */
  add(grant: GrantMessage): void {
    this.#jobs += grant.jobs.length
    if (this.#jobs > fewJobs && !this.#fits(grant)) return
    this.grants.push(grant)
  }

  /** To measure a grant costs as much as to send it: it is done only where what they may take at most is too much. */
  #fits(grant: GrantMessage): boolean {
    if (this.#most === 0) for (const unmeasured of this.grants.slice(this.#measured)) this.#most += mostGrantBytes(unmeasured)
    this.#most += mostGrantBytes(grant)
    if (this.#bytes + this.#most <= fullBytes) return true
    for (const unmeasured of this.grants.slice(this.#measured)) this.#bytes += sizeBytes(unmeasured)
    this.#bytes += sizeBytes(grant)
    this.#most = 0
    const fits = this.grants.length === 0 || this.#bytes <= grantsLimitBytes
    this.#measured = this.grants.length + (fits ? 1 : 0)
    return fits
  }
}

/** At least `sizeBytes(grant)`. Ids are plain characters. */
function mostGrantBytes({ group, agent, instance, jobs }: GrantMessage): number {
  let bytes = 220 + group.length + agent.length + instance.length
  for (const { spec } of jobs) bytes += jobBytes + mostSpecBytes(spec)
  return bytes
}

/** A lock on as many of the jobs as the request names, the window allows and one message takes. */
export function grantOfOneMessage(state: GroupState, request: GrantRequest): Decision<GroupEvent> {
  const decision = grantLock(state, request)
  const granted = decision.kind === 'events' ? decision.events[decision.events.length - 1] : undefined
  if (granted?.type !== 'LockGranted') return decision
  const wanted = countOf(granted.data.jobs)
  if (wanted <= fewJobs || mostJobsBytes(state, granted.data.jobs) <= grantLimitBytes) return decision
  const credit = fittingOf(state, granted.data.jobs)
  return credit === wanted ? decision : grantLock(state, { ...request, credit })
}

/** What a message says beside its jobs. */
const besideJobsBytes = 1_024

/** At least what the jobs take in a message: to measure them exactly costs as much as to send them. */
function mostJobsBytes(state: GroupState, runs: readonly Run[]): number {
  let bytes = besideJobsBytes
  for (const [first, last] of runs) for (let job = first; job <= last; job++) bytes += jobBytes + mostSpecBytes(state.specs[job - 1]!)
  return bytes
}

function fittingOf(state: GroupState, runs: readonly Run[]): number {
  let count = 0
  let bytes = besideJobsBytes
  for (const [first, last] of runs) {
    for (let job = first; job <= last; job++) {
      bytes += jobBytes + sizeBytes(state.specs[job - 1])
      if (count > 0 && bytes > grantLimitBytes) return count
      count += 1
    }
  }
  return count
}
