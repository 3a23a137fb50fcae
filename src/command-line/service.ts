/** `reeve service`: what the sites provide, desired beside actual. */
import type { Command } from 'commander'
import type { ServiceShown } from '../../streams/api/service.ts'
import { acting, json } from './command.ts'
import { complain, print, printFields, printJson, printTable, styled } from './output.ts'
import { allPages } from './pages.ts'
import { withSession } from './session.ts'
import { limitOption } from './site.ts'

export function registerService(program: Command): void {
  const service = program.command('service').description('what the sites provide: desktops, applications, machines')

  limitOption(json(service.command('list')), 200)
    .summary('list services, desired beside actual')
    .description('Lists services by site and id, desired beside actual; a value that a change has set and the site does not show is marked.')
    .option('--site <ID>', 'only of this site')
    .option('--folder <PATH>', 'only in this folder and those below it')
    .option('--group <NAME>', 'only of this group of services')
    .option('--name <PATTERN>', 'only with such a name: * any text, ? one character')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const filter: { site?: string; folder?: string; group?: string; name?: string } = {}
          for (const key of ['site', 'folder', 'group', 'name'] as const) if (flags[key] !== undefined) filter[key] = flags[key] as string
          const limit = flags['limit'] as number
          const unreachable = new Map<string, string>()
          const services = await allPages(
            async (after) => {
              const page = await ask('service', 'list', { ...filter, ...after, limit: Math.min(limit + 1, 1000) })
              for (const site of page.unreachable) unreachable.set(site.site, site.reason)
              return page
            },
            (page) => page.services,
            limit + 1,
          )
          const shown = services.slice(0, limit)
          if (flags['json']) {
            return printJson({ ok: true, services: shown, more: services.length > limit, unreachable: [...unreachable].map(([site, reason]) => ({ site, reason })) })
          }
          printTable(
            [
              { head: 'site', cell: (row) => row.site },
              { head: 'id', cell: (row) => row.actual.id },
              { head: 'name', cell: (row) => row.actual.name },
              { head: 'kind', cell: (row) => row.actual.kind },
              { head: 'power', cell: (row) => beside(row, 'power', row.actual.power) },
              { head: 'maintenance', cell: (row) => beside(row, 'maintenance', row.actual.maintenance) },
              { head: 'users', cell: (row) => row.actual.users.join(' ') || '-' },
              { head: 'sessions', align: 'right', cell: (row) => row.actual.sessions.length },
              { head: 'folder', cell: (row) => row.actual.folder || '-' },
            ],
            shown,
            'no such services',
          )
          if (services.length > limit) print(styled('dim', `there are more than these ${limit}: give a higher --limit, or choose by --site, --folder, --group or --name`))
          for (const [site, reason] of unreachable) complain(`site ${site} did not answer: ${reason}`)
        }),
      ),
    )

  json(service.command('show'))
    .summary('show one service, desired beside actual')
    .description('Shows one service, desired beside actual.')
    .argument('<site>', 'id of the site')
    .argument('<service>', "the site's own id of the service")
    .action(
      acting(async (settings, flags, [site, id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('service', 'show', { site: site!, service: id! })
          if (flags['json']) return printJson(shown)
          const { actual } = shown
          printFields([
            ['site', shown.site],
            ['id', actual.id],
            ['name', beside(shown, 'name', actual.name)],
            ['kind', `${actual.kind}, ${actual.delivery}`],
            ['folder', actual.folder || '-'],
            ['group', actual.group ?? '-'],
            ['power', beside(shown, 'power', actual.power)],
            ['maintenance', beside(shown, 'maintenance', actual.maintenance)],
            ['assignment', actual.assignment],
            ['users', actual.users.join(', ') || '-'],
            ['user groups', actual.userGroups.join(', ') || '-'],
            ['sessions', actual.sessions.map((session) => `${session.user} (${session.state})`).join(', ') || '-'],
            ['desired', Object.entries(shown.desired).map(([property, value]) => `${property}=${String(value)}`).join(', ') || 'nothing was set'],
            ['differences', shown.differences.map((one) => `${one.property}: wanted ${String(one.desired)}, is ${String(one.actual)}`).join(', ') || 'none'],
          ])
        }),
      ),
    )
}

/** The actual value, and the wanted one where it is another. */
function beside(shown: ServiceShown, property: string, actual: string | boolean): string {
  const difference = shown.differences.find((one) => one.property === property)
  const text = typeof actual === 'boolean' ? (actual ? 'on' : 'off') : actual
  return difference === undefined ? text : `${text} (wanted: ${typeof difference.desired === 'boolean' ? (difference.desired ? 'on' : 'off') : String(difference.desired)})`
}
