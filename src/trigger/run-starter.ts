/**
 * Makes an instruction and a group of a run that a trigger has started, by the way of every other change. It follows the log: the leader
 * does it at once, and whoever comes after a crash repeats it; the command id is made from the cause, so that doubles are harmless (P15).
 *
 * Owns: the runs in hand of this process, its connections to sites. At most `runsInHand` at once; the others wait for a later look.
 */
import { counted } from '../../machines/counted.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { refuseInstruction } from '../../machines/instruction/instruction.ts'
import type { TriggerRun } from '../../machines/trigger/evolve.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { triggeredChangeSchema } from '../../streams/api/trigger.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { groupId } from '../../streams/subjects.ts'
import type { Logger } from '../agent/context.ts'
import type { GroupOpener, Taken } from '../change/group-opener.ts'
import { writeInstruction } from '../change/instruction-writer.ts'
import { type TakeContext, takeChange } from '../change/take.ts'
import type { Sites } from '../service/sites.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import { type TriggerWriting, writeReport } from './due.ts'
import { planTriggered, recordedChange } from './plan.ts'
import { standingOf, unchangedCode } from './run-standing.ts'

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
/** Refusals that a repeat may turn into a yes. */
const passing: ReadonlySet<string> = new Set(['too-far-ahead', 'format-too-old', 'part-out-of-order', 'stale', 'too-early'])

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
    const { writing } = this.#options
    const standing = standingOf(writing.view.state, run)
    if (standing.kind === 'opening') return this.#open(trigger, run, standing.taken)
    if (standing.kind !== 'to-plan') return
    if (run.replaced !== null) return this.#end(trigger, run, 'refused', 'replaced', `the run of trigger ${trigger} was replaced before it began`)
    try {
      await this.#plan(trigger, run)
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error
      const late = writing.clock.nowMs() - run.startedMs > startWithinMs
      if (error.retryable && !late) throw error
      await this.#end(trigger, run, 'refused', error.code, error.message)
    }
  }

  async #plan(trigger: string, run: TriggerRun): Promise<void> {
    const { writing, sites, adapterOf } = this.#options
    const { view } = writing
    const parsed = triggeredChangeSchema.safeParse(recordedChange(run.change))
    if (!parsed.success) throw new ApiFailure('malformed', `the change of trigger ${trigger} has a term that this build does not know: use a newer build`)
    const { window, distributionFactor, order, agents, onFailure, name, text } = parsed.data
    const plan = await planTriggered({ sites: view.state.sites, read: (site) => sites.read(site) }, parsed.data, adapterOf)
    if (plan.jobs.length === 0) {
      return this.#end(trigger, run, 'unchanged', unchangedCode, `nothing to do: ${counted(plan.unchanged.length, 'service')} so already`)
    }
    const taken = await takeChange(
      writing,
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
    if (taken.state.taken !== null) await this.#open(trigger, run, taken.state.taken, taken.known ? undefined : plan.jobs.map(({ spec }) => spec))
  }

  /** What nobody can open any more is recorded as a failure on its cause (P15): the next run would wait for it for ever. */
  async #open(trigger: string, run: TriggerRun, taken: Taken, jobs?: readonly JobSpec[]): Promise<void> {
    const { writing, opener } = this.#options
    const opened = await opener.open(run.command, taken, jobs)
    if (opened.kind !== 'plan-lost' && !(opened.kind === 'refused' && !passing.has(opened.code))) return
    const fold = await writing.view.current()
    // A group that there is ends by itself: it is completed, cancelled or abandoned.
    if (fold.group(groupId(taken.lane, run.command)) !== undefined) return
    await writeReport(writing, trigger, run, 'refused', opened.kind === 'refused' ? opened.text : `the plan of command ${run.command} is lost`)
  }

  /**
   * A run without a group. First its instruction is refused [330], which only one of this and its being taken can be; then the run is
   * reported as ended.
   */
  async #end(trigger: string, run: TriggerRun, how: 'refused' | 'unchanged', code: string, why: string): Promise<void> {
    const { writing } = this.#options
    const { view, actor, epoch } = writing
    await writeInstruction(writing, {
      instruction: run.command,
      command: run.command,
      decide: (state) => refuseInstruction(state, run.name, code, why),
      actor,
      cause: { aggregate: 'trigger', id: trigger, revision: run.cause },
      epoch,
    })
    // Taken by somebody else meanwhile: it goes on.
    if (view.state.instructions.get(run.command)?.refused != null) await writeReport(writing, trigger, run, how, why)
  }
}
