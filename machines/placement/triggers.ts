/**
 * Default trigger configurations [604]: which default execution groups the jobs of each trigger will ask for, and what of that nobody
 * has, said before a nominal time comes. Pure; equal input gives equal output.
 */
import type { DefaultGroup } from '../agent/configuration.ts'
import type { GroupAgents, JobSpec } from '../execution-group/events.ts'
import { sizeBytes } from '../execution-group/limits.ts'
import { type JobCandidate, placeJobs } from './jobs.ts'

/** What the jobs at one site ask for. */
export interface SiteAsks {
  readonly region: string
  readonly skill?: JobSpec['skill']
}

export interface ChangeAsks {
  /** Of the sites that it names, whichever services it will find there. */
  readonly asks: readonly SiteAsks[]
  /** Only agents of this role; absent: any. */
  readonly agents?: GroupAgents | undefined
}

export interface TriggerToMap {
  readonly trigger: string
  /** Its own, and the alternate one where it has one. */
  readonly changes: readonly ChangeAsks[]
}

export interface MappedTrigger {
  readonly trigger: string
  /** Sorted by region, then skill, the one of no skill first; each once. */
  readonly groups: readonly Pick<DefaultGroup, 'region' | 'skill'>[]
  /** As `Placed.missing`; absent where there is somebody for all of its jobs. */
  readonly missing?: readonly string[]
}

export interface MappedTriggers {
  /** By id. */
  readonly triggers: readonly MappedTrigger[]
  /** How many more there are. */
  readonly more: number
}

/** All of them together, as JSON (P16). */
export const mappedTriggersLimitBytes = 64 * 1024

/** Those that somebody is missing for come first where not all of them fit. */
export function mapTriggers(triggers: readonly TriggerToMap[], agents: readonly JobCandidate[], limitBytes = mappedTriggersLimitBytes): MappedTriggers {
  const missingOf = missingAmong(agents)
  const mapped = triggers
    .map(({ trigger, changes }): MappedTrigger => {
      const groups = groupsAsked(changes.flatMap(({ asks }) => asks))
      const missing = [...new Set(changes.flatMap(missingOf))].sort()
      return { trigger, groups, ...(missing.length === 0 ? {} : { missing }) }
    })
    .sort((a, b) => Number(a.missing === undefined) - Number(b.missing === undefined) || byId(a, b))
  let bytes = 1
  const kept = mapped.filter((one) => (bytes += sizeBytes(one) + 1) <= limitBytes)
  return { triggers: kept.sort(byId), more: mapped.length - kept.length }
}

function groupsAsked(asks: readonly SiteAsks[]): MappedTrigger['groups'] {
  const groups = new Map<string, { region: string; skill: string | null }>()
  for (const { region, skill } of asks) groups.set(JSON.stringify([region, skill?.name ?? '']), { region, skill: skill?.name ?? null })
  return [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

/** Placement itself says it, of one job of each kind; many triggers ask for the same. */
function missingAmong(agents: readonly JobCandidate[]) {
  const said = new Map<string, readonly string[]>()
  return ({ asks, agents: role }: ChangeAsks): readonly string[] => {
    const skills = new Map(asks.map(({ skill }) => [JSON.stringify(skill ?? null), skill]))
    const key = `${role ?? ''} ${[...skills.keys()].sort().join(' ')}`
    const before = said.get(key)
    if (before !== undefined) return before
    const stretches = [...skills.values()].map((skill, index) => ({ first: index + 1, last: index + 1, ...(skill === undefined ? {} : { skill }) }))
    const { missing } = placeJobs({ group: '', region: '', distributionFactor: 1, agents: role ?? null, stretches }, agents)
    said.set(key, missing)
    return missing
  }
}

function byId(a: MappedTrigger, b: MappedTrigger): number {
  return a.trigger < b.trigger ? -1 : a.trigger > b.trigger ? 1 : 0
}
