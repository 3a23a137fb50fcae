/**
 * Grants and outcomes in short (docs/wire.md "Short form"): what those of one message have in common is said once. It is said only to
 * who has said that it reads it; what the short form does not take stands beside it in full. One grant is 50 bytes instead of 350.
 */
import type { JobSpec } from '../machines/execution-group/events.ts'
import type { GrantMessage, OutcomeReport } from './lane-protocol.ts'
import { same } from './shared-jobs.ts'

/** What grants have in common. Optional keys as in `GrantMessage` and `JobSpec`; also what a newer program says of a job. */
export interface ShortKind {
  readonly unordered?: true
  readonly spec: Omit<JobSpec, 'service' | 'after'>
}

/** `group` is '' where it is the one before; `kind` counts from 0; the jobs follow one another from `first` on, each with its service. */
export type ShortGrant = readonly [group: string, grant: number, kind: number, first: number, ...services: string[]]

export interface ShortGrants extends Pick<GrantMessage, 'agent' | 'instance' | 'incarnation' | 'callDeadlineMs'> {
  readonly kinds: readonly ShortKind[]
  readonly grants: readonly ShortGrant[]
}

/** Jobs of one grant that succeeded, one after another; `group` is '' where it is the one before in the list, in whichever form that is. */
export type ShortOutcome = readonly [group: string, grant: number, first: number, last: number]

/** Most jobs of all short outcomes of one request, about what the largest message holds in full: 15 bytes may say any number. */
export const shortOutcomesLimit = 10_000

/** So many kinds are looked through for one that a grant is of. */
const kindsSearched = 4

export function grantsInShort(grants: readonly GrantMessage[]): { readonly grants: readonly GrantMessage[]; readonly short?: ShortGrants } {
  if (grants.length === 0) return { grants }
  const { agent, instance, incarnation, callDeadlineMs } = grants[0]!
  const full: GrantMessage[] = []
  const short: ShortGrant[] = []
  /** The first of each kind. */
  const samples: GrantMessage[] = []
  let before = ''
  for (const grant of grants) {
    const alike = grant.callDeadlineMs === callDeadlineMs && grant.instance === instance && grant.agent === agent && grant.incarnation === incarnation
    if (!alike || !isOfOneKind(grant)) {
      full.push(grant)
      continue
    }
    const { group, jobs } = grant
    const entry: [string, number, number, number, ...string[]] = [group === before ? '' : group, grant.grant, kindIn(samples, grant), jobs[0]!.job]
    for (const { spec } of jobs) entry.push(spec.service)
    short.push(entry)
    before = group
  }
  return short.length === 0 ? { grants } : { grants: full, short: { agent, instance, incarnation, callDeadlineMs, kinds: samples.map(kindOf), grants: short } }
}

/** Its jobs follow one another, and differ in their service only. */
function isOfOneKind({ jobs }: GrantMessage): boolean {
  if (jobs.length === 0 || jobs[0]!.spec.after !== undefined) return false
  const { job: first, spec } = jobs[0]!
  for (let index = 0; index < jobs.length; index++) {
    const { job, spec: other, chain } = jobs[index]!
    if (job !== first + index || chain !== undefined || !isAlike(spec, other)) return false
  }
  return true
}

/** Whatever they say, also what this build does not know: the service apart. */
function isAlike(one: JobSpec, other: JobSpec): boolean {
  if (one === other) return true
  const keys = Object.keys(one) as (keyof JobSpec)[]
  if (keys.length !== Object.keys(other).length) return false
  for (const key of keys) if (!(key in other) || (key !== 'service' && !same(one[key], other[key]))) return false
  return true
}

function kindIn(samples: GrantMessage[], grant: GrantMessage): number {
  const last = samples.length - 1
  for (let index = last; index >= 0 && index > last - kindsSearched; index--) {
    const { unordered, jobs } = samples[index]!
    if (unordered === grant.unordered && isAlike(jobs[0]!.spec, grant.jobs[0]!.spec)) return index
  }
  return samples.push(grant) - 1
}

function kindOf({ unordered, jobs }: GrantMessage): ShortKind {
  const { service: _, ...spec } = jobs[0]!.spec
  return { ...(unordered && { unordered }), spec }
}

export function grantsInFull({ agent, instance, incarnation, callDeadlineMs, kinds, grants }: ShortGrants): GrantMessage[] {
  let before = ''
  return grants.map(([named, grant, number, first, ...services]) => {
    const group = named === '' ? before : named
    before = group
    const { unordered, spec } = kinds[number]!
    const jobs = services.map((service, index) => ({ job: first + index, spec: { ...spec, service } }))
    return { group, grant, agent, instance, incarnation, callDeadlineMs, ...(unordered && { unordered }), jobs }
  })
}

/** Of at most `shortOutcomesLimit`. */
export function outcomesInShort(outcomes: readonly OutcomeReport[]): (OutcomeReport | ShortOutcome)[] {
  const said: (OutcomeReport | ShortOutcome)[] = []
  let run: [group: string, grant: number, first: number, last: number] | undefined
  let before = ''
  for (const report of outcomes) {
    const { group, grant, job, outcome } = report
    const isPlain = outcome.kind === 'succeeded' && outcome.already === undefined
    if (!isPlain) {
      said.push(report)
      run = undefined
    } else if (run !== undefined && run[1] === grant && run[3] === job - 1 && group === before) run[3] = job
    else said.push((run = [group === before ? '' : group, grant, job, job]))
    before = group
  }
  return said
}

const succeeded = { kind: 'succeeded' } as const

/** Of a list that has the documented form. */
export function outcomesInFull(said: readonly (OutcomeReport | ShortOutcome)[]): OutcomeReport[] {
  const outcomes: OutcomeReport[] = []
  let group = ''
  for (const entry of said) {
    if (isInFull(entry)) {
      outcomes.push(entry)
      group = entry.group
      continue
    }
    const [named, grant, first, last] = entry
    if (named !== '') group = named
    for (let job = first; job <= last; job++) outcomes.push({ group, grant, job, outcome: succeeded })
  }
  return outcomes
}

function isInFull(entry: OutcomeReport | ShortOutcome): entry is OutcomeReport {
  return !Array.isArray(entry)
}
