/**
 * The mapping that a service proposes for the jobs of a new group (agents.md [342], claim 2): those that ask for no skill, by the very same
 * placement that the leader uses. What needs a skill, and what is left open, the leader assigns (claim 1), and what a lost agent held.
 */
import { builtInDefaults } from '../../machines/agent/configuration.ts'
import type { Assignment, GroupAgents, JobSpec } from '../../machines/execution-group/events.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type JobCandidate, type Stretch, placeJobs, remainingByAgent } from '../../machines/placement/jobs.ts'
import { type PresenceValue, presenceIn } from '../../streams/coordination.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { pushedConfigurations } from '../realm/configurations.ts'
import type { RealmFold } from '../realm/view.ts'

/** Bounds the message; the leader assigns the rest (P16). */
const stretchLimit = 500

export interface GroupToPropose {
  readonly group: string
  readonly region: string
  readonly distributionFactor: number
  readonly agents?: GroupAgents
  readonly jobs: readonly JobSpec[]
}

/** Valid as far as can be seen from here: agents that are alive, over the share that the factor says. Empty where nothing is proposed. */
export function proposed(group: GroupToPropose, candidates: readonly JobCandidate[]): readonly Assignment[] {
  const stretches: Stretch[] = []
  for (let index = 0; index < group.jobs.length; index++) {
    if (group.jobs[index]!.skill !== undefined) continue
    const open = stretches[stretches.length - 1]
    if (open !== undefined && open.last === index) stretches[stretches.length - 1] = { ...open, last: index + 1 }
    else if (stretches.length === stretchLimit) break
    else stretches.push({ first: index + 1, last: index + 1 })
  }
  return stretches.length === 0 ? [] : placeJobs({ ...group, stretches }, candidates).assignments
}

/** Agents that are present, each as the configuration says that is in force for it. Throws `Unavailable`. */
export async function candidatesHere({ agents, config }: Pick<Coordinator, 'agents' | 'config'>, fold: RealmFold): Promise<readonly JobCandidate[]> {
  const [presences, pushed] = await Promise.all([agents.entries(), pushedConfigurations({ config })])
  const latest = new Map<string, PresenceValue>()
  for (const { key, value } of presences) {
    if (!key.startsWith('instance.')) continue
    const presence = presenceIn(value)
    if (presence === undefined) continue
    const known = latest.get(presence.agent)
    // Instance ids begin with the time at which the agent made them.
    if (presence.role !== 'service' && (known === undefined || known.instance < presence.instance)) latest.set(presence.agent, presence)
  }
  const loads = new Map<string, number>()
  for (const group of fold.groups()) {
    if (groupTable.isFinal(group.phase)) continue
    for (const [agent, jobs] of remainingByAgent(group)) loads.set(agent, (loads.get(agent) ?? 0) + jobs)
  }
  return [...latest.values()]
    .filter(({ stopping }) => !stopping)
    .sort((a, b) => (a.agent < b.agent ? -1 : 1))
    .map((presence) => {
      const { agent } = presence
      // What the leader places by, too [626]; who has no configuration goes by how it was started.
      const { region, role, skills, skilledOnly } = pushed.get(agent)?.configuration ?? { ...builtInDefaults, ...presence, role: presence.role === 'skilled' ? presence.role : 'generic' }
      return { agent, region, role, skills, skilledOnly, leads: fold.realm.leader?.agent === agent, load: loads.get(agent) ?? 0 }
    })
}
