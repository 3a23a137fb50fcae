/** `reeve change`: ask for a change of many services; see first what it would do. */
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { operationNames, type Operation } from '../../machines/service/operation.ts'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import type { Selector } from '../../streams/api/change.ts'
import { inputIsTerminal } from '../platform/terminal.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, type Flags, json, priorityArgument, wholeNumber } from './command.ts'
import { confirm } from './confirm.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { demandSuccess, waitForGroup, sayQuarantine } from './follow.ts'
import { runsText } from './group.ts'
import { answered, nothingAsked, perhapsCarriedOut } from './interrupted.ts'
import { operationText } from './operation-text.ts'
import { plain, print, printJson, printTable, styled } from './output.ts'
import { type Ask, withSession } from './session.ts'

type Plan = ApiSuccess<'change', 'plan'>
type Asked = Pick<ApiRequest<'change', 'plan'>, 'selector' | 'operation' | 'mode' | 'window' | 'distributionFactor' | 'includeUnchanged' | 'order' | 'predicates' | 'priority' | 'agents' | 'onFailure'>

export function registerChange(program: Command): void {
  const change = program.command('change').description('ask for a change of one or many services')

  changeOptions(json(change.command('plan')))
    .summary('say what a change would do, job by job')
    .description('Says what a change would do: each job and each difference, in the order of execution. Nothing is written.')
    .option('--limit <N>', 'show at most so many jobs', wholeNumber(0, 1_000_000), 50)
    .action(
      acting(async (settings, flags, args) => {
        const asked = askedOf('plan', flags, args)
        await withSession(settings, ({ ask }) => plan(ask, asked, flags))
      }),
    )

  commandOption(dryRun(changeOptions(json(change.command('apply')))))
    .summary('carry a change out as an execution group')
    .description('Opens an execution group with the jobs of a change. What the plan names is what is done. In mode direct it ends with the result.')
    .option('--wait', 'follow the group to its end; exit code 1 when it did not complete')
    .option('--yes', 'do not ask, also where users may lose something')
    .option('--name <TEXT>', 'name of the group')
    .option('--text <TEXT>', 'the instruction in your words, kept in the index')
    .option('--limit <N>', 'with --dry-run: show at most so many jobs', wholeNumber(0, 1_000_000), 50)
    .action(
      acting(async (settings, flags, args) => {
        const asked = askedOf('apply', flags, args)
        await withSession(settings, async (session) => {
          if (flags['dryRun']) return plan(session.ask, asked, flags)
          // The plan is seen before it is confirmed, and the very same one is applied.
          const planned = await answered(nothingAsked, (signal) => session.ask('change', 'plan', { ...asked, limit: 0 }, { signal }))
          if (planned.destructive && planned.jobs > 0) await confirm(`do this, and users may lose something: ${planned.repeats.map(plain).join('; ')}`, flags['yes'] === true, inputIsTerminal())
          const command = commandIdOf(flags)
          const request: ApiRequest<'change', 'apply'> = {
            ...asked,
            ...(planned.plan === null || flags['command'] !== undefined ? {} : { plan: planned.plan }),
            ...(flags['name'] === undefined ? {} : { name: flags['name'] as string }),
            ...(flags['text'] === undefined ? {} : { text: flags['text'] as string }),
            confirmed: true,
            actor: actorOf(),
            command,
          }
          const applied = await answered(perhapsCarriedOut(command), (signal) => session.ask('change', 'apply', request, { signal }))
          if (applied.group === null) {
            if (flags['json']) return printJson(applied)
            return print(`nothing to do: ${alreadySo(applied.alreadySo)}`)
          }
          if (!flags['json']) {
            for (const line of applied.repeats) print(plain(line))
            print(`group ${applied.group}: ${counted(applied.jobs, 'job')}${applied.alreadySo > 0 ? `, ${alreadySo(applied.alreadySo)}` : ''} (position ${applied.position})${applied.known ? ', known already' : ''}`)
            if (applied.result === null) await sayQuarantine(session)
          }
          if (!flags['wait'] && applied.result === null) {
            if (flags['json']) printJson(applied)
            return
          }
          const shown = await waitForGroup(session, applied.group, { quiet: flags['json'] === true })
          if (flags['json']) printJson(flags['wait'] ? { ...applied, state: shown.state, position: shown.position } : applied)
          else print(`group ${applied.group} is ${shown.state.phase} (position ${shown.position}, revision ${shown.state.revision})`)
          demandSuccess(shown)
        })
      }),
    )
}

function changeOptions(command: Command): Command {
  return selectionOptions(command)
    .addOption(new Option('--mode <MODE>', 'how the change runs; default: direct for one service, jobs for more').choices(['jobs', 'direct', 'desired']))
    .optionsGroup('Options:')
}

/** Operation, services and how the change is carried out; `asChange` reads them. */
export function selectionOptions(command: Command): Command {
  return command
    .addHelpText('after', '\nOperations: start, stop, maintenance-on, maintenance-off, rename NAME, assign USER, deassign USER, rehearse\n')
    .argument('<operation>', `what is done to each service: ${operationNames.join(', ')}`)
    .argument('[value]', 'the new name (rename) or the user (assign, deassign)')
    .optionsGroup('Which services (all conditions must hold):')
    .option('--site <ID...>', 'only of these sites, in this order')
    .option('--folder <PATH>', 'only in this folder and those below it')
    .option('--group <NAME>', 'only of this group of services')
    .option('--service-name <PATTERN>', 'only with such a name: * any text, ? one character')
    .option('--service <SITE/ID...>', 'exactly these, in this order')
    .option('--all', 'every service of the realm')
    .optionsGroup('How:')
    .option('--include-unchanged', 'make jobs also for services that are so already')
    .option('--window <N>', 'most jobs of one grant; more than 1 only where every job may be repeated', wholeNumber(1, 1000), 1)
    .option('--distribution-factor <PERCENT>', 'share of the agents with the skill, near the sites where there are any, over which the jobs are spread; 1: one agent', wholeNumber(1, 100), 1)
    .addOption(
      new Option('--order <ORDER>', 'strict: one job after another; sites: those of each site in order, sites beside one another; graph: as --predicate says, the others whenever they can; none: no job waits for another')
        .choices(['strict', 'sites', 'graph', 'none'])
        .default('strict'),
    )
    .option('--predicate <SERVICE=BEFORE...>', 'with --order graph or sites: the job of SERVICE waits for that of BEFORE, each SITE/ID')
    .option('--priority <N>', 'from -100 to 100: where groups wait for the same agent in one lane, the highest is granted a lock first', priorityArgument, 0)
    .addOption(new Option('--agents <ROLE>', 'only agents of this role carry it out').choices(['skilled', 'generic']))
    .addOption(
      new Option('--on-failure <POLICY>', 'a failed job stops the group until somebody decides; or the group continues; or what was done is undone, the last first')
        .choices(['stop', 'continue', 'compensate'])
        .default('stop'),
    )
}

function askedOf(verb: 'plan' | 'apply', flags: Flags, args: readonly string[]): Asked {
  return { ...asChange(`reeve change ${verb}`, flags, args), ...(flags['mode'] === undefined ? {} : { mode: flags['mode'] as 'jobs' | 'direct' | 'desired' }) }
}

/** `command`: as it was given, up to the operation. Throws `CommandEnd` where nothing is selected or the operation is none. */
export function asChange(command: string, flags: Flags, [operation, value]: readonly string[]): Omit<Asked, 'mode'> {
  const selector: { -readonly [Key in keyof Selector]: Selector[Key] } = {}
  if (flags['site'] !== undefined) selector.sites = flags['site'] as string[]
  if (flags['folder'] !== undefined) selector.folder = flags['folder'] as string
  if (flags['group'] !== undefined) selector.group = flags['group'] as string
  if (flags['serviceName'] !== undefined) selector.name = flags['serviceName'] as string
  if (flags['service'] !== undefined) selector.services = flags['service'] as string[]
  if (flags['all'] === true) selector.all = true
  if (Object.keys(selector).length === 0) {
    throw new CommandEnd(exitCodes.usage, 'say which services: --site, --folder, --group, --service-name or --service; --all for every service of the realm')
  }
  return {
    selector,
    operation: operationOf(command, operation!, value),
    includeUnchanged: flags['includeUnchanged'] === true,
    window: flags['window'] as number,
    distributionFactor: flags['distributionFactor'] as number,
    order: flags['order'] as Asked['order'],
    ...(flags['predicate'] === undefined ? {} : { predicates: (flags['predicate'] as string[]).map(predicateOf) }),
    priority: flags['priority'] as number,
    ...(flags['agents'] === undefined ? {} : { agents: flags['agents'] as 'skilled' | 'generic' }),
    onFailure: flags['onFailure'] as 'stop' | 'continue' | 'compensate',
  }
}

function predicateOf(text: string): { readonly service: string; readonly after: string[] } {
  const cut = text.indexOf('=')
  if (cut < 1 || cut === text.length - 1) throw new CommandEnd(exitCodes.usage, `--predicate ${JSON.stringify(text)}: write SITE/ID=SITE/ID, the second is waited for`)
  return { service: text.slice(0, cut), after: [text.slice(cut + 1)] }
}

/** `command`: what stands before the operation. Throws `CommandEnd`. */
export function operationOf(command: string, name: string, value: string | undefined): Operation {
  const known = operationNames.find((one) => one === name)
  if (known === undefined) throw new CommandEnd(exitCodes.usage, `there is no operation "${name}": use one of ${operationNames.join(', ')}`)
  switch (known) {
    case 'rename':
      return { name: known, to: needed(command, known, value, 'the new name') }
    case 'assign':
    case 'deassign':
      return { name: known, user: needed(command, known, value, 'a user') }
    default:
      if (value !== undefined) throw new CommandEnd(exitCodes.usage, `${known} takes no value; "${value}" is one too many`)
      return { name: known }
  }
}

function needed(command: string, operation: string, value: string | undefined, what: string): string {
  if (value === undefined || value === '') throw new CommandEnd(exitCodes.usage, `${operation} needs ${what}: "${command} ${operation} VALUE …"`)
  return value
}

async function plan(ask: Ask, asked: Asked, flags: Flags): Promise<void> {
  const limit = flags['limit'] as number
  const first = await ask('change', 'plan', { ...asked, limit: Math.min(limit, 1000) })
  const page: Plan['page'][number][] = [...first.page]
  for (let next = first.next; next !== null && page.length < limit; ) {
    const more: Plan = await ask('change', 'plan', { ...asked, after: next, limit: Math.min(limit - page.length, 1000) })
    page.push(...more.page)
    next = more.next
  }
  if (flags['json']) return printJson({ ...first, page, next: page.length < first.jobs ? (page.at(-1)?.job ?? 0) : null })
  if (first.jobs === 0) return print(`nothing to do: ${alreadySo(first.alreadySo)}`)
  printTable(
    [
      { head: 'job', align: 'right', cell: (row) => row.job },
      { head: 'site', cell: (row) => row.site },
      { head: 'service', cell: (row) => row.service },
      { head: 'name', cell: (row) => row.name },
      ...(page.some((row) => row.after !== undefined) ? [{ head: 'after', cell: (row: Plan['page'][number]) => runsText(row.after ?? []) }] : []),
      ...(page.some((row) => row.undo !== undefined) ? [{ head: 'undone by', cell: (row: Plan['page'][number]) => (row.undo === undefined ? '-' : operationText(row.undo)) }] : []),
      { head: 'change', cell: (row) => row.differences.map((one) => `${one.property}: ${String(one.from)} → ${String(one.to)}`).join(', ') || operationText(first.operation) },
    ],
    page,
    'no jobs are shown (--limit 0)',
  )
  if (page.length < first.jobs) print(styled('dim', `… and ${first.jobs - page.length} more`))
  print()
  for (const line of first.repeats) print(plain(line))
  print(`${counted(first.jobs, 'job')}; ${alreadySo(first.alreadySo)}; mode ${first.mode}${first.destructive ? '; users may lose something' : ''}`)
  print(styled('dim', `plan ${first.plan}`))
}

function alreadySo(count: number): string {
  return `${counted(count, 'service')} ${count === 1 ? 'is' : 'are'} so already`
}
