/** `reeve group`: execution groups with their exclusive state. */
import { type Command, Option } from 'commander'
import { counted } from '../../machines/counted.ts'
import type { Run } from '../../machines/execution-group/events.ts'
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'
import type { JobShown, SilentGrant } from '../../streams/api/group.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { silentTexts } from '../doctor/silent-text.ts'
import { inputIsTerminal } from '../platform/terminal.ts'
import { acting, actorOf, commandIdOf, commandOption, dryRun, type Flags, json, priorityArgument, wholeNumber } from './command.ts'
import { confirm } from './confirm.ts'
import { CommandEnd, exitCodes } from './exit.ts'
import { textHere } from './here.ts'
import { demandSuccess, waitForGroup, hasEnded, hasStopped, jobLine, quarantineText, sayQuarantine } from './follow.ts'
import { answered, perhapsCarriedOut } from './interrupted.ts'
import { plain, print, printFields, printJson, printTable, styled } from './output.ts'
import { allPages } from './pages.ts'
import { type Ask, type Session, withSession } from './session.ts'
import { limitOption } from './site.ts'

const phases = [
  'opening', 'running', 'blocked', 'paused', 'compensating', 'compensation-blocked', 'compensation-paused', 'cancelling', 'completed', 'compensated', 'cancelled',
  'abandoned', 'faulted',
] as const

export function registerGroup(program: Command): void {
  const group = program.command('group').description('execution groups: what runs, in order, and where it stands')

  limitOption(json(group.command('list')), 50)
    .summary('list execution groups, the latest first')
    .description('Lists execution groups, the latest first.')
    .addOption(new Option('--phase <PHASE...>', 'only in these states').choices(phases))
    .option('--site <ID>', 'only unfinished ones that change this site')
    .action(
      acting(async (settings, flags) =>
        withSession(settings, async ({ ask }) => {
          const limit = flags['limit'] as number
          const filter = {
            ...(flags['phase'] === undefined ? {} : { phase: flags['phase'] as (typeof phases)[number][] }),
            ...(flags['site'] === undefined ? {} : { site: flags['site'] as string }),
          }
          const found = await allPages((after) => ask('group', 'list', { ...filter, ...after, limit: Math.min(limit + 1, 1000) }), (page) => page.groups, limit + 1)
          const groups = found.slice(0, limit)
          if (flags['json']) return printJson({ ok: true, groups, more: found.length > limit })
          printTable(
            [
              { head: 'group', cell: (row) => row.group },
              { head: 'state', cell: (row) => row.phase },
              { head: 'settled', align: 'right', cell: (row) => `${row.position}/${row.jobs}` },
              { head: 'failed', align: 'right', cell: (row) => row.failed },
              { head: 'sites', cell: (row) => row.sites.join(' ') || '-' },
              { head: 'name', cell: (row) => row.name },
            ],
            groups,
            'no groups; "reeve change apply" opens one',
          )
          if (found.length > limit) print(styled('dim', `there are more than these ${limit}: give a higher --limit, or choose by --phase or --site`))
        }),
      ),
    )

  json(group.command('show'))
    .summary('show the exclusive state of one group')
    .description('Shows the exclusive state of one group, as the log has it: which jobs were executed, are being executed, and are yet to be.')
    .argument('<group>', 'id of the group')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const shown = await ask('group', 'show', { group: id! })
          if (flags['json']) return printJson(shown)
          printState(shown.state as ExclusiveState, shown.position, { executedBy: await executorsText(ask, shown.state as ExclusiveState), ...shown })
        }),
      ),
    )

  limitOption(json(group.command('jobs')), 200)
    .summary('list the jobs of a group')
    .description('Lists the jobs of a group by number, with their state and in whose queue they are, or who executed them.')
    .argument('<group>', 'id of the group')
    .option('--after <JOB>', 'begin after the job with this number', wholeNumber(0, 1_000_000), 0)
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, async ({ ask }) => {
          const limit = flags['limit'] as number
          const jobs = []
          let after: number | null = flags['after'] as number
          while (after !== null && jobs.length < limit) {
            const page: Awaited<ReturnType<typeof ask<'group', 'jobs'>>> = await ask('group', 'jobs', { group: id!, after, limit: Math.min(limit - jobs.length, 1000) })
            jobs.push(...page.jobs)
            after = page.next
          }
          if (flags['json']) return printJson({ ok: true, group: id, jobs, more: after !== null })
          for (const job of jobs) print(jobLine(job))
          if (jobs.length === 0) print(styled('dim', 'no jobs'))
          else if (after !== null) print(styled('dim', `there are more: give --after ${jobs.at(-1)!.job}, or --limit`))
        }),
      ),
    )

  changing(group.command('pause'), 'until nothing of it is in flight')
    .summary('grant no more locks in a group')
    .description('Pauses a group: no more locks are granted. The job in flight ends by its outcome; of several jobs granted together, those not begun are given back.')
    .argument('<group>', 'id of the group')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, (session) => change(session, flags, id!, 'pause', (ask, options) => session.ask('group', 'pause', ask, options), { until: isAtRest })),
      ),
    )

  changing(group.command('resume'))
    .summary('let a paused group go on')
    .description('Lets a paused group go on. Where a job did not succeed while it was paused, it is blocked from here on.')
    .argument('<group>', 'id of the group')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, (session) => change(session, flags, id!, 'resume', (ask, options) => session.ask('group', 'resume', ask, options))),
      ),
    )

  changing(group.command('prioritize'))
    .summary('put a group before others')
    .description('Gives a group a priority: where several wait for the same agent in one lane, the highest is granted a lock first.')
    .argument('<group>', 'id of the group')
    .argument('<priority>', 'whole number from -100 to 100; groups have 0 unless told otherwise', priorityArgument)
    .action(
      acting(async (settings, flags, [id, priority]) =>
        withSession(settings, (session) =>
          change(session, flags, id!, `give priority ${priority} to`, (ask, options) => session.ask('group', 'prioritize', { ...ask, priority: Number(priority) }, options)),
        ),
      ),
    )

  changing(group.command('retry'))
    .summary('add the failed job of a blocked group anew')
    .description('Adds the failed job of a group that stopped at it anew, in its place; the group goes on from there. A job in flight is left alone: while the group is at work the command is refused (code 3), and no lock is closed by it. What the former executor still says of the failed job changes nothing. In a paused group the new job waits until "reeve group resume".')
    .argument('<group>', 'id of the group')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, (session) => change(session, flags, id!, 'retry the failed job of', (ask, options) => session.ask('group', 'retry', ask, options))),
      ),
    )

  changing(group.command('cancel'))
    .summary('cancel what a group has not begun')
    .description('Cancels all pending jobs of a group; the one in flight ends by its outcome. What was done stays done.')
    .argument('<group>', 'id of the group')
    .option('--yes', 'do not ask')
    .action(
      acting(async (settings, flags, [id]) =>
        withSession(settings, (session) => change(session, flags, id!, 'cancel', (ask, options) => session.ask('group', 'cancel', ask, options), { destructive: true })),
      ),
    )

  changing(group.command('resolve'))
    .summary('settle a job whose outcome is not known')
    .description('Settles a job whose outcome is not known, after somebody has looked at the site.')
    .argument('<group>', 'id of the group')
    .argument('<job>', 'number of the job', wholeNumber(1, 1_000_000))
    .addArgument(program.createArgument('<as>', 'what had happened').choices(['succeeded', 'failed']))
    .action(
      acting(async (settings, flags, [id, job, as]) =>
        withSession(settings, (session) =>
          change(session, flags, id!, `settle job ${job} as ${as} in`, (ask, options) => session.ask('group', 'resolve', { ...ask, job: Number(job), as: as as 'succeeded' | 'failed' }, options)),
        ),
      ),
    )
}

function changing(command: Command, wait = 'follow the group to its end; exit code 1 when it did not complete'): Command {
  return commandOption(dryRun(json(command))).option('--wait', wait)
}

interface GroupAsk {
  readonly group: string
  readonly actor: string
  readonly command: string
}

interface ChangeOptions {
  /** Asks first, unless told not to. */
  readonly destructive?: boolean
  /** What `--wait` waits for, where it is not the end of the group. */
  readonly until?: (state: ExclusiveState) => boolean
}

function isAtRest(state: ExclusiveState): boolean {
  return state.lock === null
}

async function change(
  session: Session,
  flags: Flags,
  id: string,
  what: string,
  carryOut: (ask: GroupAsk, options: { readonly signal: AbortSignal }) => Promise<{ readonly position: number; readonly revision: number; readonly known: boolean }>,
  { destructive = false, until }: ChangeOptions = {},
): Promise<void> {
  const before = await session.ask('group', 'show', { group: id })
  const { state } = before
  const said = `group ${id} (${plain(state.name)}: ${state.phase}, ${state.position} of ${counted(state.jobs, 'job')} settled)`
  if (flags['dryRun']) {
    const jobs = await session.ask('group', 'jobs', { group: id, after: Math.max(0, firstOpen(state as ExclusiveState) - 1), limit: 20 })
    if (flags['json']) return printJson({ ok: true, dryRun: true, group: id, state, jobs: jobs.jobs })
    print(`would ${what} ${said}; its next jobs:`)
    for (const job of jobs.jobs) print(jobLine(job))
    return
  }
  if (destructive && hasEnded(state.phase) && state.phase !== 'cancelled') throw new CommandEnd(exitCodes.refused, `group ${id} is ${state.phase}: there is nothing left to ${what}`)
  if (destructive && !hasEnded(state.phase)) await confirm(`${what} ${said}`, flags['yes'] === true, inputIsTerminal())
  const command = commandIdOf(flags)
  const done = await answered(perhapsCarriedOut(command, id), (signal) => carryOut({ group: id, actor: actorOf(), command }, { signal }))
  if (!flags['wait']) {
    if (flags['json']) return printJson(done)
    return print(`done: ${what} group ${id}${done.known ? ' (known already)' : ''} (position ${done.position}, revision ${done.revision})`)
  }
  if (!flags['json'] && !destructive && until === undefined) await sayQuarantine(session)
  const shown = await waitForGroup(session, id, { quiet: flags['json'] === true, beyondRevision: done.revision - 1, ...(until === undefined ? {} : { until }) })
  if (flags['json']) printJson({ ...done, state: shown.state, position: shown.position })
  else print(`group ${id} is ${shown.state.phase} (position ${shown.position}, revision ${shown.state.revision})`)
  if (until?.(shown.state as ExclusiveState) !== true && !(destructive && shown.state.phase === 'cancelled')) demandSuccess(shown)
}

function firstOpen(state: ExclusiveState): number {
  return state.executing[0]?.[0] ?? state.failed.at(-1)?.job ?? state.pending[0]?.[0] ?? 1
}

/** Jobs that it says of who executed them; more are in `group jobs`. */
const executorsShown = 1000

/** Who executed which of its first jobs, and how many more were; undefined where nobody has yet. */
async function executorsText(ask: Ask, state: ExclusiveState): Promise<string | undefined> {
  const { group } = state
  const { jobs } = await ask('group', 'jobs', { group, limit: executorsShown })
  return byText(jobs, state)
}

/** `jobs`: the first of the group. */
export function byText(jobs: readonly Pick<JobShown, 'job' | 'agent' | 'phase'>[], state: Pick<ExclusiveState, 'group' | 'executed' | 'failed' | 'unknown' | 'unknowns'>): string | undefined {
  const byAgent = new Map<string, [number, number][]>()
  for (const { job, agent, phase } of jobs) {
    if (agent === null || (phase !== 'succeeded' && phase !== 'failed' && phase !== 'unknown')) continue
    const runs = byAgent.get(agent) ?? []
    byAgent.set(agent, runs)
    const last = runs.at(-1)
    if (last !== undefined && last[1] === job - 1) last[1] = job
    else runs.push([job, job])
  }
  const texts = [...byAgent].sort(([a], [b]) => (a < b ? -1 : 1)).map(([agent, runs]) => `${agent} ${runsText(runs)}`)
  const after = jobs.at(-1)?.job ?? 0
  const more = executedAfter(after, state)
  if (more === 0) return texts.length === 0 ? undefined : texts.join(', ')
  return `${texts.length === 0 ? '' : `of jobs 1-${after}: ${texts.join(', ')}; of later ones `}${counted(more, 'job')}: "reeve group jobs ${state.group} --after ${after}"`
}

/** How many jobs with a higher number have an outcome. */
function executedAfter(after: number, { executed, failed, unknown, unknowns = unknown === null ? [] : [unknown] }: Pick<ExclusiveState, 'executed' | 'failed' | 'unknown' | 'unknowns'>): number {
  const succeeded = executed.reduce((sum, [first, last]) => sum + Math.max(0, last - Math.max(first, after + 1) + 1), 0)
  // One that had failed may have been settled as succeeded since.
  const others = new Set([...failed, ...unknowns].map(({ job }) => job).filter((job) => job > after && !executed.some(([first, last]) => first <= job && job <= last)))
  return succeeded + others.size
}

/** What is known beside the log: absent of a state that is replayed. */
export interface Beside {
  readonly executedBy?: string | undefined
  readonly missing?: readonly string[]
  readonly silent?: readonly SilentGrant[]
  readonly quarantine?: { readonly why: string }
  readonly unheld?: true
}

/** Why nothing more of it is executed for now, though nothing of it failed: a line each. */
export function waitTexts({ group, phase }: Pick<ExclusiveState, 'group' | 'phase'>, { missing = [], quarantine, unheld }: Beside): readonly string[] {
  if (hasStopped(phase)) return []
  return [
    ...(phase === 'paused' || phase === 'compensation-paused' ? [`it is paused, until "reeve group resume ${group}"`] : []),
    ...(quarantine === undefined ? [] : [quarantineText(quarantine)]),
    ...(unheld === undefined ? [] : [`nobody holds its lane ${laneOfGroup(group)!}: "reeve doctor" says more`]),
    ...(missing.length === 0 ? [] : [`no agent takes what asks for ${missing.join(', ')}`]),
  ]
}

export function printState(state: ExclusiveState, position: number, beside?: Beside): void {
  const { executedBy, silent = [] } = beside ?? {}
  printFields([
    ['group', state.group],
    ['name', state.name],
    ['state', state.phase],
    ...(state.priority === undefined ? [] : ([['priority', state.priority]] as const)),
    ...(state.agents === undefined ? [] : ([['agents', `${state.agents} only`]] as const)),
    ...(state.order === 'strict' ? [] : ([['order', state.order]] as const)),
    ...(state.onFailure === undefined ? [] : ([['on failure', state.onFailure]] as const)),
    ['settled', `${state.position} of ${state.jobs}`],
    ['executed', runsText(state.executed)],
    ...(executedBy === undefined ? [] : ([['by', textHere(executedBy)]] as const)),
    ['executing', executingText(state)],
    ...silentTexts(silent).map((text): [string, string] => ['stands', text]),
    ['pending', runsText(state.pending)],
    ...(beside === undefined ? [] : waitTexts(state, beside)).map((text): [string, string] => ['waits', textHere(text)]),
    ...(state.cancelled.length === 0 ? [] : ([['cancelled', runsText(state.cancelled)]] as const)),
    ...state.failed.map((one): [string, string] => ['failed', `${one.job}: ${one.reason.text}`]),
    ...(state.compensation === undefined ? [] : ([['undone', `${state.compensation.of.length === 0 ? 'nothing' : `what succeeded of ${runsText(state.compensation.of.map(([high, low]) => [low, high] as const))}`}, since job ${state.compensation.job} failed`]] as const)),
    ...(state.unknowns ?? (state.unknown === null ? [] : [state.unknown])).map((one): [string, string] => ['not known', `${one.job}: ${one.reason.text}`]),
    ...(state.retries.length === 0 ? [] : ([['retries', state.retries.map((one) => `${one.job} for ${one.retryOf}`).join(', ')]] as const)),
    ...(state.fault === null ? [] : ([['fault', `${state.fault.type} at revision ${state.fault.revision} (${state.fault.event})`]] as const)),
    ['revision', state.revision],
    ['log position', position],
  ])
}

function executingText({ executing, lock, locks = [] }: ExclusiveState): string {
  if (lock !== null) return `${runsText(executing)} by ${lock.agent} (lock ${lock.grant})`
  const byAgent = new Map<string, number>()
  for (const { agent } of locks) byAgent.set(agent, (byAgent.get(agent) ?? 0) + 1)
  const texts = [...byAgent].sort(([a], [b]) => (a < b ? -1 : 1)).map(([agent, count]) => `${agent} (${counted(count, 'lock')})`)
  return texts.length === 0 ? '-' : `${runsText(executing)} by ${texts.join(', ')}`
}

export function runsText(runs: readonly Run[]): string {
  return runs.length === 0 ? '-' : runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(' ')
}

