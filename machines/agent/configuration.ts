/**
 * What an agent is to do [604-616]: what is planned for it [608], laid over how it was started, laid over what its build is made
 * to do [610]; and which of two configurations of one agent is in force. Pure: digests are computed elsewhere and passed in.
 */
import { byCodeUnits } from '../code-units.ts'
import type { AgentRole, AgentState } from './agent.ts'

/** What the administrator plans for one agent, whole. An absent key is as the agent was started or built. */
export interface PlannedConfiguration {
  readonly role?: AgentRole
  readonly region?: string
  /** Sorted; no name stands in both. */
  readonly skillsOn?: readonly string[]
  readonly skillsOff?: readonly string[]
  /** Takes only jobs that ask for one of its skills. */
  readonly skilledOnly?: boolean
  /** Most grants of one lane held at once, from 1. */
  readonly capacity?: number
  readonly holdsLanes?: boolean
}

/** What a build is made to do [610]: recorded once, so that it is known while agents of that build are away. */
export interface Manifest {
  readonly build: string
  /** Where none is said at the start. */
  readonly role: AgentRole
  /** Kinds of sites that it has an adapter for, sorted. */
  readonly adapters: readonly string[]
  /** That can be switched on, sorted. */
  readonly skills: readonly string[]
  readonly defaults: { readonly skilledOnly: boolean; readonly capacity: number; readonly holdsLanes: boolean }
  /** Formats of the realm that it knows, ascending. */
  readonly formats: readonly number[]
}

export interface AgentConfiguration {
  readonly role: AgentRole
  readonly region: string
  readonly adapters: readonly string[]
  /** Sorted. */
  readonly skills: readonly string[]
  readonly skilledOnly: boolean
  readonly capacity: number
  readonly holdsLanes: boolean
}

/** Says which configuration it is, and how late: of two that differ the later one is in force. */
export interface Signature {
  /** SHA-256 of the canonical form of the configuration. */
  readonly digest: string
  /** Of the agent: of what was planned or how it was started last [608]. */
  readonly revision: number
  /** Of the manifest [610]. */
  readonly build: string
  /** Build of the leader that computed it. */
  readonly leader: string
}

export const builtInDefaults: Manifest['defaults'] = { skilledOnly: false, capacity: 64, holdsLanes: true }

/** [604] for one agent. */
export function defaultConfiguration(agent: AgentState, manifest: Manifest): AgentConfiguration {
  const { planned } = agent
  const without = plannedWithoutEffect(agent, manifest)
  const switchedOn = (planned.skillsOn ?? []).filter((skill) => !without.includes(skill))
  const off = new Set(planned.skillsOff ?? [])
  return {
    role: planned.role ?? agent.role,
    region: planned.region ?? agent.region,
    adapters: manifest.adapters,
    skills: [...new Set([...agent.skills, ...switchedOn])].filter((skill) => !off.has(skill)).sort(),
    skilledOnly: planned.skilledOnly ?? manifest.defaults.skilledOnly,
    capacity: planned.capacity ?? manifest.defaults.capacity,
    holdsLanes: planned.holdsLanes ?? manifest.defaults.holdsLanes,
  }
}

/** Skills that are planned, on or off, but that the build does not have: they count once a build that has them is started. Sorted. */
export function plannedWithoutEffect({ planned, skills }: Pick<AgentState, 'planned' | 'skills'>, manifest: Manifest | undefined): readonly string[] {
  if (manifest === undefined) return []
  return [...(planned.skillsOn ?? []), ...(planned.skillsOff ?? [])].filter((skill) => !manifest.skills.includes(skill) && !skills.includes(skill)).sort()
}

/**
 * [616]: `replace` only by one that differs and is later, so that an older leader never undoes what a newer one wrote. One that says the same for a later
 * start or plan of the agent differs too: the agent waits for it.
 */
export function chooseConfiguration(current: Signature | undefined, byDefault: Signature): 'keep' | 'replace' {
  if (current === undefined) return 'replace'
  if (current.digest === byDefault.digest) return byDefault.revision > current.revision ? 'replace' : 'keep'
  const later = byDefault.revision - current.revision || compareBuilds(byDefault.build, current.build) || compareBuilds(byDefault.leader, current.leader)
  return later > 0 ? 'replace' : 'keep'
}

/** Below 0 when `a` is the earlier build: by the numbers in them, then as text. A total order. */
export function compareBuilds(a: string, b: string): number {
  const left = numbersIn(a)
  const right = numbersIn(b)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return byCodeUnits(a, b)
}

function numbersIn(build: string): number[] {
  return (build.match(/\d+/g) ?? []).map(Number)
}

/**
 * A default execution group [604]: the agents that may carry out jobs of one skill in one region; `skill` null: jobs that ask for none.
 * Placement starts from them.
 */
export interface DefaultGroup {
  readonly region: string
  readonly skill: string | null
  readonly agents: readonly string[]
}

/** Sorted by region, then skill, the one of no skill first. */
export function defaultGroups(
  agents: readonly { readonly agent: string; readonly configuration: Pick<AgentConfiguration, 'region' | 'skills' | 'skilledOnly'> }[],
): readonly DefaultGroup[] {
  const groups = new Map<string, { region: string; skill: string | null; agents: string[] }>()
  for (const { agent, configuration } of agents) {
    const { region, skills, skilledOnly } = configuration
    for (const skill of skilledOnly ? skills : [null, ...skills]) {
      const key = JSON.stringify([region, skill ?? ''])
      const group = groups.get(key) ?? { region, skill, agents: [] }
      group.agents.push(agent)
      groups.set(key, group)
    }
  }
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => ({ ...group, agents: group.agents.sort() }))
}
