/**
 * Which agent's queue each job goes to: by skill, near the sites, over the share of those that the distribution factor says, to the
 * least loaded, and to the leader only when nobody else could. Pure; equal input gives equal output.
 */
import type { AgentRole } from '../agent/agent.ts'
import { type DefaultGroup, defaultGroups } from '../agent/configuration.ts'
import type { Assignment, GroupAgents, JobSpec } from '../execution-group/events.ts'
import type { GroupState } from '../execution-group/state.ts'

export interface JobCandidate {
  readonly agent: string
  readonly region: string
  /** Asked of those who may work for a group of one role only. */
  readonly role?: AgentRole
  readonly skills: readonly string[]
  /** Takes only jobs that ask for one of its skills. */
  readonly skilledOnly?: boolean
  readonly leads: boolean
  /** Jobs in its queue that are not settled. */
  readonly load: number
}

/** Consecutive jobs in the order of numbers that ask for the same. */
export interface Stretch {
  readonly first: number
  readonly last: number
  readonly skill?: JobSpec['skill']
}

export interface GroupToPlace {
  readonly group: string
  readonly region: string
  /** Percentage of the mapped agents, 1 to 100. They are those of the region where any of them is there. */
  readonly distributionFactor: number
  /** Only agents of this role; absent: any. */
  readonly agents?: GroupAgents | null
  /** Jobs that are to be assigned, in order, not overlapping. */
  readonly stretches: readonly Stretch[]
}

export interface Placed {
  readonly assignments: readonly Assignment[]
  /** Skills for which there is no agent: their jobs wait; `no skill` where all who are there take jobs of their skills only. */
  readonly missing: readonly string[]
}

/** `groups`: default execution groups of those who are present, where they are known already. */
export function placeJobs(group: GroupToPlace, present: readonly JobCandidate[], groups: readonly DefaultGroup[] = groupsOf(present)): Placed {
  const { agents } = group
  const candidates = new Map<string, JobCandidate>()
  for (const candidate of present) if (agents == null || candidate.role === agents) candidates.set(candidate.agent, candidate)
  const assignments: Assignment[] = []
  const missing = new Set<string>()
  const bySkill = new Map<string, Stretch[]>()
  for (const stretch of group.stretches) {
    const key = stretch.skill === undefined ? '' : `${stretch.skill.need} ${stretch.skill.name}`
    const same = bySkill.get(key)
    if (same === undefined) bySkill.set(key, [stretch])
    else same.push(stretch)
  }
  /** What this very call adds to each agent's load. */
  const added = new Map<string, number>()
  for (const stretches of bySkill.values()) {
    const { skill } = stretches[0]!
    const mapped = mappedAgents(skill, group.region, groups, candidates)
    if (mapped.length === 0) {
      if (skill !== undefined) missing.add(skill.name)
      else if (candidates.size > 0 || agents != null) missing.add('no skill')
      if (agents != null) missing.add(`role ${agents}`)
      continue
    }
    // Rounded up, at least one (spec/agents.md): 4 mapped, 50 % → 2.
    const count = Math.max(1, Math.ceil((mapped.length * group.distributionFactor) / 100))
    const chosen = [...mapped].sort((a, b) => rank(a, b, added)).slice(0, count)
    assignments.push(...spread(stretches, chosen.map((candidate) => candidate.agent), added))
  }
  return { assignments: assignments.sort((a, b) => a.first - b.first), missing: [...missing].sort() }
}

/**
 * Agents that the jobs may go to, from the default execution groups [604]: that of the skill in the region of the sites; where nobody is in it, those of
 * the skill in all other regions. A skill that only helps: then those of no skill likewise. The leader if nobody else.
 */
function mappedAgents(skill: JobSpec['skill'], region: string, groups: readonly DefaultGroup[], candidates: ReadonlyMap<string, JobCandidate>): readonly JobCandidate[] {
  let leader: JobCandidate | undefined
  for (const name of skill === undefined ? [null] : skill.need === 'preferred' ? [skill.name, null] : [skill.name]) {
    const near: JobCandidate[] = []
    const far: JobCandidate[] = []
    for (const group of groups) {
      if (group.skill !== name) continue
      for (const agent of group.agents) {
        const candidate = candidates.get(agent)
        if (candidate?.leads === true) leader = candidate
        else if (candidate !== undefined) (group.region === region ? near : far).push(candidate)
      }
    }
    const followers = near.length > 0 ? near : far
    if (followers.length > 0) return followers
  }
  return leader === undefined ? [] : [leader]
}

function rank(a: JobCandidate, b: JobCandidate, added: ReadonlyMap<string, number>): number {
  const load = (candidate: JobCandidate) => candidate.load + (added.get(candidate.agent) ?? 0)
  return load(a) - load(b) || (a.agent < b.agent ? -1 : 1)
}

function groupsOf(present: readonly JobCandidate[]): readonly DefaultGroup[] {
  return defaultGroups(present.map(({ agent, region, skills, skilledOnly = false }) => ({ agent, configuration: { region, skills, skilledOnly } })))
}

/** Each agent gets one consecutive share, so that the lock changes hands as seldom as the factor allows. */
function spread(stretches: readonly Stretch[], agents: readonly string[], added: Map<string, number>): Assignment[] {
  const total = stretches.reduce((sum, stretch) => sum + stretch.last - stretch.first + 1, 0)
  const assignments: Assignment[] = []
  let done = 0
  for (const stretch of stretches) {
    let first = stretch.first
    while (first <= stretch.last) {
      const index = Math.min(agents.length - 1, Math.floor((done * agents.length) / total))
      const agent = agents[index]!
      const shareEnd = Math.ceil(((index + 1) * total) / agents.length)
      const last = index === agents.length - 1 ? stretch.last : Math.min(stretch.last, first + Math.max(1, shareEnd - done) - 1)
      assignments.push({ first, last, agent })
      added.set(agent, (added.get(agent) ?? 0) + last - first + 1)
      done += last - first + 1
      first = last + 1
    }
  }
  return assignments
}

/** Assigned jobs that are not settled, by agent; what is settled is a prefix of the queue, so a strict queue needs no scan. */
export function remainingByAgent(group: GroupState): ReadonlyMap<string, number> {
  const remaining = new Map<string, number>()
  const assigned = group.assignments.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  if (assigned === 0) return remaining
  const left = Math.max(0, group.queued - group.position)
  for (const { first, last, agent } of group.assignments) {
    const share = Math.ceil(((last - first + 1) * left) / assigned)
    remaining.set(agent, (remaining.get(agent) ?? 0) + share)
  }
  return remaining
}
