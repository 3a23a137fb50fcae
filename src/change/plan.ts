/** Planning a change: which jobs, in which order, and what each of them changes. Pure. */
import { counted } from '../../machines/counted.ts'
import type { FailurePolicy, JobSpec } from '../../machines/execution-group/events.ts'
import type { Service } from '../../machines/service/model.ts'
import { type Operation, effectOf } from '../../machines/service/operation.ts'
import { ApiFailure, type ErrorCode } from '../../streams/api/errors.ts'
import { digestOf } from '../../streams/codec.ts'
import { type SiteAdapter, capabilitiesAt } from '../sites/adapter.ts'
import { planBytes } from './plan-bytes.ts'
import { type AskedOrder, type AskedPredicate, predicatesOf } from './predicates.ts'
import { type Target, throwAll } from './selection.ts'
import { undoing } from './undoing.ts'

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

interface Made {
  readonly target: Target
  readonly adapter: SiteAdapter
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
  /** Default `strict`. */
  readonly order?: AskedOrder
  readonly predicates?: readonly AskedPredicate[] | undefined
  /** Default `stop`. */
  readonly onFailure?: FailurePolicy
}

/** Throws `ApiFailure`: `unsupported` with one line for each site that cannot do it, `malformed` for predicates that make no sense. */
export function planChange(targets: readonly Target[], options: PlanOptions): ChangePlan {
  const { operation } = options
  if (options.order === 'none' && options.onFailure === 'compensate') {
    throw new ApiFailure('malformed', 'a change without order cannot be undone in reverse order: choose an order, or let it stop or continue on failure')
  }
  checkSupport(targets, options)
  const made: Made[] = []
  const unchanged: Target[] = []
  for (const target of targets) {
    const differences = differencesOf(target.service, operation)
    if (differences.length === 0 && operation.name !== 'rehearse' && !options.includeUnchanged) unchanged.push(target)
    else made.push({ target, adapter: options.adapterOf(target.site.kind), differences })
  }
  const jobs = jobsOf(made, unchanged, options)
  if (options.window > 1 && jobs.some(({ spec }) => !spec.repeatable)) {
    throw new ApiFailure('malformed', `window ${options.window} needs jobs that may be repeated, and ${operation.name} may not be on every selected site: leave the window at 1`)
  }
  const bytes = planBytes(jobs.map(({ spec }) => spec))
  const sites = summarised(jobs, unchanged)
  const undoers = new Set(jobs.flatMap(({ spec }) => (spec.compensate === undefined ? [] : [spec.compensate.name])))
  const undone = undoers.size === 0 ? '' : `; undone by ${[...undoers].sort().join(', ')} where a job fails`
  return {
    operation,
    jobs,
    unchanged,
    destructive: [operation.name, ...undoers].some((name) => destructiveOperations.has(name)),
    repeats: sites.filter((site) => site.jobs > 0).map((site) => repeatLine(operation, site) + undone),
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

function jobsOf(made: readonly Made[], unchanged: readonly Target[], { operation, order = 'strict', predicates: asked = [], onFailure = 'stop' }: PlanOptions): PlannedJob[] {
  const services = made.map(({ target }) => ({ site: target.site.site, service: target.service.id }))
  const predicates = predicatesOf(services, unchanged.map(({ site, service }) => `${site.site}/${service.id}`), order, asked)
  return made.map(({ target, adapter, differences }, index) => {
    const undo = onFailure === 'compensate' ? undoAt(target, operation, adapter) : undefined
    const before = predicates?.[index] ?? []
    const spec: JobSpec = {
      ...services[index]!,
      operation,
      ...(adapter.skill === 'none' ? {} : { skill: { name: adapter.kind, need: adapter.skill } }),
      // What undoes it is a job of the same kind: it may be repeated only where both may.
      repeatable: adapter.repeatable.has(operation.name) && (undo === undefined || adapter.repeatable.has(undo.name)),
      ...(before.length === 0 ? {} : { after: before }),
      ...(undo === undefined ? {} : { compensate: undo }),
    }
    return { spec, name: target.service.name, differences }
  })
}

/** Undefined also where the site has no such operation. */
function undoAt({ site, service }: Target, operation: Operation, adapter: SiteAdapter): Operation | undefined {
  const undo = undoing(service, operation)
  return undo !== undefined && capabilitiesAt(adapter, site.address).operations.has(undo.name) ? undo : undefined
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
