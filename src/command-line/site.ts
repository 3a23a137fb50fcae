/** `reeve site`: the scope of management. */
import type { Command } from 'commander'
import { counted } from '../../machines/counted.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { requireId } from '../../streams/subjects.ts'
import { inputIsTerminal } from '../platform/terminal.ts'
import { adapterOf, adapters } from '../sites/registry.ts'
import { capabilitiesAt } from '../sites/adapter.ts'
import { confirm } from './confirm.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, json, settingOption, wholeNumber } from './command.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { plain, print, printFields, printJson, printTable } from './output.ts'
import { allPages } from './pages.ts'
import { withSession } from './session.ts'

export function registerSite(program: Command): void {
  const site = program.command('site').description('the scope of management: what reeve looks after')

  commandOption(dryRun(json(site.command('add'))))
    .summary('add a site, after it has answered')
    .description('Adds a site to the scope of management, after it has answered.')
    .argument('<site>', 'id of the site in this realm: letters, digits, "_", "-"')
    .argument('<kind>', `kind of site: ${adapters.map((adapter) => adapter.kind).join(', ')}`)
    .argument('<address>', 'where it is, as its kind needs it')
    .addOption(settingOption('region'))
    .action(
      acting(async (settings, flags, [id, kind, address]) => {
        requireId('site', id!)
        const adapter = adapterOf(kind!)
        const wrong = adapter.checkAddress(address!)
        if (wrong !== undefined) throw new CommandEnd(exitCodes.usage, wrong)
        await withSession(settings, async ({ ask }) => {
          if (flags['dryRun']) {
            const there = await ask('site', 'show', { site: id! }).catch((error: unknown) => {
              if (error instanceof ApiFailure && error.code === 'unknown-site') return undefined
              throw error
            })
            if (there !== undefined) throw new CommandEnd(exitCodes.refused, `site ${id} is there already (${there.kind}, ${there.address}); choose another id, or remove it first`)
            const { fencing } = capabilitiesAt(adapter, address!)
            if (flags['json']) return printJson({ ok: true, dryRun: true, site: id, kind, address, fencing })
            return print(`would add site ${id}: ${kind} at ${address}, fencing ${fencing}`)
          }
          const added = await ask('site', 'add', {
            site: id!, kind: kind!, address: address!, actor: actorOf(), command: commandIdOf(flags),
            ...(settings.sources.region === undefined ? {} : { region: settings.region }),
          })
          if (flags['json']) return printJson(added)
          print(`added site ${added.site}: ${added.kind} with ${servicesOf(added)}, region ${added.region}, fencing ${added.fencing} (position ${added.position})`)
        })
      }),
    )

  json(site.command('list'))
    .summary('list the managed sites')
    .description('Lists the managed sites, by id.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const sites = await allPages((after) => ask('site', 'list', { limit: 1000, ...after }), (page) => page.sites)
          if (flags['json']) return printJson({ ok: true, sites })
          printTable(
            [
              { head: 'site', cell: (row) => row.site },
              { head: 'kind', cell: (row) => row.kind },
              { head: 'region', cell: (row) => row.region },
              { head: 'fencing', cell: (row) => row.fencing },
              { head: 'address', cell: (row) => row.address },
            ],
            sites,
            'no sites yet; "reeve site add" adds one',
          )
        }),
      ),
    )

  json(site.command('show'))
    .summary('show one site and what it can do')
    .description('Shows one site, whether it answers, and what its adapter can do.')
    .argument('<site>', 'id of the site')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('site', 'show', { site: id! })
          if (flags['json']) return printJson(shown)
          printFields([
            ['site', shown.site],
            ['kind', shown.kind],
            ['address', shown.address],
            ['region', shown.region],
            ['fencing', shown.fencing],
            ['reachable', shown.reachable ? `yes, ${counted(shown.services ?? 0, 'service')}` : `no: ${shown.reason ?? 'unknown'}`],
            ['operations', shown.operations.join(', ')],
            ['unfinished', shown.unfinished.length === 0 ? 'nothing' : shown.unfinished.join(', ')],
          ])
        }),
      ),
    )

  commandOption(dryRun(json(site.command('remove'))))
    .summary('take a site out of the scope of management')
    .description('Takes a site out of the scope of management. Nothing is changed at the site itself.')
    .argument('<site>', 'id of the site')
    .option('--yes', 'do not ask')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('site', 'show', { site: id! })
          const what = `site ${shown.site} (${shown.kind}, ${plain(shown.address)}, ${servicesOf(shown)})`
          if (flags['dryRun']) {
            if (flags['json']) return printJson({ ok: true, dryRun: true, site: shown.site, services: shown.services, unfinished: shown.unfinished })
            return print(shown.unfinished.length > 0 ? `would be refused: ${what} is still being changed by ${shown.unfinished.join(', ')}` : `would remove ${what}`)
          }
          await confirm(`remove ${what} from the scope of management`, flags['yes'] === true, inputIsTerminal())
          const removed = await ask('site', 'remove', { site: id!, confirmed: true, actor: actorOf(), command: commandIdOf(flags) })
          if (flags['json']) return printJson(removed)
          print(`removed ${what} (position ${removed.position})`)
        }),
      ),
    )
}

/** How many items a listing shows before it says that there are more. */
export function limitOption(command: Command, preset: number): Command {
  return command.option('--limit <N>', 'show at most so many', wholeNumber(1, 1_000_000), preset)
}

function servicesOf({ services }: { readonly services: number | null }): string {
  return services === null ? 'an unknown number of services' : counted(services, 'service')
}
