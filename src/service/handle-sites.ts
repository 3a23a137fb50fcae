/** `site`: the scope of management. */
import { byCodeUnits } from '../../machines/code-units.ts'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite, removeSite } from '../../machines/site/site.ts'
import type { Decision } from '../../machines/decision.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { SiteShown } from '../../streams/api/site.ts'
import { unknownSite } from '../change/selection.ts'
import { type SiteAdapter, SiteUnreachable, capabilitiesAt } from '../sites/adapter.ts'
import { holdsPassword } from '../../streams/login-in-text.ts'
import { UnknownSiteKind } from '../sites/registry.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'
import { writeAsked } from './write.ts'

export function siteHandlers(context: ServiceContext): HandlersOf<'site'> {
  const { view, projection, sites, region: ownRegion } = context

  return {
    async add(request) {
      const { site, kind, address, region = ownRegion, actor, command } = request
      const adapter = adapterOf(context, kind)
      const fault = adapter.checkAddress(address) ?? (holdsPassword(address) ? `the address of a site holds no password (I10)` : undefined)
      if (fault !== undefined) throw new ApiFailure('bad-address', fault)
      const { sites: known } = await view.current()
      const { fencing } = capabilitiesAt(adapter, address)
      const record = { kind, address, region, fencing }
      const add = () => write(context, site, (state) => addSite(state, record), actor, command)
      if (known.get(site)?.managed === true) {
        // Refused, unless this very command has added it (P15).
        const written = await add()
        return { ok: true, site, ...record, services: null, ...written }
      }
      const twin = [...known.values()].find((other) => other.managed && other.kind === kind && other.address === address)
      if (twin !== undefined) throw new ApiFailure('exists', `${address} is managed as site ${twin.site} already; a site has one id only (I12)`)
      const { services } = await readable(() => sites.tryOut({ site, kind, address, region }))
      const written = await add()
      return { ok: true, site, ...record, services: services.length, ...written }
    },

    async list({ after, limit }) {
      const { sites: known } = await view.current()
      const managed = [...known.values()].filter((site) => site.managed).sort((a, b) => byCodeUnits(a.site, b.site))
      const rest = managed.filter((site) => after === undefined || site.site > after).map(shown)
      const { items, last } = pageOf(rest, limit)
      return { ok: true, sites: items, next: last?.site ?? null }
    },

    async show({ site: id }) {
      const site = managedSite((await view.current()).sites, id)
      const adapter = adapterOf(context, site.kind)
      let services: number | null = null
      let reason: string | null = null
      try {
        services = (await sites.read(site)).services.length
      } catch (error) {
        if (!(error instanceof SiteUnreachable)) throw error
        reason = error.message
      }
      return {
        ok: true,
        ...shown(site),
        operations: [...capabilitiesAt(adapter, site.address).operations].sort(),
        reachable: reason === null,
        reason,
        services,
        unfinished: projection.unfinishedGroupsOf(id).slice(0, 100),
      }
    },

    async remove({ site: id, confirmed, actor, command }) {
      const site = (await view.current()).sites.get(id)
      const unfinished = () => projection.unfinishedGroupsOf(id)
      if (site?.managed === true && unfinished().length === 0 && !confirmed) {
        throw new ApiFailure('not-confirmed', `site ${id} (${site.kind}, ${site.address}) would leave the scope of management with its desired configuration; confirm it`)
      }
      const written = await write(context, id, (state) => removeSite(state, unfinished()), actor, command)
      await sites.forget(id)
      return { ok: true, site: id, ...written }
    },
  }
}

export function managedSite(sites: ReadonlyMap<string, SiteState>, id: string): SiteState {
  const site = sites.get(id)
  if (site?.managed !== true) throw new ApiFailure('unknown-site', unknownSite(id).text)
  return site
}

/** What a site does not answer is a refusal with one line. */
export async function readable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SiteUnreachable) throw new ApiFailure('site-unreachable', error.message)
    throw error
  }
}

function adapterOf(context: ServiceContext, kind: string): SiteAdapter {
  try {
    return context.adapterOf(kind)
  } catch (error) {
    if (error instanceof UnknownSiteKind) throw new ApiFailure('unknown-kind', error.message)
    throw error
  }
}

function shown({ site, kind, address, region, fencing }: SiteState): SiteShown {
  return { site, kind, address, region, fencing }
}

async function write(context: ServiceContext, site: string, decide: (state: SiteState) => Decision<SiteEvent>, actor: string, command: string | undefined) {
  const { position, revision } = await writeAsked<SiteState, SiteEvent>(
    context,
    { aggregate: 'site', id: site, empty: absentSite(site), fold: foldSite, decide, actor, command },
    `look whether site ${site} is as wanted`,
  )
  return { position, revision }
}
