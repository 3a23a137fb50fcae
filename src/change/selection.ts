/** From a selector to the services that it means, in the order in which they will be changed. */
import { byCodeUnits } from '../../machines/code-units.ts'
import { counted } from '../../machines/counted.ts'
import type { Service, SiteConfiguration } from '../../machines/service/model.ts'
import type { SiteState } from '../../machines/site/site.ts'
import type { Selector } from '../../streams/api/change.ts'
import { ApiFailure, type ErrorCode } from '../../streams/api/errors.ts'
import { SiteUnreachable } from '../sites/adapter.ts'
import { nameMatcher } from './name-pattern.ts'

export interface Target {
  readonly site: SiteState
  readonly service: Service
}

export interface SiteSource {
  readonly sites: ReadonlyMap<string, SiteState>
  /** Throws `SiteUnreachable`. */
  read(site: SiteState): Promise<SiteConfiguration>
}

type Problem = { readonly code: ErrorCode; readonly text: string }

/**
 * Order: an explicit list in its own order; else sites in the order given (by id where none are given), in each the services by
 * id (code units). Throws `ApiFailure` with every problem found.
 */
export async function selectTargets(source: SiteSource, selector: Selector): Promise<Target[]> {
  const narrowed = Object.entries(selector).some(([key, value]) => key !== 'all' && value !== undefined)
  if (!narrowed && selector.all !== true) {
    throw new ApiFailure('malformed', 'the selector narrows nothing: name sites, a folder, a group, a name pattern or services, or say "all"')
  }
  const listed = selector.services === undefined ? undefined : explicitList(selector.services)
  const ids = sitesNamed(source.sites, selector, listed)
  const problems: Problem[] = ids.filter((id) => source.sites.get(id)?.managed !== true).map(unknownSite)
  throwAll(problems)
  const configurations = await readAll(source, ids.map((id) => source.sites.get(id)!), problems)
  throwAll(problems)
  const fits = filterOf(selector)
  const allowed = selector.sites === undefined ? undefined : new Set(selector.sites)
  const targets =
    listed === undefined
      ? ids.flatMap((id) => [...configurations.get(id)!.values()].map((service) => ({ site: source.sites.get(id)!, service })))
      : listed
          .filter(({ site }) => allowed === undefined || allowed.has(site))
          .flatMap(({ site, service }) => {
            const found = configurations.get(site)!.get(service)
            if (found === undefined) problems.push({ code: 'unknown-service', text: `site ${site} has no service ${JSON.stringify(service)}; "reeve service list --site ${site}" shows those that are` })
            return found === undefined ? [] : [{ site: source.sites.get(site)!, service: found }]
          })
  throwAll(problems)
  const selected = targets.filter(({ service }) => fits(service))
  if (selected.length === 0) {
    const where = ids.length === 0 ? 'no site is managed' : `of the services of ${ids.length === 1 ? `site ${ids[0]}` : counted(ids.length, 'site')}`
    throw new ApiFailure('nothing-selected', `the selector matches nothing ${where}; "reeve service list" shows what there is`)
  }
  return selected
}

/** Conditions of a selector on the service itself. */
export function filterOf(filter: { readonly folder?: string | undefined; readonly group?: string | undefined; readonly name?: string | undefined }) {
  const { folder, group } = filter
  const nameFits = filter.name === undefined ? undefined : nameMatcher(filter.name)
  return (service: Service): boolean =>
    (folder === undefined || folder === '' || service.folder === folder || service.folder.startsWith(`${folder}/`)) &&
    (group === undefined || service.group === group) &&
    (nameFits === undefined || nameFits(service.name))
}

/** One failure that says every problem; its code and text are those of the first. */
export function throwAll(problems: readonly Problem[]): void {
  const [first, ...others] = problems
  if (first === undefined) return
  const text = others.length === 0 ? first.text : `${first.text} (and ${others.length} more ${others.length === 1 ? 'problem' : 'problems'})`
  throw new ApiFailure(first.code, text, others.length === 0 ? {} : { more: problems.slice(0, 100) })
}

export function unknownSite(site: string): Problem {
  return { code: 'unknown-site', text: `there is no site ${site}; "reeve site list" shows those that are` }
}

function explicitList(services: readonly string[]) {
  const seen = new Set<string>()
  return services.flatMap((entry) => {
    const cut = entry.indexOf('/')
    if (cut < 1 || cut === entry.length - 1) throw new ApiFailure('malformed', `${JSON.stringify(entry)} does not name a service: write SITE/SERVICEID`)
    if (seen.has(entry)) return []
    seen.add(entry)
    return [{ site: entry.slice(0, cut), service: entry.slice(cut + 1) }]
  })
}

/** By a selector, of the managed ones where it names none; which services it finds there, only they can say. Throws `ApiFailure`. */
export function sitesNamed(sites: SiteSource['sites'], selector: Selector, listed = selector.services === undefined ? undefined : explicitList(selector.services)): string[] {
  const given = selector.sites === undefined ? undefined : [...new Set(selector.sites)]
  if (listed !== undefined) return [...new Set([...listed.map(({ site }) => site), ...(given ?? [])])]
  return given ?? [...sites.values()].filter((site) => site.managed).map((site) => site.site).sort(byCodeUnits)
}

async function readAll(source: SiteSource, sites: readonly SiteState[], problems: Problem[]) {
  const read = await Promise.all(
    sites.map(async (site) => {
      try {
        return await source.read(site)
      } catch (error) {
        if (!(error instanceof SiteUnreachable)) throw error
        problems.push({ code: 'site-unreachable', text: error.message })
        return undefined
      }
    }),
  )
  return new Map(read.flatMap((configuration) => (configuration === undefined ? [] : [[configuration.site, servicesById(configuration)] as const])))
}

function servicesById(configuration: SiteConfiguration): Map<string, Service> {
  return new Map([...configuration.services].sort((a, b) => byCodeUnits(a.id, b.id)).map((service) => [service.id, service]))
}
