/** Which jobs of a group the leader has to assign: those in nobody's queue, and those in the queue of an agent that is gone. */
import type { JobSpec } from '../execution-group/events.ts'
import { groupTable } from '../execution-group/machine.ts'
import { type GroupState, firstOfRetries, runsFromHead } from '../execution-group/state.ts'
import type { Stretch } from './jobs.ts'

/** In the order of numbers; jobs under an open grant are left where they are. `limit` stretches at most. */
export function jobsToAssign(group: GroupState, isHere: (agent: string) => boolean, limit: number): readonly Stretch[] {
  if (!groupTable.can(group.phase, 'JobsAssigned')) return []
  const stretches: Stretch[] = []
  for (const [first, last] of runsFromHead(group, group.queued, group.grant?.left ?? 0)) {
    for (let job = first; job <= last; ) {
      // A retry stands in the queue under a number of its own and is assigned as the first of its chain.
      const asked = firstOfRetries(group, job)
      const assignment = group.assignments.find((known) => known.first <= asked && asked <= known.last)
      const end = asked === job ? Math.min(last, assignment?.last ?? nextAssigned(group, job) - 1) : job
      if (assignment === undefined || !isHere(assignment.agent)) {
        if (!collect(stretches, group, asked, asked + (end - job), limit)) return sorted(stretches)
      }
      job = end + 1
    }
  }
  return sorted(stretches)
}

function nextAssigned(group: GroupState, job: number): number {
  let next = Infinity
  for (const assignment of group.assignments) if (assignment.first > job && assignment.first < next) next = assignment.first
  return next
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
