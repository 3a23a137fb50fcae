/**
 * The leader's part in triggers: on every alarm, at its start and every few seconds it decides the nominal times that have come, starts
 * what is to run, reports on what runs, and sets the next alarms.
 *
 * Owns: what it knows of alarms and of the last sign of each run; rebuilt by every leader (I11). Invariants:
 * 1. What is due, and what became of it, stands in the log alone; every write is conditional on it, so that leaders at the same time,
 *    late alarms and crashes neither lose a run nor double one (I7).
 * 2. A run starts only after its `TriggerDue` or `TriggerRunStarted` is durable, under the command id that it holds.
 * 3. One look at a time; what comes in meanwhile leads to another.
 */
import { groupTable } from '../../machines/execution-group/machine.ts'
import { allowsFormat } from '../../machines/realm/realm.ts'
import { type ReportedOnWish } from '../../machines/trigger/definition.ts'
import type { Reported } from '../../machines/trigger/events.ts'
import { type TriggerRun, type TriggerState, endedWithoutGroup } from '../../machines/trigger/evolve.ts'
import { ulidFromCause } from '../../streams/codec.ts'
import { type Repeating, type Timer, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import type { LaneSender } from '../change/lane-sender.ts'
import type { TurnSeen } from '../realm/view.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { type TriggerWriting, commandOrdinal, decideDueTimes, dueAfter, startNextWaiting, writeReport } from './due.ts'
import type { RunStarter } from './run-starter.ts'
import { type RunStanding, standingOf } from './run-standing.ts'

export interface SchedulerOptions {
  readonly writing: TriggerWriting & { readonly coordinator: Coordinator }
  readonly starter: RunStarter
  readonly sender: LaneSender
  readonly logger: Logger
}

/** How often it looks without being called: time-outs of runs, and alarms that were lost. */
const lookMs = 2_000
/** How often it asks whether the alarms that it set are still there (I11). */
const alarmsCheckMs = 10_000
/** Nominal times of one trigger that are decided before the others have their turn. */
const decisionsInARow = 200

export class TriggerScheduler {
  readonly #options: SchedulerOptions
  readonly #repeating: Repeating
  readonly #stopListening: () => void
  /** Alarms as set by this leader, by trigger. */
  readonly #alarms = new Map<string, number>()
  /** Groups of runs that go on, with the monotonic time of their last event. */
  readonly #heard = new Map<string, number>()
  readonly #cancelling = new Set<string>()
  #alarmsCheckedMs = -Infinity
  /** Once with all that was in the log. */
  #looked = false
  #soon: Timer | undefined
  #looking = false
  #again = false

  constructor(options: SchedulerOptions) {
    this.#options = options
    const { coordinator, view, clock, signal } = options.writing
    const watch = coordinator.alarms.watch(() => this.look())
    const unfollow = view.onTurn((seen) => this.#see(seen))
    this.#repeating = every(clock, lookMs, () => this.look())
    this.#stopListening = () => {
      watch.stop()
      unfollow()
    }
    signal.addEventListener('abort', () => this.stop(), { once: true })
    this.look()
  }

  stop(): void {
    this.#repeating.stop()
    this.#soon?.cancel()
    this.#stopListening()
  }

  look(): void {
    const { signal } = this.#options.writing
    if (signal.aborted) return
    this.#again = true
    if (this.#looking) return
    this.#looking = true
    void this.#lookWhileAsked().finally(() => {
      this.#looking = false
      if (this.#again) this.look()
    })
  }

  async #lookWhileAsked(): Promise<void> {
    const { writing, logger } = this.#options
    while (this.#again && !writing.signal.aborted) {
      this.#again = false
      try {
        await this.#lookAtAll()
      } catch (error) {
        if (writing.signal.aborted) return
        if (!(error instanceof Unavailable)) logger.error({ err: error }, 'triggers could not be looked at')
        // The next look comes in any case.
        this.#again = false
      }
    }
  }

  #see({ turn }: TurnSeen): void {
    const { view, clock } = this.#options.writing
    for (const commit of turn.commits) {
      if (commit.aggregate === 'trigger') this.look()
      else if (commit.aggregate === 'group' && this.#heard.has(commit.id)) {
        this.#heard.set(commit.id, clock.monotonicMs())
        const phase = view.state.group(commit.id)?.phase
        if (phase !== undefined && (groupTable.isFinal(phase) || groupTable.can(phase, 'GroupUnblocked'))) this.look()
      }
    }
  }

  async #lookAtAll(): Promise<void> {
    const { writing, logger } = this.#options
    const { view, clock } = writing
    // One that is defined leads to a look.
    if (this.#looked && view.state.triggers.size === 0) return
    // What was in the log when this look began is known, this leader's own election included.
    const fold = await view.current()
    this.#looked = true
    if (!allowsFormat(fold.realm, 2)) return
    let nextMs = Infinity
    for (const trigger of [...fold.triggers.keys()]) {
      try {
        nextMs = Math.min(nextMs, await this.#lookAt(trigger))
      } catch (error) {
        if (error instanceof Unavailable || writing.signal.aborted) throw error
        // One trigger that cannot be dealt with must not hold up the others.
        logger.error({ trigger, err: error }, 'a trigger could not be looked at')
      }
    }
    await this.#checkAlarms()
    this.#soon?.cancel()
    // An alarm goes by the server's clock, a decision by this one.
    const delayMs = nextMs - clock.nowMs()
    this.#soon = delayMs <= lookMs ? clock.after(Math.max(0, delayMs), () => this.look()) : undefined
  }

  /** Returns its next nominal time, `Infinity` for none. */
  async #lookAt(trigger: string): Promise<number> {
    const { writing } = this.#options
    const { view, clock } = writing
    const now = () => view.state.triggers.get(trigger)!
    await this.#monitor(trigger, now())
    if (await decideDueTimes(writing, trigger, clock.nowMs(), decisionsInARow)) this.#again = true
    if (now().waiting.length > 0 && this.#standing(now())?.kind === 'ended') await startNextWaiting(writing, trigger)
    const { running } = now()
    const standing = this.#standing(now())
    if (running !== null && standing !== undefined) {
      if (standing.kind === 'to-plan' || standing.kind === 'opening') this.#options.starter.begin(trigger, running)
      if (running.replaced !== null) this.#cancel(trigger, running, standing)
      this.#follow(standing)
    }
    const next = dueAfter(now())
    await this.#setAlarm(trigger, next)
    return next ?? Infinity
  }

  #standing(state: TriggerState): RunStanding | undefined {
    return state.running === null ? undefined : standingOf(this.#options.writing.view.state, state.running)
  }

  #follow(standing: RunStanding): void {
    if (standing.kind === 'ended') {
      if (standing.group !== null) this.#heard.delete(standing.group)
      return
    }
    const group = standing.kind === 'going' ? standing.group.group : standing.kind === 'opening' ? standing.group : undefined
    if (group !== undefined && !this.#heard.has(group)) this.#heard.set(group, this.#options.writing.clock.monotonicMs())
  }

  /** Says what is to be said of the run that was started last, each once. */
  async #monitor(trigger: string, state: TriggerState): Promise<void> {
    const { running } = state
    const standing = this.#standing(state)
    if (running === null || standing === undefined) return
    // The report that ends a run without a group may be missing after a crash; a lane does not know for ever what it refused (P15).
    if (standing.kind === 'ended' && (standing.how === 'refused' || standing.how === 'unchanged')) await this.#report(trigger, running, standing.how, standing.text)
    if (running.monitoring === null) return
    for (const [what, text] of this.#findings(running, standing)) {
      if (running.monitoring.report.includes(what)) await this.#report(trigger, running, what, text)
    }
  }

  #findings(run: TriggerRun, standing: RunStanding): [ReportedOnWish, string][] {
    const { clock } = this.#options.writing
    const { timeoutMs, heartbeatMs } = run.monitoring!
    if (standing.kind === 'ended') {
      if (standing.how === 'succeeded') return [['succeeded', `group ${standing.group} succeeded`]]
      return standing.how === 'failed' ? [['failed', standing.text]] : []
    }
    const found: [ReportedOnWish, string][] = []
    const ranMs = clock.nowMs() - run.startedMs
    if (timeoutMs !== undefined && ranMs > timeoutMs) found.push(['timeout', `the run goes on after ${timeoutMs} ms`])
    if (standing.kind === 'going' && standing.blocked) found.push(['blocked', `group ${standing.group.group} is stopped at a job that did not succeed`])
    else if (heartbeatMs !== undefined) {
      const group = standing.kind === 'going' ? standing.group.group : standing.kind === 'opening' ? standing.group : undefined
      const heardMs = group === undefined ? undefined : this.#heard.get(group)
      // Before its group is there, the start of the run is the last sign of it.
      const silentMs = heardMs === undefined ? (group === undefined ? ranMs : 0) : clock.monotonicMs() - heardMs
      if (silentMs > heartbeatMs) found.push(['silent', `nothing was heard of the run for ${heartbeatMs} ms`])
    }
    return found
  }

  async #report(trigger: string, run: TriggerRun, what: Reported, text: string): Promise<void> {
    if (run.reported.includes(what) || endedWithoutGroup(run)) return
    const { writing, logger } = this.#options
    const written = await writeReport(writing, trigger, run, what, text)
    if (written.kind === 'written') logger.warn({ trigger, atMs: run.atMs, command: run.command, what, text }, 'a run of a trigger is reported')
  }

  /** The run that another replaces; not waited for, and repeated at every look until its group has ended. */
  #cancel(trigger: string, run: TriggerRun, standing: RunStanding): void {
    const { writing, sender, logger } = this.#options
    const group = standing.kind === 'going' ? standing.group.group : standing.kind === 'opening' && standing.exists ? standing.group : undefined
    if (group === undefined || run.replaced === null || this.#cancelling.has(group)) return
    const cause = { aggregate: 'trigger', id: trigger, revision: run.replaced.cause }
    this.#cancelling.add(group)
    sender
      .send(laneOfGroup(group)!, {
        command: ulidFromCause(run.replaced.timeMs, cause, commandOrdinal.cancel),
        group,
        actor: writing.actor,
        ...(writing.epoch === undefined ? {} : { epoch: writing.epoch }),
        cause,
        correlation: run.command,
        body: { kind: 'cancel' },
      })
      .then((answer) => {
        if (answer.kind === 'refused') logger.warn({ trigger, group, code: answer.code, text: answer.text }, 'a run that is replaced could not be cancelled')
      })
      .catch((error: unknown) => logger.warn({ trigger, group, err: error }, 'a run that is replaced could not be cancelled'))
      .finally(() => this.#cancelling.delete(group))
  }

  async #setAlarm(trigger: string, nextMs: number | undefined): Promise<void> {
    const { alarms } = this.#options.writing.coordinator
    const known = this.#alarms.get(trigger)
    if (known === nextMs) return
    const outcome = nextMs === undefined ? await alarms.cancel(trigger) : await alarms.set(trigger, nextMs)
    if (outcome.kind !== 'done') this.#alarms.delete(trigger)
    else if (nextMs === undefined) this.#alarms.delete(trigger)
    else this.#alarms.set(trigger, nextMs)
  }

  /** Whatever was set and is not there any more is set again at the next look. */
  async #checkAlarms(): Promise<void> {
    const { coordinator, clock } = this.#options.writing
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#alarmsCheckedMs < alarmsCheckMs) return
    const pending = await coordinator.alarms.pending()
    this.#alarmsCheckedMs = nowMs
    for (const trigger of [...this.#alarms.keys()]) {
      if (pending.has(trigger)) continue
      this.#alarms.delete(trigger)
      this.#again = true
    }
  }
}
