/** Planning a change: which jobs, in which order, and what each of them changes. Pure. */
import { counted } from '../../machines/counted.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { Service } from '../../machines/service/model.ts'
import { type Operation, effectOf } from '../../machines/service/operation.ts'
import { ApiFailure, type ErrorCode } from '../../streams/api/errors.ts'
import { digestOf } from '../../streams/codec.ts'
import { type SiteAdapter, capabilitiesAt } from '../sites/adapter.ts'
import { planBytes } from './plan-bytes.ts'
import { type Target, throwAll } from './selection.ts'

export { planBytes } from './plan-bytes.ts'

export interface Difference {
  readonly property: string
  readonly from: string | boolean | null
  readonly to: string | boolean | null
}

export interface PlannedJob {
  readonly spec: JobSpec
  readonly name: string
  readonly differences: readonly Difference[]
}

export interface ChangePlan {
  readonly operation: Operation
  readonly jobs: readonly PlannedJob[]
  readonly unchanged: readonly Target[]
  readonly destructive: boolean
  /** One line a site: site, names, count (I12). */
  readonly repeats: readonly string[]
  readonly sites: readonly { readonly site: string; readonly jobs: number; readonly alreadySo: number; readonly names: string[] }[]
  /** RFC 8785 JSON of `{"jobs":[…]}`: what lies in the texts under `digest` (docs/wire.md "Plan"). */
  readonly bytes: Uint8Array
  readonly digest: string
}

/** A user may lose a session or access by these. */
const destructiveOperations: ReadonlySet<Operation['name']> = new Set(['stop', 'deassign'])

export interface PlanOptions {
  readonly operation: Operation
  readonly includeUnchanged: boolean
  readonly window: number
  /** Throws `UnknownSiteKind`. */
  readonly adapterOf: (kind: string) => SiteAdapter
}

/** Throws `ApiFailure` `unsupported` with one line for each site that cannot do it. */
export function planChange(targets: readonly Target[], options: PlanOptions): ChangePlan {
  const { operation } = options
  checkSupport(targets, options)
  const jobs: PlannedJob[] = []
  const unchanged: Target[] = []
  for (const target of targets) {
    const differences = differencesOf(target.service, operation)
    if (differences.length === 0 && operation.name !== 'rehearse' && !options.includeUnchanged) unchanged.push(target)
    else jobs.push({ spec: specOf(target, operation, options.adapterOf(target.site.kind)), name: target.service.name, differences })
  }
  if (options.window > 1 && jobs.some(({ spec }) => !spec.repeatable)) {
    throw new ApiFailure('malformed', `window ${options.window} needs jobs that may be repeated, and ${operation.name} may not be on every selected site: leave the window at 1`)
  }
  const bytes = planBytes(jobs.map(({ spec }) => spec))
  const sites = summarised(jobs, unchanged)
  return {
    operation,
    jobs,
    unchanged,
    destructive: destructiveOperations.has(operation.name),
    repeats: sites.filter((site) => site.jobs > 0).map((site) => repeatLine(operation, site)),
    sites,
    bytes,
    digest: digestOf(bytes),
  }
}

/** What the operation would change; none where the service is so already. */
export function differencesOf(service: Service, operation: Operation): Difference[] {
  if (operation.name === 'rehearse') return []
  const { property, value } = effectOf(operation)
  const from = valueOf(service, property)
  return from === value ? [] : [{ property, from, to: value }]
}

/** Value of a property that `effectOf` names. */
export function valueOf(service: Service, property: string): string | boolean | null {
  if (property.startsWith('user:')) return service.users.includes(property.slice('user:'.length))
  switch (property) {
    case 'power':
      return service.power
    case 'name':
      return service.name
    case 'maintenance':
      return service.maintenance
    default:
      return null
  }
}

function checkSupport(targets: readonly Target[], { operation, adapterOf }: PlanOptions): void {
  const problems: { code: ErrorCode; text: string }[] = []
  const judged = new Set<string>()
  for (const { site } of targets) {
    if (judged.has(site.site)) continue
    judged.add(site.site)
    const adapter = adapterOf(site.kind)
    const { operations } = capabilitiesAt(adapter, site.address)
    if (operations.has(operation.name)) continue
    problems.push({
      code: 'unsupported',
      text: `site ${site.site} (${site.kind}) cannot ${operation.name}: its adapter can ${[...operations].sort().join(', ')}`,
    })
  }
  throwAll(problems)
}

function specOf({ site, service }: Target, operation: Operation, adapter: SiteAdapter): JobSpec {
  return {
    site: site.site,
    service: service.id,
    operation,
    ...(adapter.skill === 'none' ? {} : { skill: { name: adapter.kind, need: adapter.skill } }),
    repeatable: adapter.repeatable.has(operation.name),
  }
}

const namesShown = 5

function summarised(jobs: readonly PlannedJob[], unchanged: readonly Target[]) {
  const sites = new Map<string, { site: string; jobs: number; alreadySo: number; names: string[] }>()
  const of = (site: string) => {
    const summary = sites.get(site) ?? { site, jobs: 0, alreadySo: 0, names: [] }
    sites.set(site, summary)
    return summary
  }
  for (const { spec, name } of jobs) {
    const summary = of(spec.site)
    summary.jobs += 1
    if (summary.names.length < namesShown) summary.names.push(name)
  }
  for (const { site } of unchanged) of(site.site).alreadySo += 1
  return [...sites.values()]
}

function repeatLine(operation: Operation, site: { readonly site: string; readonly jobs: number; readonly names: readonly string[] }): string {
  const names = site.names.map((name) => JSON.stringify(name)).join(', ')
  const rest = site.jobs > site.names.length ? ` and ${site.jobs - site.names.length} more` : ''
  return `${operation.name}: site ${site.site}, ${counted(site.jobs, 'service')}: ${names}${rest}`
}
