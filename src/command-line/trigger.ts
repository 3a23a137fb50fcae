/** `reeve trigger`: changes at nominal times. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import { missedActions, overlapActions, type ReportedOnWish, reportedOnWish, type TriggerTimes, waitingLimit } from '../../machines/trigger/definition.ts'
import type { ApiRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { TriggerListed } from '../../streams/api/trigger.ts'
import { requireId } from '../../streams/subjects.ts'
import { systemClock } from '../platform/clock.ts'
import { inputIsTerminal } from '../platform/terminal.ts'
import { namesNoDay, namesOffset, parseTime, timeText } from '../platform/time-text.ts'
import { checkCron } from '../trigger/nominal-times.ts'
import { previewOf, type PreviewedTime, whenOnWall, zoneOf } from '../trigger/preview.ts'
import { asChange, operationOf, selectionOptions } from './change.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, type Flags, json, wholeNumber } from './command.ts'
import { confirm } from './confirm.ts'
import { durationArgument, durationText } from './duration.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { operationText } from './operation-text.ts'
import { plain, print, printFields, printJson, printTable, styled } from './output.ts'
import { allPages } from './pages.ts'
import { type Ask, withSession } from './session.ts'

type Define = ApiRequest<'trigger', 'define'>
type Shown = ApiSuccess<'trigger', 'show'>
type Verb = 'remove' | 'suspend' | 'resume'

export function registerTrigger(program: Command): void {
  const trigger = program.command('trigger').description('changes that are carried out at nominal times: once, by a cron expression, or both')

  commandOption(dryRun(addOptions(json(trigger.command('add')))))
    .summary('define a trigger, or change one')
    .description('Defines a trigger, or changes one. Its change is planned once, to see that it can be.')
    .action(
      acting(async (settings, flags, [id, ...change]) => {
        requireId('trigger', id!)
        const asked = definitionOf(id!, flags, change)
        const next = previewOf(asked.when as TriggerTimes, systemClock.nowMs(), 5)
        await withSession(settings, ({ ask }) => add(ask, asked, next, flags))
      }),
    )

  for (const [verb, summary, description] of [
    ['remove', 'remove a trigger', 'Removes a trigger. What waits is dropped; a run that was started goes on.'],
    ['suspend', 'suspend a trigger', 'Suspends a trigger: its nominal times are none until it is resumed, and nothing that waits starts.'],
    ['resume', 'resume a suspended trigger', 'Resumes a suspended trigger: nominal times from now on count.'],
  ] as const) {
    commandOption(dryRun(json(trigger.command(verb))))
      .summary(summary)
      .description(description)
      .argument('<trigger>', 'id of the trigger')
      .action(acting(async (settings, flags, [id]) => withSession(settings, ({ ask }) => change(ask, verb, id!, flags))))
  }

  json(trigger.command('list'))
    .summary('list the triggers with their next nominal time')
    .description('Lists the triggers that are defined, with their next nominal time and what runs.')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const triggers = await allPages((after) => ask('trigger', 'list', { limit: 1000, ...after }), (page) => page.triggers)
          if (flags['json']) return printJson({ ok: true, triggers })
          printTable(
            [
              { head: 'trigger', cell: (row) => row.trigger },
              { head: 'state', cell: phaseText },
              { head: 'next', cell: (row) => (row.next === null ? '-' : timeText(row.next)) },
              { head: 'when', cell: whenText },
              { head: 'run', cell: (row) => row.running?.state ?? '-' },
              { head: 'waiting', align: 'right', cell: (row) => row.waiting },
              { head: 'name', cell: (row) => row.name },
            ],
            triggers,
            'no triggers yet; "reeve trigger add" defines one',
          )
          for (const { trigger: id, missing } of triggers) if (missing.length > 0) print(styled('yellow', `trigger ${id}: ${missingText(missing)}`))
        }),
      ),
    )

  json(trigger.command('show'))
    .summary('show one trigger, its run and its last nominal times')
    .description('Shows one trigger: its definition, the run that was started last, what waits, and what became of its last nominal times.')
    .argument('<trigger>', 'id of the trigger')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('trigger', 'show', { trigger: id! })
          if (flags['json']) printJson(shown)
          else printShown(shown)
        }),
      ),
    )

  whenOptions(json(trigger.command('preview')))
    .summary('show the next nominal times, also before a trigger is defined')
    .description('Shows the next nominal times of a trigger, or of --cron and --at, on the wall of their zone with its offset, and in UTC.')
    .argument('[trigger]', 'id of the trigger; none with --cron or --at')
    .option('--count <N>', 'so many', wholeNumber(1, 1000), 10)
    .option('--after <TIME>', 'later than this: ISO 8601; without an offset it is of --zone, or of the zone of the trigger; default: now', afterArgument)
    .action(
      acting(async (settings, flags, [id]) => {
        const count = flags['count'] as number
        const after = flags['after'] as After | undefined
        if ((id === undefined) === (flags['cron'] === undefined && flags['at'] === undefined)) {
          throw new CommandEnd(exitCodes.usage, 'name a trigger, or give --cron EXPRESSION --zone ZONE or --at TIME: one of the two')
        }
        if (id !== undefined) {
          return withSession(settings, async ({ ask }) => {
            const zone = after?.kind === 'wall' ? (await ask('trigger', 'show', { trigger: id })).when.cron?.zone : undefined
            printTimes(await ask('trigger', 'preview', { trigger: id, count, ...(after === undefined ? {} : { afterMs: instantOf(after, zone) }) }), flags)
          })
        }
        // Needs no realm: nothing but the expression says when it is due.
        const when = whenOf(flags)
        const nowMs = systemClock.nowMs()
        if (when.cron !== undefined) checkCron(when.cron, nowMs)
        const fromMs = after === undefined ? nowMs : instantOf(after, flags['zone'] as string | undefined)
        printTimes({ ok: true, zone: zoneOf(when), times: [...previewOf(when, fromMs, count)] }, flags)
      }),
    )
}

function addOptions(command: Command): Command {
  return whenOptions(selectionOptions(command.argument('<trigger>', 'id of the trigger: letters, digits, "_", "-"')))
    .option('--name <TEXT>', 'name of the trigger and of its groups; default: its id')
    .option('--text <TEXT>', 'the instruction in your words, kept in the index')
    .addOption(new Option('--missed <ACTION>', 'what happens to a nominal time that was missed').choices([...missedActions]).default('run-now'))
    .addOption(new Option('--grace <DURATION>', 'a nominal time counts as missed so long after it').argParser(durationArgument).default(60_000, '1m'))
    .option('--alternate <OPERATION>', 'with --missed alternate: what is done instead, to the same services ("rename NAME" with its value)')
    .addOption(new Option('--overlap <ACTION>', 'what happens while the run before goes on; replace cancels it').choices([...overlapActions]).default('skip'))
    .option('--queue-limit <N>', 'with --overlap queue: most that wait', wholeNumber(1, waitingLimit))
    .option('--timeout <DURATION>', 'report a run that takes longer', durationArgument)
    .option('--heartbeat <DURATION>', 'report a run of which nothing is heard for so long', durationArgument)
    .addOption(new Option('--report <WHAT...>', 'what is reported of a run').choices([...reportedOnWish]))
    .option('--yes', 'do not ask, also where users may lose something')
}

function whenOptions(command: Command): Command {
  return command
    .optionsGroup('When:')
    .option('--cron <EXPRESSION>', 'five fields: minute, hour, day of the month, month, day of the week')
    .option('--zone <ZONE>', 'IANA time zone of --cron, such as Europe/Berlin; default: UTC')
    .option('--at <TIME...>', 'once, at these times: ISO 8601 with its offset, such as 2026-03-29T02:30+01:00, or Z for UTC', timeList)
    .optionsGroup('Options:')
}

/** Throws `CommandEnd`. The expression and the zone are judged where they are used. */
function whenOf(flags: Flags): TriggerTimes {
  const pattern = flags['cron'] as string | undefined
  const atMs = flags['at'] as readonly number[] | undefined
  if (pattern === undefined && flags['zone'] !== undefined) throw new CommandEnd(exitCodes.usage, '--zone is the time zone of --cron, which is not given')
  if (pattern === undefined && atMs === undefined) throw new CommandEnd(exitCodes.usage, 'say when: --cron EXPRESSION with --zone ZONE, --at TIME, or both')
  return {
    ...(atMs === undefined ? {} : { atMs: [...new Set(atMs)].sort((a, b) => a - b) }),
    ...(pattern === undefined ? {} : { cron: { pattern: pattern.trim(), zone: (flags['zone'] as string | undefined) ?? 'UTC' } }),
  }
}

/** Throws `CommandEnd` and `BadTime`: what is wrong by itself is said before anybody is asked. */
function definitionOf(id: string, flags: Flags, args: readonly string[]): Define {
  const { priority, ...terms } = asChange(`reeve trigger add ${id}`, flags, args)
  const change = { ...terms, ...(flags['text'] === undefined ? {} : { text: flags['text'] as string }) }
  const when = whenOf(flags)
  const nowMs = systemClock.nowMs()
  if (when.cron !== undefined) checkCron(when.cron, nowMs)
  const past = when.atMs?.find((atMs) => atMs <= nowMs)
  if (past !== undefined) throw new CommandEnd(exitCodes.usage, `--at ${timeText(past)} lies in the past (it is ${timeText(nowMs)} now): give a time that is still to come`)
  const missed = flags['missed'] as (typeof missedActions)[number]
  const alternate = flags['alternate'] as string | undefined
  if ((missed === 'alternate') !== (alternate !== undefined)) throw new CommandEnd(exitCodes.usage, '--missed alternate and --alternate OPERATION belong together')
  const overlap = flags['overlap'] as (typeof overlapActions)[number]
  const limit = flags['queueLimit'] as number | undefined
  if (limit !== undefined && overlap !== 'queue') throw new CommandEnd(exitCodes.usage, '--queue-limit belongs to --overlap queue')
  const timeoutMs = flags['timeout'] as number | undefined
  const heartbeatMs = flags['heartbeat'] as number | undefined
  const report = flags['report'] as ReportedOnWish[] | undefined
  return {
    trigger: id,
    name: (flags['name'] as string | undefined) ?? id,
    change,
    when: { ...(when.atMs === undefined ? {} : { atMs: [...when.atMs] }), ...(when.cron === undefined ? {} : { cron: { ...when.cron } }) },
    ...(priority === undefined ? {} : { priority }),
    missed: {
      action: missed,
      graceMs: flags['grace'] as number,
      ...(alternate === undefined ? {} : { change: { ...change, operation: alternateOf(alternate) } }),
    },
    overlap: overlap === 'queue' ? { action: overlap, limit: limit ?? 10 } : { action: overlap },
    monitoring: {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
      ...(report === undefined ? {} : { report }),
    },
  }
}

function alternateOf(text: string) {
  const cut = text.indexOf(' ')
  return cut < 0 ? operationOf('--alternate', text, undefined) : operationOf('--alternate', text.slice(0, cut), text.slice(cut + 1))
}

async function add(ask: Ask, asked: Define, next: readonly PreviewedTime[], flags: Flags): Promise<void> {
  const { name: _, text: _text, ...terms } = asked.change
  const { operation } = terms
  const plan = await ask('change', 'plan', { ...terms, mode: 'jobs', limit: 0 })
  const first = next[0]
  const when = first === undefined ? 'never' : `${first.weekday} ${first.local} ${first.offset} (${first.utc})`
  if (flags['dryRun']) {
    const there = await ask('trigger', 'show', { trigger: asked.trigger }).catch((error: unknown) => {
      if (error instanceof ApiFailure && error.code === 'unknown-trigger') return undefined
      throw error
    })
    const changes = there !== undefined && there.definition !== null
    if (flags['json']) return printJson({ ok: true, dryRun: true, trigger: asked.trigger, changes, jobs: plan.jobs, repeats: plan.repeats, next })
    for (const line of plan.repeats) print(plain(line))
    return print(`would ${changes ? 'change' : 'define'} trigger ${asked.trigger}: ${operationText(operation)}, ${counted(plan.jobs, 'job')} as it is now, next at ${when}`)
  }
  if (plan.destructive) await confirm(`do this at each of its times, and users may lose something: ${plan.repeats.length === 0 ? operationText(operation) : plan.repeats.map(plain).join('; ')}`, flags['yes'] === true, inputIsTerminal())
  const defined = await ask('trigger', 'define', { ...asked, confirmed: true, actor: actorOf(), command: commandIdOf(flags) })
  if (flags['json']) return printJson(defined)
  for (const line of defined.repeats) print(plain(line))
  print(`trigger ${defined.trigger}: ${operationText(operation)}, ${counted(defined.jobs, 'job')} as it is now, next at ${when} (position ${defined.position})`)
}

async function change(ask: Ask, verb: Verb, trigger: string, flags: Flags): Promise<void> {
  if (flags['dryRun']) {
    const shown = await ask('trigger', 'show', { trigger })
    if (shown.definition === null) throw new CommandEnd(exitCodes.refused, `there is no trigger ${trigger}; "reeve trigger list" shows those that are`)
    if (flags['json']) return printJson({ ok: true, dryRun: true, trigger, phase: shown.phase, waiting: shown.waiting.length })
    return print(`would ${verb} trigger ${trigger} (${plain(shown.name)}), which is ${shown.phase}${shown.waiting.length === 0 ? '' : `, ${counted(shown.waiting.length, 'run')} waiting`}`)
  }
  const done = await ask('trigger', verb, { trigger, actor: actorOf(), command: commandIdOf(flags) })
  if (flags['json']) return printJson(done)
  const past = { remove: 'removed', suspend: 'suspended', resume: 'resumed' } as const
  print(done.position === 0 ? `trigger ${trigger} is so already` : `${past[verb]} trigger ${trigger} (position ${done.position})`)
}

const going: ReadonlySet<string> = new Set(['to-plan', 'opening', 'going', 'blocked'])

/** `done` for one that has no time to come, whose last run has ended and for which nothing waits: the log has no event for that. */
export function phaseText({ phase, next, running, waiting }: Pick<TriggerListed, 'phase' | 'next' | 'running'> & { readonly waiting: number | readonly number[] }): string {
  const waits = typeof waiting === 'number' ? waiting : waiting.length
  return phase === 'active' && next === null && waits === 0 && !(running !== null && going.has(running.state)) ? 'done' : phase
}

function missingText(missing: readonly string[]): string {
  return `its jobs would wait: no agent takes what asks for ${missing.join(', ')}`
}

function whenText({ when }: Pick<TriggerListed, 'when'>): string {
  const cron = when.cron === undefined ? [] : [`${when.cron.pattern} ${when.cron.zone}`]
  const once = when.atMs === undefined ? [] : [when.atMs.length === 1 ? `once at ${timeText(when.atMs[0]!)}` : `${counted(when.atMs.length, 'time')} from ${timeText(when.atMs[0]!)}`]
  return [...cron, ...once].join(', ') || '-'
}

function printShown(shown: Shown): void {
  const { definition, running } = shown
  const fields: [string, string | number][] = [['trigger', shown.trigger], ['name', shown.name || '-'], ['state', phaseText(shown)]]
  if (shown.fault !== null) fields.push(['fault', `revision ${shown.fault.revision}: ${shown.fault.event}`])
  if (definition !== null) {
    const { missed, overlap, monitoring, priority } = definition
    const operation = (definition.change as unknown as Define['change']).operation
    fields.push(['change', `${operationText(operation)}, ${selectorText((definition.change as unknown as Define['change']).selector)}`])
    const { order = 'strict' } = definition.change as unknown as Define['change']
    fields.push(['order', order === 'strict' ? 'one job after another, as the selection lists the services' : order === 'none' ? 'none, no job waits for another' : order])
    fields.push(['when', whenText(shown)])
    fields.push(['next', shown.next === null ? 'never' : timeText(shown.next)])
    fields.push(['priority', priority ?? 0])
    fields.push(['missed', `${missed['action'] as string} after ${durationText(missed['graceMs'] as number)}`])
    fields.push(['overlap', overlap.limit === undefined ? overlap.action : `${overlap.action}, at most ${overlap.limit}`])
    if (monitoring !== undefined) {
      const limits = [monitoring.timeoutMs === undefined ? [] : `timeout ${durationText(monitoring.timeoutMs)}`, monitoring.heartbeatMs === undefined ? [] : `heartbeat ${durationText(monitoring.heartbeatMs)}`].flat()
      fields.push(['monitoring', [...limits, `reports ${monitoring.report.join(', ') || 'nothing'}`].join('; ')])
    }
  }
  fields.push(['run', running === null ? 'none yet' : `${running.state}, of ${timeText(running.atMs)}${running.group === null ? '' : `, group ${running.group}`}`])
  if (shown.missing.length > 0) fields.push(['note', missingText(shown.missing)])
  fields.push(['waiting', shown.waiting.length === 0 ? 'nothing' : shown.waiting.map(timeText).join(', ')])
  printFields(fields)
  if (shown.recent.length === 0) return
  print()
  printTable(
    [
      { head: 'nominal time', cell: (row) => timeText(row.atMs) },
      { head: 'verdict', cell: (row) => row.verdict },
      { head: 'why', cell: (row) => row.why ?? '-' },
      { head: 'reported', cell: (row) => row.reported.map(({ what, text }) => (text === null ? what : `${what}: ${text}`)).join('; ') || '-' },
    ],
    shown.recent,
    '',
  )
}

/** In the words of the options of `trigger add`. */
function selectorText({ sites, folder, group, name, services, all }: Define['change']['selector']): string {
  const parts = [
    sites === undefined ? [] : `site ${sites.join(' ')}`,
    folder === undefined ? [] : `folder ${folder}`,
    group === undefined ? [] : `group of services ${group}`,
    name === undefined ? [] : `service name ${name}`,
    services === undefined ? [] : `service ${services.join(' ')}`,
    all === true ? 'all services' : [],
  ]
  return parts.flat().join(', ')
}

function printTimes(shown: ApiSuccess<'trigger', 'preview'>, flags: Flags): void {
  if (flags['json']) return printJson(shown)
  if (shown.times.length === 0) return print(styled('dim', 'no nominal time is to come'))
  print(styled('dim', `in ${plain(shown.zone)}`))
  printTable(
    [
      { head: 'local time', cell: (row) => `${row.weekday} ${row.local}` },
      { head: 'offset', cell: (row) => row.offset },
      { head: 'UTC', cell: (row) => row.utc },
    ],
    shown.times,
    '',
  )
}

function timeArgument(text: string): number {
  const timeMs = timeOf(text)
  if (!namesOffset(text)) throw new InvalidArgumentError(withoutOffset(text))
  return timeMs
}

/** Throws `InvalidArgumentError`. */
function timeOf(text: string): number {
  const timeMs = parseTime(text)
  if (timeMs !== undefined) return timeMs
  throw new InvalidArgumentError(namesNoDay(text) ? `there is no day ${text.slice(0, 10)}.` : 'give a time of ISO 8601 with its offset, such as 2026-03-29T02:30+01:00 or 2026-03-29T01:30Z.')
}

function withoutOffset(text: string): string {
  const time = text.length > 10 ? text.replace(' ', 'T') : `${text}T00:00`
  return `it does not say of which zone it is: write ${time}Z for UTC, or its offset, such as ${time}+01:00.`
}

/** A time, or one that a wall shows: whose is known when the other options are. */
type After = { readonly kind: 'instant'; readonly atMs: number } | { readonly kind: 'wall'; readonly wallMs: number; readonly text: string }

function afterArgument(text: string): After {
  const atMs = timeOf(text)
  return namesOffset(text) ? { kind: 'instant', atMs } : { kind: 'wall', wallMs: atMs, text }
}

/** Throws `CommandEnd` where no zone is known. */
function instantOf(after: After, zone: string | undefined): number {
  if (after.kind === 'instant') return after.atMs
  if (zone === undefined) throw new CommandEnd(exitCodes.usage, `--after ${after.text}: ${withoutOffset(after.text).slice(0, -1)}`)
  return whenOnWall(zone, after.wallMs)
}

function timeList(text: string, before: readonly number[] | undefined): readonly number[] {
  return [...(before ?? []), timeArgument(text)]
}
