/** What people are told about jobs whose outcome is not known (I3). */
import { type Decision, refused } from '../../decision.ts'
import type { GroupEvent } from '../events.ts'
import type { GroupState } from '../state.ts'

/** Nothing is tried anew before somebody has said what became of it. */
export function settleFirst({ group }: GroupState, job: number): Decision<GroupEvent> {
  return refused('wrong-state', `the outcome of job ${job} of group ${group} is not known; settle it first with "reeve group resolve ${group} ${job} succeeded|failed"`)
}

/** Somebody says what became of a job of which that is no question. */
export function notUnknown({ group, jobsAdded }: GroupState, job: number): Decision<GroupEvent> {
  return refused('wrong-state', job > jobsAdded ? `group ${group} has no job ${job}: it has ${jobsAdded}, from 1 on` : `job ${job} of group ${group} is not in the state "unknown"`)
}
