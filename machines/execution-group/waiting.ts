/** For whom a lock could be granted at this moment. */
import { jobTable } from '../job/machine.ts'
import { agentsWithReady } from './graph.ts'
import { groupTable } from './machine.ts'
import { type GroupState, assigneeOf, headJob, headPhase } from './state.ts'
import { agentsWithAnyReady } from './unordered.ts'

/** The agent in whose queue the group's next job waits to be granted; of a graph, or without order, all who could be granted one. */
export function waitingFor(group: GroupState): string | readonly string[] | undefined {
  if (group.grant !== null || !groupTable.can(group.phase, 'LockGranted')) return undefined
  if (group.graph !== null) return agentsWithReady(group.graph)
  if (group.unordered !== null) return agentsWithAnyReady(group.unordered)
  const head = headJob(group)
  if (head === undefined || !jobTable.can(headPhase(group), 'Granted')) return undefined
  return assigneeOf(group, head)
}
