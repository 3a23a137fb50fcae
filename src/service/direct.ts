/**
 * Mode `direct` [340, 336]: this service interface carries out groups of one job itself, by the same locks, tokens and waits as any
 * executor (P17-P24).
 *
 * Owns: the instance of this service with its presence, its executor, and the direct groups that have not stopped.
 * 1. A job comes into its queue only by its own `assign`, after the group was sealed; the leader neither assigns jobs of such groups nor
 *    gives a service anything else.
 * 2. What was granted is never granted anew (P26). What was not has not begun: where the service that took it is gone, another takes it.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type GroupState, assigneeOf, headJob, headPhase } from '../../machines/execution-group/state.ts'
import { jobTable } from '../../machines/job/machine.ts'
import { type PresenceValue, presenceIn } from '../../streams/coordination.ts'
import { type Repeating, every, pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { Executing, ExecutorContext, SiteDirectory } from '../agent/context.ts'
import type { LaneSender } from '../change/lane-sender.ts'
import { noLanes, startExecutor } from '../executor/executor.ts'
import type { Keeper } from '../presence/keeper.ts'
import { type OwnPresence, startPresence } from '../presence/presence.ts'
import type { RealmView, TurnSeen } from '../realm/view.ts'

/** Another program has the id of this service: it has to end (P20). */
export class ServiceReplaced extends Error {
  override readonly name = 'ServiceReplaced'
  readonly retryable = false
}

export interface DirectExecutorOptions {
  /** `agent` is the id of the service. */
  readonly context: ExecutorContext
  readonly keeper: Keeper
  readonly sites: SiteDirectory
  readonly view: RealmView
  readonly sender: LaneSender
  /** Longest wait for a result. */
  readonly answerMs: number
  /** Between two looks for jobs that no service goes on with. */
  readonly continueMs: number
  readonly signal: AbortSignal
  readonly onReplaced: (error: ServiceReplaced) => void
}

/** How long the coordinator may take to remove the presence before it is left to expire. */
const leaveMs = 500

export class DirectExecutor {
  readonly #options: DirectExecutorOptions
  readonly #presence: OwnPresence
  readonly #executing: Executing
  /** Direct groups that have not ended, with the revision that was seen of them at the last look. */
  readonly #open = new Map<string, { seenRevision: number }>()
  readonly #repeating: Repeating
  readonly #unfollow: () => void
  #looking = false

  /** The view is current. */
  constructor(options: DirectExecutorOptions) {
    const { context, keeper, sites, view, continueMs, onReplaced } = options
    this.#options = options
    this.#begin(view.state.groups())
    const unfollow = [view.onTurn((seen) => this.#see(seen)), view.onBeginning(({ state }) => this.#begin(state.groups.values()))]
    this.#unfollow = () => unfollow.forEach((end) => end())
    this.#presence = startPresence({ context, keeper })
    this.#presence.onReplaced((by) => onReplaced(new ServiceReplaced(`another process is ${context.agent} now (instance ${by}): give this service another --id`)))
    this.#executing = startExecutor(context, this.#presence, sites, noLanes)
    this.#repeating = every(context.clock, continueMs, () => void this.#look())
  }

  /** Resolves once its presence is acknowledged. */
  present(): Promise<void> {
    return this.#presence.present()
  }

  /** Resolves with true once nothing more happens to the sealed group by itself; with false when that takes longer than `answerMs`. */
  async carryOut(group: string): Promise<boolean> {
    const { answerMs, context, view } = this.#options
    const endMs = context.clock.monotonicMs() + answerMs
    const state = view.state.group(group)
    if (state !== undefined && waits(state) && assigneeOf(state, headJob(state)!) === undefined) await this.#take(state)
    return this.#stopped(group, Math.max(0, endMs - context.clock.monotonicMs()))
  }

  /** A call that runs is waited for at most `graceMs`; what is left then is found lost (P18). */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options.context
    this.#repeating.stop()
    this.#unfollow()
    this.#presence.announceStopping()
    const waited = new AbortController()
    await Promise.race([this.#executing.drain(), pause(clock, graceMs, waited.signal)])
    this.#executing.abandon()
    await Promise.race([this.#presence.leave(), pause(clock, leaveMs, waited.signal)])
    waited.abort()
    this.#presence.abandon()
    await this.#options.keeper.close()
  }

  #begin(groups: Iterable<GroupState>): void {
    for (const group of groups) if (group.mode === 'direct' && !groupTable.isFinal(group.phase)) this.#open.set(group.group, { seenRevision: -1 })
  }

  #see({ turn }: TurnSeen): void {
    for (const commit of turn.commits) {
      if (commit.aggregate !== 'group') continue
      const [first] = commit.events as readonly GroupEvent[]
      if (first?.type === 'GroupOpened' && first.data.mode === 'direct') this.#open.set(commit.id, { seenRevision: -1 })
    }
  }

  /** Into the own queue; another service may have been faster, which is told by the refusal as stale. */
  async #take(state: GroupState): Promise<void> {
    const { context, sender, view } = this.#options
    const { group, revision } = state
    const job = headJob(state)!
    const answer = await sender.send(laneOfGroup(group)!, {
      group,
      actor: `service:${context.agent}`,
      cause: { aggregate: 'group', id: group, revision },
      body: { kind: 'assign', assignments: [{ first: job, last: job, agent: context.agent }], ifRevision: revision },
    })
    if (answer.kind === 'done') await view.reached(answer.position)
    else if (answer.kind === 'refused') context.logger.info({ group, code: answer.code, text: answer.text }, 'a direct job was not taken')
  }

  #stopped(group: string, withinMs: number): Promise<boolean> {
    const { view, context, signal } = this.#options
    return new Promise((resolve) => {
      const end = (stopped: boolean) => {
        unfollow()
        timer.cancel()
        signal.removeEventListener('abort', cut)
        resolve(stopped)
      }
      const look = () => {
        const state = view.state.group(group)
        if (state !== undefined && !goesOn(state)) end(true)
      }
      const cut = () => end(false)
      const unfollow = view.onTurn(look)
      const timer = context.clock.after(withinMs, cut)
      signal.addEventListener('abort', cut)
      look()
    })
  }

  /** What waits and showed no progress since the last look is nobody's, unless the service in whose queue it lies is here. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    const { view, context, signal } = this.#options
    try {
      const still: GroupState[] = []
      for (const [id, seen] of this.#open) {
        const state = view.state.group(id)
        if (state === undefined) continue
        if (groupTable.isFinal(state.phase)) this.#open.delete(id)
        const moved = seen.seenRevision !== state.revision
        seen.seenRevision = state.revision
        if (!moved && waits(state) && assigneeOf(state, headJob(state)!) !== context.agent) still.push(state)
      }
      if (still.length === 0) return
      const here = await servicesHere(context)
      for (const state of still) {
        const assignee = assigneeOf(state, headJob(state)!)
        if (signal.aborted || !waits(state) || (assignee !== undefined && here.has(assignee))) continue
        context.logger.info({ group: state.group, assignee }, 'going on with a direct change that no service carries out')
        await this.#take(state)
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof Unavailable)) context.logger.warn({ err: error }, 'direct changes could not be looked at')
    } finally {
      this.#looking = false
    }
  }
}

/** Throws `ServiceReplaced` when an agent of this id is here: locks and queues are told apart by id alone. Throws `Unavailable`. */
export async function demandOwnId(context: Pick<ExecutorContext, 'coordinator' | 'agent'>): Promise<void> {
  for (const { agent, role } of await presences(context)) {
    if (agent === context.agent && role !== 'service') throw new ServiceReplaced(`${agent} is the id of an agent that is here: give this service another --id`)
  }
}

async function servicesHere(context: ExecutorContext): Promise<ReadonlySet<string>> {
  return new Set((await presences(context)).map(({ agent }) => agent))
}

async function presences({ coordinator }: Pick<ExecutorContext, 'coordinator'>): Promise<readonly PresenceValue[]> {
  const entries = await coordinator.agents.entries()
  return entries.filter(({ key }) => key.startsWith('instance.')).flatMap(({ value }) => presenceIn(value) ?? [])
}

/** For its lock, which nobody holds. */
function waits(state: GroupState): boolean {
  return state.grant === null && groupTable.can(state.phase, 'LockGranted') && headJob(state) !== undefined && jobTable.can(headPhase(state), 'Granted')
}

/** Of a group that was sealed: somebody is at work on it, or will be. */
function goesOn(state: GroupState): boolean {
  const blocked = groupTable.can(state.phase, 'GroupUnblocked')
  return (groupTable.can(state.phase, 'LockReturned') && !blocked) || groupTable.can(state.phase, 'GroupSealed')
}
