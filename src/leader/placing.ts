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
  /** Passed over where the jobs of a group find others. */
  readonly avoids: (agent: string) => boolean
}

export function placeOpenGroups(groups: readonly GroupState[], agents: readonly Configured[], placing: Placing): PlacedGroups {
  const added = new Map<string, number>()
  const missing = new Set<string>()
  const assignments: PlacedGroup[] = []
  const complete: string[] = []
  const all = crewOf(agents)
  // Who leads executes only what nobody else could: what was in its queue before goes to others.
  const preferred = agents.filter(({ agent }) => agent !== placing.leader && !placing.avoids(agent))
  const others = preferred.length < agents.length ? crewOf(preferred) : undefined
  for (const group of groups) {
    const first = placeIn(others ?? all, group, placing, added)
    const lacks = first.stretches > 0 && (first.assignments.length === 0 || first.missing.length > 0)
    const placed = lacks && others !== undefined ? placeIn(all, group, placing, added) : first
    if (placed.stretches === 0) {
      complete.push(group.group)
      continue
    }
    for (const skill of placed.missing) missing.add(skill)
    if (placed.assignments.length === 0) continue
    for (const { first, last, agent } of placed.assignments) added.set(agent, (added.get(agent) ?? 0) + last - first + 1)
    assignments.push({ group, assignments: placed.assignments, complete: placed.stretches < stretchLimit && placed.missing.length === 0 })
  }
  return { assignments, complete, missing: [...missing].sort() }
}

interface Crew {
  readonly agents: readonly Configured[]
  readonly here: ReadonlyMap<string, ReturnType<typeof restrictionOf>>
  readonly mapping: ReturnType<typeof defaultGroups>
}

function crewOf(agents: readonly Configured[]): Crew {
  return { agents, here: new Map(agents.map((configured) => [configured.agent, restrictionOf(configured)])), mapping: defaultGroups(agents) }
}

/** How many stretches of the group are to be assigned, and to whom they go. */
function placeIn({ agents, here, mapping }: Crew, group: GroupState, { leader, load }: Placing, added: ReadonlyMap<string, number>) {
  const stretches = jobsToAssign(group, (agent) => here.has(agent), stretchLimit, (agent) => here.get(agent))
  if (stretches.length === 0) return { stretches: 0, assignments: [], missing: [] }
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
  return { stretches: stretches.length, assignments: placed.assignments, missing: placed.missing }
}
