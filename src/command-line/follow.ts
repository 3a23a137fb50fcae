/** Following an execution group to its end: each job's line when it is settled, and a line that says where it stands. */
import { counted } from '../../machines/counted.ts'
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'
import type { ApiSuccess } from '../../streams/api/catalogue.ts'
import type { JobShown, SilentGrant } from '../../streams/api/group.ts'
import { pause } from '../../streams/ports/clock.ts'
import { silentTexts } from '../doctor/silent-text.ts'
import { stoppedPhases, stoppedText } from '../doctor/stopped-text.ts'
import { systemClock } from '../platform/clock.ts'
import { exitNow, onStopSignal } from '../platform/process.ts'
import { outIsTerminal } from '../platform/terminal.ts'
import { CommandEnd, endingOf, exitCodes } from './exit.ts'
import { operationText } from './operation-text.ts'
import { clearStatus, hint, plain, print, showStatus, styled } from './output.ts'
import type { Session } from './session.ts'

export type GroupShown = ApiSuccess<'group', 'show'>

/** Groups with more jobs show only where they stand. */
const jobsShownOneByOne = 200
const pollMs = 200
/** Between two lines that say where such a group stands, where nobody watches a terminal. */
const standsEveryMs = 10_000
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export function hasEnded(phase: string): boolean {
  return phase === 'completed' || phase === 'compensated' || phase === 'cancelled' || phase === 'abandoned'
}

/** Nothing more happens to it by itself. */
export function hasStopped(phase: string): boolean {
  return hasEnded(phase) || (stoppedPhases as readonly string[]).includes(phase)
}

export interface Following {
  readonly quiet: boolean
  readonly signal?: AbortSignal
  /** For `--wait` after a retry or a resolve: what was blocked at this revision may still be so for a moment. */
  readonly beyondRevision?: number
  /** What is waited for besides the end. */
  readonly until?: (state: ExclusiveState) => boolean
}

/** For a command that waits: the group goes on without it, and that is said. Throws `CommandEnd` where it is interrupted, or nothing answers any more, before that is done. */
export async function waitForGroup(session: Session, group: string, options: Omit<Following, 'signal'>): Promise<GroupShown> {
  const interrupt = new AbortController()
  const signals = onStopSignal((_signal, again) => {
    interrupt.abort()
    if (again) exitNow(exitCodes.interrupted)
  })
  try {
    const shown = await followGroup(session, group, { ...options, signal: interrupt.signal })
    if (!interrupt.signal.aborted || isDone(shown.state, options)) return shown
    throw new CommandEnd(exitCodes.interrupted, `interrupted; group ${group} goes on: see "reeve group show ${group}"`)
  } catch (error) {
    const ending = endingOf(error)
    if (ending?.exitCode !== exitCodes.unreachable) throw error
    throw new CommandEnd(exitCodes.unreachable, `${ending.lines[0]!}; group ${group} goes on as soon as its realm does: see "reeve group show ${group}"`)
  } finally {
    signals.stop()
  }
}

function isDone(state: GroupShown['state'], { until, beyondRevision = 0 }: Following): boolean {
  return (hasStopped(state.phase) || until?.(state as ExclusiveState) === true) && state.revision > beyondRevision
}

/** Resolves when the group has stopped, or `signal` is aborted. Any message of the feed makes it look at once; without one it looks every 200 ms. */
export async function followGroup(session: Session, group: string, options: Following): Promise<GroupShown> {
  const { signal } = options
  const settled = new Set<number>()
  /** Instances of which it was said that they do not answer. */
  const silent = new Set<string>()
  let saidMs = systemClock.monotonicMs()
  let wake = () => {}
  const subscription = session.bus.subscribe(session.subjects.feed('group', group), () => wake())
  try {
    for (let turn = 0; ; turn++) {
      const shown = await session.ask('group', 'show', { group })
      const { state } = shown
      if (!options.quiet) {
        if (state.jobs <= jobsShownOneByOne) await printSettled(session, group, settled)
        const left = state.lock === null ? '' : `, job ${state.executing[0]?.[0] ?? ''} at ${state.lock.agent}`
        const stands = shown.silent === undefined ? '' : `; ${silentTexts(shown.silent)[0]!}`
        showStatus(`${spinner[turn % spinner.length]} ${state.position} of ${counted(state.jobs, 'job')} settled${left}${stands}`)
      }
      if (!options.quiet && !outIsTerminal()) {
        printSilence(shown.silent ?? [], silent)
        if (state.jobs > jobsShownOneByOne && !isDone(state, options) && systemClock.monotonicMs() - saidMs >= standsEveryMs) {
          saidMs = systemClock.monotonicMs()
          print(`${state.position} of ${counted(state.jobs, 'job')} settled`)
        }
      }
      if (isDone(state, options) || signal?.aborted) return shown
      await new Promise<void>((resolve) => {
        wake = resolve
        void pause(systemClock, pollMs, signal).then(resolve)
      })
    }
  } finally {
    subscription.stop()
    clearStatus()
  }
}

/** Where there is no status line that says it as long as it is so: once. */
function printSilence(silent: readonly SilentGrant[], said: Set<string>): void {
  const fresh = silent.filter(({ instance }) => !said.has(instance))
  for (const { instance } of fresh) said.add(instance)
  for (const text of silentTexts(fresh)) print(text)
}

/** What settled between two looks, in the order in which it did: a new job stands in the place of the one that failed. */
async function printSettled(session: Session, group: string, settled: Set<number>): Promise<void> {
  const places = new Map<number, number>()
  const fresh: JobShown[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page: ApiSuccess<'group', 'jobs'> = await session.ask('group', 'jobs', { group, after, limit: 1000 })
    for (const job of page.jobs) {
      places.set(job.job, job.retryOf === null ? job.job : places.get(job.retryOf)!)
      if (settled.has(job.job) || job.phase === 'pending' || job.phase === 'granted') continue
      settled.add(job.job)
      fresh.push(job)
    }
    after = page.next
  }
  for (const job of fresh.sort((a, b) => places.get(a.job)! - places.get(b.job)! || a.job - b.job)) print(jobLine(job))
}

export function jobLine(job: JobShown): string {
  const marks = { succeeded: styled('green', '✔'), failed: styled('red', '✖'), cancelled: styled('dim', '–'), unknown: styled('yellow', '?'), pending: ' ', granted: '▸' }
  const reason = job.reason === null ? '' : `  ${styled('red', plain(job.reason.text))}`
  const agent = job.agent === null ? '' : styled('dim', `  ${job.agent}`)
  const what = `${String(job.job).padStart(4)}  ${plain(job.site)}/${plain(job.service)}  ${plain(operationText(job.operation))}`
  return `  ${marks[job.phase]} ${what}${agent}${reason}`
}

/** One line where the realm executes nothing for now: a group that only waits is not to look like one that hangs. */
export async function sayQuarantine(session: Session): Promise<void> {
  const { quarantine } = await session.ask('realm', 'show', {})
  if (quarantine !== null) hint(styled('yellow', quarantineText(quarantine)))
}

export function quarantineText({ why }: { readonly why: string }): string {
  return plain(`quarantine (${why}): nothing is executed until "reeve realm release"`)
}

/** Exit code 1, with the reason, unless everything succeeded. */
export function demandSuccess(shown: GroupShown): void {
  const { state } = shown
  if (state.phase === 'completed' && failedForGood(shown).length === 0) return
  throw new CommandEnd(exitCodes.failed, whyStopped(shown))
}

/** Jobs that failed, were not retried, and that the group went on after. */
function failedForGood({ state }: GroupShown): readonly GroupShown['state']['failed'][number][] {
  const retried = new Set(state.retries.map(({ retryOf }) => retryOf))
  return state.failed.filter(({ job }) => !retried.has(job))
}

export function whyStopped(shown: GroupShown): string {
  const { state } = shown
  const stopped = stoppedText(state as ExclusiveState)
  if (stopped !== undefined) return plain(`${stopped.text}; ${stopped.todo}`)
  const group = `group ${state.group}`
  switch (state.phase) {
    case 'completed': {
      const [first, ...others] = failedForGood(shown)
      return `${group} is completed, but ${others.length === 0 ? `job ${first?.job}` : `job ${first?.job} and ${others.length} more`} failed (${plain(first?.reason.text ?? 'no reason')}); "reeve group jobs ${state.group}" lists them`
    }
    case 'compensated':
      return `${group} is compensated: job ${state.compensation?.job} failed (${plain(state.failed.find(({ job }) => job === state.compensation?.job)?.reason.text ?? 'no reason')}), and what could be undone of it was undone`
    case 'abandoned':
      return `${group} was abandoned before all its parts had come; ask again`
    default:
      return `${group} is ${state.phase}`
  }
}
