/** What nobody who is here could take of a group: its jobs wait, as long as that is so. */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import { placeJobs } from '../../machines/placement/jobs.ts'
import { jobsToAssign } from '../../machines/placement/unassigned.ts'
import { candidatesHere } from '../change/proposal.ts'
import { restrictionOf } from '../leader/configurations.ts'
import type { ServiceContext } from './context.ts'

/** So many stretches tell what all of them would. */
const stretchLimit = 500

/** As `Placed.missing`, of the jobs that the leader has yet to assign; nobody is asked where there are none. Throws `Unavailable`. */
export async function missingForGroup({ coordinator, view }: Pick<ServiceContext, 'coordinator' | 'view'>, group: GroupState): Promise<readonly string[]> {
  if (groupTable.isFinal(group.phase) || jobsToAssign(group, () => false, 1).length === 0) return []
  const candidates = await candidatesHere(coordinator, view.state)
  const here = new Map(candidates.map(({ agent, skills, skilledOnly = false }) => [agent, restrictionOf({ configuration: { skills, skilledOnly } })]))
  const stretches = jobsToAssign(group, (agent) => here.has(agent), stretchLimit, (agent) => here.get(agent))
  const { region, distributionFactor, agents } = group
  return placeJobs({ group: group.group, region, distributionFactor, agents, stretches }, candidates).missing
}
