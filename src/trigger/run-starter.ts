/**
 * Makes an instruction and a group of a run that a trigger has started, by the way of every other change. It follows the log: the leader
 * does it at once, and whoever comes after a crash repeats it; the command id is made from the cause, so that doubles are harmless (P15).
 *
 * Owns: the runs in hand of this process, its connections to sites. At most `runsInHand` at once; the others wait for a later look.
 */
import { counted } from '../../machines/counted.ts'
import { type InstructionEvent, type InstructionState, absentInstruction, foldInstruction, refuseInstruction } from '../../machines/instruction/instruction.ts'
import type { TriggerRun } from '../../machines/trigger/evolve.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { triggeredChangeSchema } from '../../streams/api/trigger.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { Logger } from '../agent/context.ts'
import type { GroupOpener } from '../change/group-opener.ts'
import { takeChange } from '../change/take.ts'
import { writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import type { Sites } from '../service/sites.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import { type TriggerWriting, writeReport } from './due.ts'
import { planTriggered } from './plan.ts'
import { standingOf } from './run-standing.ts'
import type { TakeContext } from '../change/take.ts'

export interface RunStarterOptions {
  readonly writing: TriggerWriting & TakeContext
  readonly opener: Pick<GroupOpener, 'open'>
  readonly sites: Pick<Sites, 'read'>
  /** Throws `UnknownSiteKind`. */
  readonly adapterOf: (kind: string) => SiteAdapter
  readonly logger: Logger
}

/** A run that cannot be planned so long after its start (a site does not answer, no lane is held) is refused. */
export const startWithinMs = 10 * 60_000
export const runsInHand = 8

export class RunStarter {
  readonly #options: RunStarterOptions
  readonly #inHand = new Set<string>()

  constructor(options: RunStarterOptions) {
    this.#options = options
  }

  /** Not waited for: what fails is tried again at a later look. */
  begin(trigger: string, run: TriggerRun): void {
    if (this.#inHand.has(run.command) || this.#inHand.size >= runsInHand) return
    this.#inHand.add(run.command)
    const { writing, logger } = this.#options
    void this.#begin(trigger, run)
      .catch((error: unknown) => {
        if (writing.signal.aborted) return
        if (error instanceof Unavailable || (error instanceof ApiFailure && error.retryable)) logger.info({ trigger, command: run.command, error: error.message }, 'a run of a trigger cannot start yet')
        else logger.error({ trigger, command: run.command, err: error }, 'a run of a trigger could not be started')
      })
      .finally(() => this.#inHand.delete(run.command))
  }

  async #begin(trigger: string, run: TriggerRun): Promise<void> {
    const { writing, opener } = this.#options
    const standing = standingOf(writing.view.state, run)
    if (standing.kind === 'opening') return void (await opener.open(run.command, standing.taken))
    if (standing.kind !== 'to-plan') return
    if (run.replaced !== null) return this.#refuse(trigger, run, 'replaced', `the run of trigger ${trigger} was replaced before it began`)
    try {
      await this.#plan(trigger, run)
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error
      const late = writing.clock.nowMs() - run.startedMs > startWithinMs
      if (error.retryable && !late) throw error
      await this.#refuse(trigger, run, error.code, error.message)
    }
  }

  async #plan(trigger: string, run: TriggerRun): Promise<void> {
    const { writing, opener, sites, adapterOf } = this.#options
    const { view } = writing
    const parsed = triggeredChangeSchema.safeParse(run.change)
    if (!parsed.success) throw new ApiFailure('malformed', `the change of trigger ${trigger} has a term that this build does not know: use a newer build`)
    const { window, distributionFactor, order, agents, onFailure, name, text } = parsed.data
    const plan = await planTriggered({ sites: view.state.sites, read: (site) => sites.read(site) }, parsed.data, adapterOf)
    if (plan.jobs.length === 0) {
      await writeReport(writing, trigger, run, 'unchanged', `nothing to do: ${counted(plan.unchanged.length, 'service')} so already`)
      return
    }
    const taken = await takeChange(
      writing,
      view.state,
      {
        command: run.command,
        mode: 'jobs',
        name: name ?? run.name,
        text,
        window,
        distributionFactor,
        order,
        agents,
        onFailure,
        priority: run.priority,
        trigger: { trigger, atMs: run.atMs },
        actor: writing.actor,
        cause: { aggregate: 'trigger', id: trigger, revision: run.cause },
        ...(writing.epoch === undefined ? {} : { epoch: writing.epoch }),
      },
      plan,
    )
    // Whoever was first has fixed another plan, perhaps; where nobody opens it any further, a later look does.
    if (taken.state.taken !== null) await opener.open(run.command, taken.state.taken, taken.known ? undefined : plan.jobs.map(({ spec }) => spec))
  }

  /** The instruction is recorded as refused [330], then the run as ended. */
  async #refuse(trigger: string, run: TriggerRun, code: string, why: string): Promise<void> {
    const { writing } = this.#options
    const { coordinator, subjects, clock, random, view, signal, actor, epoch } = writing
    const written = await writeAggregate<InstructionState, InstructionEvent>(
      { log: coordinator.log, clock, random, signal },
      {
        subject: subjects.aggregate('instruction', run.command),
        aggregate: 'instruction',
        id: run.command,
        empty: absentInstruction(run.command),
        fold: foldInstruction,
        decide: (state) => refuseInstruction(state, run.name, code, why),
        actor,
        command: run.command,
        correlation: run.command,
        cause: { aggregate: 'trigger', id: trigger, revision: run.cause },
        ...(epoch === undefined ? {} : { epoch }),
      },
    )
    await feedWritten(coordinator, subjects, written)
    if (written.kind === 'written') await view.reached(written.position)
    else await view.current()
    // Taken by somebody else meanwhile: it goes on.
    if (view.state.instructions.get(run.command)?.refused != null) await writeReport(writing, trigger, run, 'refused', why)
  }
}
