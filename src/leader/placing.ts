/** [626]: the jobs of all open groups that nobody has in his queue, or not the right one, go to agents. Decides; sends nothing. */
import { defaultGroups } from '../../machines/agent/configuration.ts'
import type { Assignment } from '../../machines/execution-group/events.ts'
import type { Grant, GroupState } from '../../machines/execution-group/state.ts'
import { type Stretch, placeJobs } from '../../machines/placement/jobs.ts'
import { jobsOfGrant, jobsToAssign } from '../../machines/placement/unassigned.ts'
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
  const crews = crewsOf(agents, placing)
  for (const group of groups) {
    let placed = placeIn(crews[0]!, group, placing, added)
    for (const crew of crews.slice(1)) if (placed.stretches > 0 && (placed.assignments.length === 0 || placed.missing.length > 0)) placed = placeIn(crew, group, placing, added)
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

/** Where what is left of a grant goes that its executor did not report on; nowhere else where nobody else could take all of it. */
export function placeGivenUp(group: GroupState, grant: Grant, agents: readonly Configured[], placing: Placing): readonly Assignment[] {
  const stretches = jobsOfGrant(group, grant).slice(0, stretchLimit)
  for (const crew of crewsOf(agents.filter(({ agent }) => !placing.avoids(agent)), placing)) {
    const { missing, assignments } = placeStretches(crew, group, stretches, placing)
    if (missing.length === 0) return assignments
  }
  return []
}

interface Crew {
  readonly agents: readonly Configured[]
  readonly here: ReadonlyMap<string, ReturnType<typeof restrictionOf>>
  readonly mapping: ReturnType<typeof defaultGroups>
}

/**
 * Whose queues are tried one after the other. Who leads executes only what nobody else could: what was in its queue before goes to
 * others; and who is passed over only what nobody else could at all.
 */
function crewsOf(agents: readonly Configured[], { leader, avoids }: Placing): readonly Crew[] {
  const sound = agents.filter(({ agent }) => !avoids(agent))
  const followers = sound.filter(({ agent }) => agent !== leader)
  const crews = [followers, sound, agents]
  return crews.filter((crew, index) => index === crews.length - 1 || crew.length < crews[index + 1]!.length).map(crewOf)
}

function crewOf(agents: readonly Configured[]): Crew {
  return { agents, here: new Map(agents.map((configured) => [configured.agent, restrictionOf(configured)])), mapping: defaultGroups(agents) }
}

/** How many stretches of the group are to be assigned, and to whom they go. */
function placeIn(crew: Crew, group: GroupState, placing: Placing, added: ReadonlyMap<string, number>) {
  const { here } = crew
  const stretches = jobsToAssign(group, (agent) => here.has(agent), stretchLimit, (agent) => here.get(agent))
  if (stretches.length === 0) return { stretches: 0, assignments: [], missing: [] }
  const { assignments, missing } = placeStretches(crew, group, stretches, placing, added)
  return { stretches: stretches.length, assignments, missing }
}

function placeStretches({ agents, mapping }: Crew, group: GroupState, stretches: readonly Stretch[], { leader, load }: Placing, added: ReadonlyMap<string, number> = new Map()) {
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
  return placeJobs({ group: group.group, region, distributionFactor, agents: role, stretches }, candidates, mapping)
}
