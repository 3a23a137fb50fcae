/** An open grant as its executor is told of it: with the details of the jobs that are left of it. */
import { type Grant, type GroupState, chainOf, runsOfGrant } from '../../machines/execution-group/state.ts'
import type { GrantMessage } from '../../streams/lane-protocol.ts'

/** `incarnation`: of the turn that holds the grant. */
export function grantMessage(state: GroupState, grant: Grant, incarnation: number): GrantMessage {
  const unordered = state.unordered !== null
  const jobs: GrantMessage['jobs'][number][] = []
  for (const [first, last] of runsOfGrant(state, grant)) {
    for (let job = first; job <= last; job++) {
      const chain = unordered ? chainOf(state, job) : job
      jobs.push(chain === job ? { job, spec: state.specs[job - 1]! } : { job, spec: state.specs[job - 1]!, chain })
    }
  }
  const { group } = state
  const { revision, agent, instance, callDeadlineMs } = grant
  // Two literals: the runtime copies property by property what is spread into one.
  return unordered
    ? { group, grant: revision, agent, instance, incarnation, callDeadlineMs, unordered, jobs }
    : { group, grant: revision, agent, instance, incarnation, callDeadlineMs, jobs }
}
