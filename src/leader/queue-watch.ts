/**
 * Finds executors that are present, and do not ask the holder of a lane for what waits for them there: what they send does not reach
 * it, or they hang. Their jobs go to others (I3); no order and no lock depends on it.
 *
 * 1. Passed over is only who holds no lock of the lane in any round of `muteMs`, while one and the same group, in which nothing happened,
 *    waits for it.
 * 2. Time counts as in `grant-watch.ts`, and not while a quarantine holds every lock back.
 */
import { type GroupState, openGrants } from '../../machines/execution-group/state.ts'
import { waitingFor } from '../../machines/execution-group/waiting.ts'
import { quietLaneMs } from '../../machines/placement/overdue.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import type { RealmView } from '../realm/view.ts'

/** A holder that is stuck is replaced before. */
export const queueWatchTimes = { lookMs: 2_000, muteMs: quietLaneMs + 5_000, avoidMs: 60_000 } as const

export interface QueueWatchDeps {
  readonly context: AgentContext
  readonly view: RealmView
  /** Groups that are not over. */
  readonly open: () => readonly GroupState[]
  /** Agents that can be given jobs. */
  readonly isReady: (agent: string) => boolean
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
  /** By agent: until when, monotonic. */
  readonly #avoided = new Map<string, number>()
  readonly #rounds: Repeating

  constructor(deps: QueueWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.context.clock, queueWatchTimes.lookMs, () => this.#round())
  }

  stop(): void {
    this.#rounds.stop()
  }

  avoids(agent: string): boolean {
    return (this.#avoided.get(agent) ?? -Infinity) > this.#deps.context.clock.monotonicMs()
  }

  #round(): void {
    const { context, view, isReady, onChange } = this.#deps
    const before = this.#waiting
    this.#waiting = new Map()
    if (context.coordinator.bus.link === 'disconnected' || context.coordinator.intake?.full === true || view.state.realm.quarantine !== null) return
    const nowMs = context.clock.monotonicMs()
    let passed = false
    for (const [key, waiting] of this.#waitingNow(before, nowMs)) {
      const { agent, lane, group, sinceMs } = waiting
      if (!isReady(agent) || this.avoids(agent)) continue
      this.#waiting.set(key, waiting)
      if (nowMs - sinceMs < queueWatchTimes.muteMs) continue
      context.logger.warn({ agent, lane, group }, 'an agent does not ask for the jobs in its queue; they go to others')
      this.#avoided.set(agent, nowMs + queueWatchTimes.avoidMs)
      passed = true
    }
    if (passed) onChange()
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
