/** [626]: the jobs of all open groups that nobody has in his queue, or not the right one, go to agents. Decides; sends nothing. */
import { defaultGroups } from '../../machines/agent/configuration.ts'
import type { Assignment } from '../../machines/execution-group/events.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import { placeJobs } from '../../machines/placement/jobs.ts'
import { jobsToAssign } from '../../machines/placement/unassigned.ts'
import { type Configured, restrictionOf } from './configurations.ts'

/** Stretches of one assign command: one takes at most about 110 bytes, all together at most 64 KiB (P16). */
const stretchLimit = 500

export interface PlacedGroup {
  readonly group: GroupState
  readonly assignments: readonly Assignment[]
  /** Nothing of the group is left to assign when this is. */
  readonly complete: boolean
}

export interface PlacedGroups {
  readonly assignments: readonly PlacedGroup[]
  /** Groups that need nothing. */
  readonly complete: readonly string[]
  /** Skills, or roles, that nobody has who is here. */
  readonly missing: readonly string[]
}

export interface Placing {
  /** Agent that leads. */
  readonly leader: string
  /** Jobs in an agent's queue. */
  readonly load: (agent: string) => number
}

export function placeOpenGroups(groups: readonly GroupState[], agents: readonly Configured[], { leader, load }: Placing): PlacedGroups {
  const here = new Map(agents.map((configured) => [configured.agent, restrictionOf(configured)]))
  const mapping = defaultGroups(agents)
  const added = new Map<string, number>()
  const missing = new Set<string>()
  const assignments: PlacedGroup[] = []
  const complete: string[] = []
  for (const group of groups) {
    const stretches = jobsToAssign(group, (agent) => here.has(agent), stretchLimit, (agent) => here.get(agent))
    if (stretches.length === 0) {
      complete.push(group.group)
      continue
    }
    const candidates = agents.map(({ agent, configuration: { region, role, skills, skilledOnly } }) => ({
      agent,
      region,
      role,
      skills,
      skilledOnly,
      leads: agent === leader,
      load: load(agent) + (added.get(agent) ?? 0),
    }))
    const { region, distributionFactor, agents: role } = group
    const placed = placeJobs({ group: group.group, region, distributionFactor, agents: role, stretches }, candidates, mapping)
    for (const skill of placed.missing) missing.add(skill)
    if (placed.assignments.length === 0) continue
    for (const { first, last, agent } of placed.assignments) added.set(agent, (added.get(agent) ?? 0) + last - first + 1)
    assignments.push({ group, assignments: placed.assignments, complete: stretches.length < stretchLimit && placed.missing.length === 0 })
  }
  return { assignments, complete, missing: [...missing].sort() }
}
