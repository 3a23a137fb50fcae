/** `service`: what the sites provide, desired beside actual [314-324]. */
import { byCodeUnits } from '../../machines/code-units.ts'
import type { Service } from '../../machines/service/model.ts'
import type { SiteState } from '../../machines/site/site.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { ServiceShown } from '../../streams/api/service.ts'
import { valueOf } from '../change/plan.ts'
import { filterOf } from '../change/selection.ts'
import { SiteUnreachable } from '../sites/adapter.ts'
import type { ServiceContext } from './context.ts'
import { managedSite, readable } from './handle-sites.ts'
import type { HandlersOf } from './handlers.ts'
import { sizeOf } from './page.ts'
import { pageLimitBytes } from '../../streams/api/catalogue.ts'

export function serviceHandlers(context: ServiceContext): HandlersOf<'service'> {
  const { view, projection, sites } = context

  const shown = (site: string, actual: Service): ServiceShown => {
    const desired = projection.desired(site, actual.id)
    const differences = [...desired].flatMap(([property, value]) => {
      const now = valueOf(actual, property)
      return now === value ? [] : [{ property, desired: value, actual: now }]
    })
    return { site, actual: copyOf(actual), desired: Object.fromEntries(desired), differences }
  }

  return {
    async list({ site: only, folder, group, name, after, limit }) {
      const { sites: known } = await view.current()
      const cursor = after === undefined ? undefined : cursorOf(after)
      const wanted = (only === undefined ? [...known.values()].filter((site) => site.managed) : [managedSite(known, only)])
        .filter((site) => cursor === undefined || site.site >= cursor.site)
        .sort((a, b) => byCodeUnits(a.site, b.site))
      const fits = filterOf({ folder, group, name })
      const services: ServiceShown[] = []
      const unreachable: { site: string; reason: string }[] = []
      let bytes = 0
      for (const [index, site] of wanted.entries()) {
        const found = await actualOf(context, site)
        if ('reason' in found) {
          unreachable.push({ site: site.site, reason: found.reason })
          continue
        }
        const rest = found.services
          .filter((service) => (cursor?.site !== site.site || service.id > cursor.service) && fits(service))
          .sort((a, b) => byCodeUnits(a.id, b.id))
        for (const [at, service] of rest.entries()) {
          const item = shown(site.site, service)
          bytes += sizeOf(item)
          const full = services.length === limit || (services.length > 0 && bytes > pageLimitBytes)
          if (full) {
            const last = services[services.length - 1]!
            return { ok: true, services, unreachable, next: `${last.site}/${last.actual.id}` }
          }
          services.push(item)
          // A full page at the very end of a site: whether there is more is seen without reading the next site.
          if (services.length === limit && at === rest.length - 1 && index < wanted.length - 1) {
            return { ok: true, services, unreachable, next: `${site.site}/${service.id}` }
          }
        }
      }
      return { ok: true, services, unreachable, next: null }
    },

    async show({ site: id, service: serviceId }) {
      const site = managedSite((await view.current()).sites, id)
      const { services } = await readable(() => sites.read(site))
      const found = services.find((service) => service.id === serviceId)
      if (found === undefined) throw new ApiFailure('unknown-service', `site ${id} has no service ${JSON.stringify(serviceId)}; "reeve service list --site ${id}" shows those that are`)
      return { ok: true, ...shown(id, found) }
    },
  }
}

async function actualOf(context: ServiceContext, site: SiteState): Promise<{ readonly services: readonly Service[] } | { readonly reason: string }> {
  try {
    return await context.sites.read(site)
  } catch (error) {
    if (error instanceof SiteUnreachable) return { reason: error.message }
    throw error
  }
}

function cursorOf(after: string): { readonly site: string; readonly service: string } {
  const cut = after.indexOf('/')
  if (cut < 1) throw new ApiFailure('malformed', `"after" is ${JSON.stringify(after)}: give the "next" of the page before`)
  return { site: after.slice(0, cut), service: after.slice(cut + 1) }
}

/** Lists of the model are read-only; those of an answer are its own. */
function copyOf(service: Service): ServiceShown['actual'] {
  return { ...service, users: [...service.users], userGroups: [...service.userGroups], sessions: service.sessions.map((session) => ({ ...session })) }
}
