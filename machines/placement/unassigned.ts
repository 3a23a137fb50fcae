/**
 * Which jobs of a group the leader has to assign: those in nobody's queue, those in the queue of an agent that is gone, and those
 * in the queue of one whose configuration does not let it take them any more; and those of a grant that is given up.
 */
import type { GroupEventType, JobSpec } from '../execution-group/events.ts'
import { groupTable } from '../execution-group/machine.ts'
import { type Grant, type GroupState, assignmentFrom, pendingRuns, runsOfGrant } from '../execution-group/state.ts'
import type { Stretch } from './jobs.ts'

/**
 * Whether an event can give the leader jobs of its group to assign that it had not before, agents being as they were: at once; as jobs that
 * come back to a queue whose agent may be gone by now, which wait for the next round; or never. A group that is being opened is looked at when it is sealed.
 */
export const assignsAfter: Readonly<Record<GroupEventType, 'now' | 'next-round' | 'never'>> = {
  GroupOpened: 'never',
  JobsAdded: 'never',
  GroupSealed: 'now',
  GroupAbandoned: 'never',
  JobsAssigned: 'never',
  LockGranted: 'never',
  LockReturned: 'now',
  JobSucceeded: 'never',
  JobFailed: 'next-round',
  JobUnknown: 'next-round',
  JobResolved: 'never',
  JobRetried: 'now',
  JobsCancelled: 'never',
  GroupBlocked: 'never',
  GroupUnblocked: 'never',
  GroupPaused: 'never',
  GroupResumed: 'never',
  GroupPrioritized: 'never',
  CompensationBegun: 'now',
  GroupCompensated: 'never',
  GroupCancelRequested: 'never',
  GroupCancelled: 'never',
  GroupCompleted: 'never',
}

/** Of an agent that may not take every job: which it may, by the skill that a job asks for. */
export type Restriction = (skill: JobSpec['skill']) => boolean

/** In the order of numbers; jobs under an open grant are left where they are. `limit` stretches at most. */
export function jobsToAssign(
  group: GroupState,
  isHere: (agent: string) => boolean,
  limit: number,
  restrictionOf: (agent: string) => Restriction | undefined = () => undefined,
): readonly Stretch[] {
  if (!groupTable.can(group.phase, 'JobsAssigned')) return []
  // The service that was asked takes it into its own queue (agents.md [340]); where that is gone, another service does.
  if (group.mode === 'direct') return []
  const stretches: Stretch[] = []
  for (const [first, last] of pendingRuns(group, group.grant?.left ?? 0)) {
    for (let job = first; job <= last; ) {
      const found = assignmentFrom(group.assignments, job)
      const assignment = found !== undefined && found.first <= job ? found : undefined
      const end = Math.min(last, assignment?.last ?? (found?.first ?? Infinity) - 1)
      if (assignment === undefined || !isHere(assignment.agent)) {
        if (!collect(stretches, group, job, end, limit)) return sorted(stretches)
      } else {
        const may = restrictionOf(assignment.agent)
        for (let one = job; may !== undefined && one <= end; one++) {
          if (!may(group.specs[one - 1]?.skill) && !collect(stretches, group, one, one, limit)) return sorted(stretches)
        }
      }
      job = end + 1
    }
  }
  return sorted(stretches)
}

/** The jobs of an open grant that are not settled, in the order of numbers. */
export function jobsOfGrant(group: GroupState, grant: Grant): readonly Stretch[] {
  const stretches: Stretch[] = []
  for (const [first, last] of runsOfGrant(group, grant)) collect(stretches, group, first, last, Infinity)
  return sorted(stretches)
}

/** False when the limit is reached. */
function collect(stretches: Stretch[], group: GroupState, first: number, last: number, limit: number): boolean {
  for (let job = first; job <= last; job++) {
    const skill = group.specs[job - 1]?.skill
    const open = stretches[stretches.length - 1]
    if (open !== undefined && open.last === job - 1 && sameSkill(open.skill, skill)) {
      stretches[stretches.length - 1] = { ...open, last: job }
      continue
    }
    if (stretches.length === limit) return false
    stretches.push(skill === undefined ? { first: job, last: job } : { first: job, last: job, skill })
  }
  return true
}

function sameSkill(a: JobSpec['skill'], b: JobSpec['skill']): boolean {
  return a?.name === b?.name && a?.need === b?.need
}

function sorted(stretches: Stretch[]): Stretch[] {
  return stretches.sort((a, b) => a.first - b.first)
}
