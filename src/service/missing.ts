/** What nobody who is here could take of a group: its jobs wait, as long as that is so. */
import { byCodeUnits } from '../../machines/code-units.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import { type JobCandidate, placeJobs } from '../../machines/placement/jobs.ts'
import { jobsToAssign } from '../../machines/placement/unassigned.ts'
import { candidatesHere } from '../change/proposal.ts'
import { restrictionOf } from '../leader/configurations.ts'
import type { ServiceContext } from './context.ts'

/** So many stretches tell what all of them would. */
const stretchLimit = 500
const namedLimit = 20

/** As `Placed.missing`, of the jobs that the leader has yet to assign; nobody is asked where there are none. Throws `Unavailable`. */
export async function missingForGroup({ coordinator, view }: Pick<ServiceContext, 'coordinator' | 'view'>, group: GroupState): Promise<readonly string[]> {
  return mayMiss(group) ? missingOf(group, await candidatesHere(coordinator, view.state)) : []
}

/** Of all groups: which of them wait for what nobody who is here takes, by id, the first 20, and for what. Throws `Unavailable`. */
export async function missingForAll({ coordinator, view }: Pick<ServiceContext, 'coordinator' | 'view'>): Promise<{ readonly count: number; readonly first: readonly string[]; readonly missing: readonly string[] }> {
  const groups = [...view.state.groups()].filter(mayMiss)
  if (groups.length === 0) return { count: 0, first: [], missing: [] }
  const candidates = await candidatesHere(coordinator, view.state)
  const waiting = groups.map((group) => ({ group: group.group, missing: missingOf(group, candidates) })).filter(({ missing }) => missing.length > 0)
  return {
    count: waiting.length,
    first: waiting.map(({ group }) => group).sort(byCodeUnits).slice(0, namedLimit),
    missing: [...new Set(waiting.flatMap(({ missing }) => missing))].sort(byCodeUnits),
  }
}

/** Some of its jobs are, or could be, without an agent. */
function mayMiss(group: GroupState): boolean {
  return !groupTable.isFinal(group.phase) && jobsToAssign(group, () => false, 1).length > 0
}

function missingOf(group: GroupState, candidates: readonly JobCandidate[]): readonly string[] {
  const here = new Map(candidates.map(({ agent, skills, skilledOnly = false }) => [agent, restrictionOf({ configuration: { skills, skilledOnly } })]))
  const stretches = jobsToAssign(group, (agent) => here.has(agent), stretchLimit, (agent) => here.get(agent))
  const { region, distributionFactor, agents } = group
  return placeJobs({ group: group.group, region, distributionFactor, agents, stretches }, candidates).missing
}
