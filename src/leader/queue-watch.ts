/**
 * Finds executors that are present, and do not ask the holder of a lane for what waits for them there: what they send does not reach
 * it, or they hang. Their jobs go to others (I3); no order and no lock depends on it.
 *
 * 1. Passed over is only who holds no lock of the lane in any round of `muteMs`, while one and the same group, in which nothing happened,
 *    waits for it.
 * 2. Time counts as in `grant-watch.ts`, and not while a quarantine holds every lock back, nor for who is not here.
 * 3. Before anybody is passed over, everything that stands in the log is looked at: this view may be late.
 */
import { type GroupState, openGrants } from '../../machines/execution-group/state.ts'
import { waitingFor } from '../../machines/execution-group/waiting.ts'
import { quietLaneMs } from '../../machines/placement/overdue.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import type { RealmView } from '../realm/view.ts'
import type { PassedOver } from './passed-over.ts'

/** A holder that is stuck is replaced before. */
export const queueWatchTimes = { lookMs: 2_000, muteMs: quietLaneMs + 5_000 } as const

export interface QueueWatchDeps {
  readonly context: AgentContext
  readonly view: RealmView
  /** Groups that are not over. */
  readonly open: () => readonly GroupState[]
  /** Agents that are here and can be given jobs. */
  readonly ready: () => ReadonlySet<string>
  readonly passedOver: PassedOver
  /** An agent is passed over from now on. */
  readonly onChange: () => void
}

interface Waiting {
  readonly lane: string
  readonly agent: string
  /** `LaneTaken` of the lane that is in force. */
  readonly holder: string
  readonly group: string
  readonly revision: number
  readonly sinceMs: number
}

export class QueueWatch {
  readonly #deps: QueueWatchDeps
  /** By lane and agent. */
  #waiting = new Map<string, Waiting>()
  readonly #rounds: Repeating
  #passing = false
  #stopped = false

  constructor(deps: QueueWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.context.clock, queueWatchTimes.lookMs, () => this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  #round(): void {
    const { context, view, ready, passedOver } = this.#deps
    const before = this.#waiting
    this.#waiting = new Map()
    if (context.coordinator.bus.link === 'disconnected' || context.coordinator.intake?.full === true || view.state.realm.quarantine !== null) return
    const nowMs = context.clock.monotonicMs()
    const here = ready()
    const mute: Waiting[] = []
    for (const [key, waiting] of this.#waitingNow(before, nowMs)) {
      if (!here.has(waiting.agent) || passedOver.has(waiting.agent)) continue
      this.#waiting.set(key, waiting)
      if (nowMs - waiting.sinceMs >= queueWatchTimes.muteMs) mute.push(waiting)
    }
    if (mute.length > 0 && !this.#passing) void this.#passOver(mute)
  }

  async #passOver(mute: readonly Waiting[]): Promise<void> {
    const { context, view, passedOver, onChange } = this.#deps
    this.#passing = true
    try {
      await view.current()
      if (this.#stopped) return
      const nowMs = context.clock.monotonicMs()
      const still = new Set(this.#waitingNow(this.#waiting, nowMs).values())
      const passed = mute.filter((waiting) => still.has(waiting))
      for (const { agent, lane, group } of passed) {
        context.logger.warn({ agent, lane, group }, 'an agent does not ask for the jobs in its queue; they go to others')
        passedOver.add(agent)
      }
      if (passed.length > 0) onChange()
    } catch (error) {
      if (!this.#stopped && !(error instanceof Unavailable)) context.logger.error({ err: error }, 'the log cannot be read before an agent is passed over')
    } finally {
      this.#passing = false
    }
  }

  /** Of each lane and agent that holds no lock there: a group that waits for it, the one that was seen before if it still does. */
  #waitingNow(before: ReadonlyMap<string, Waiting>, nowMs: number): ReadonlyMap<string, Waiting> {
    const { view, open } = this.#deps
    const found = new Map<string, Waiting>()
    const working = new Set<string>()
    for (const state of open()) {
      const { group, revision, mode } = state
      const lane = laneOfGroup(group)!
      for (const { agent } of openGrants(state)) working.add(`${lane} ${agent}`)
      const holder = view.state.lanes.get(lane)?.holder?.instance
      const agents = waitingFor(state)
      if (holder === undefined || agents === undefined || mode === 'direct') continue
      for (const agent of typeof agents === 'string' ? [agents] : agents) {
        const key = `${lane} ${agent}`
        const known = before.get(key)
        if (known?.group === group && known.revision === revision && known.holder === holder) found.set(key, known)
        else if (!found.has(key)) found.set(key, { lane, agent, holder, group, revision, sinceMs: nowMs })
      }
    }
    for (const key of working) found.delete(key)
    return found
  }
}
