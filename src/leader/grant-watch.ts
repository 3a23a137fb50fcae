/**
 * Finds open grants of which no word comes although their executor is present, and brings them to an end (I9; `machines/placement/overdue.ts`).
 *
 * 1. A grant is given up only once its executor has said that it stopped (P19), or by the loss of its presence (P18), which this ends.
 * 2. Time counts from when this leader saw the grant, the last job of it settled, or a new holder of its lane; while disconnected it does not.
 * 3. Who kept a grant so long is given no jobs for `avoidMs`, while others can take them.
 */
import { type GroupState, openGrant, openGrants } from '../../machines/execution-group/state.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type AbortSaid, overdueAtMs, stepAfter } from '../../machines/placement/overdue.ts'
import type { AbortAnswer, AbortRequest } from '../../streams/agent-messages.ts'
import { fromBytes, isRecord, presenceKey, toBytes } from '../../streams/coordination.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import type { RealmView } from '../realm/view.ts'

export const grantWatchTimes = { lookMs: 2_000, answerMs: 1_000, avoidMs: 60_000 } as const

export interface GrantWatchDeps {
  readonly context: AgentContext
  readonly view: RealmView
  /** Groups that are not over. */
  readonly open: () => readonly GroupState[]
  readonly isHere: (instance: string) => boolean
  readonly expire: (group: GroupState, grant: number) => void
  /** An agent is passed over from now on. */
  readonly onChange: () => void
}

interface Watched {
  readonly group: string
  readonly grant: number
  readonly left: number
  /** `LaneTaken` of its lane that is in force. */
  readonly holder: string
  readonly sinceMs: number
  askedMs: number | undefined
  asking: boolean
}

export class GrantWatch {
  readonly #deps: GrantWatchDeps
  #watched = new Map<string, Watched>()
  /** By agent: until when, monotonic. */
  readonly #avoided = new Map<string, number>()
  readonly #rounds: Repeating
  #stopped = false

  constructor(deps: GrantWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.context.clock, grantWatchTimes.lookMs, () => this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  avoids(agent: string): boolean {
    return (this.#avoided.get(agent) ?? -Infinity) > this.#deps.context.clock.monotonicMs()
  }

  #round(): void {
    const { context, view, open, isHere } = this.#deps
    const before = this.#watched
    this.#watched = new Map()
    if (context.coordinator.bus.link === 'disconnected') return
    const nowMs = context.clock.monotonicMs()
    for (const state of open()) {
      const { group, phase } = state
      const grants = openGrants(state)
      if (grants.length === 0 || !groupTable.can(phase, 'LockReturned')) continue
      const holder = view.state.lanes.get(laneOfGroup(group)!)?.holder?.instance
      // Whoever takes the lane hears of it first.
      if (holder === undefined) continue
      for (const grant of grants) {
        if (!isHere(grant.instance)) continue
        const key = `${group} ${grant.revision}`
        const known = before.get(key)
        const same = known?.left === grant.left && known.holder === holder
        const watched = same ? known : { group, grant: grant.revision, left: grant.left, holder, sinceMs: nowMs, askedMs: undefined, asking: false }
        this.#watched.set(key, watched)
        if (!watched.asking && nowMs >= overdueAtMs(grant, watched.sinceMs)) void this.#ask(watched)
      }
    }
  }

  /** The group, while that very grant is open in it and nothing was heard of it. */
  #openGrant({ group, grant, left }: Watched) {
    const state = this.#deps.view.state.group(group)
    const open = state === undefined ? undefined : openGrant(state, grant)
    return state !== undefined && open?.left === left ? { state, open } : undefined
  }

  async #ask(watched: Watched): Promise<void> {
    const { context, view, expire } = this.#deps
    watched.asking = true
    try {
      // The word may stand in the log, and this view be late.
      await view.current()
      const before = this.#openGrant(watched)
      if (before === undefined || this.#stopped) return
      const { agent, instance } = before.open
      watched.askedMs ??= context.clock.monotonicMs()
      const said = await this.#abort(agent, { group: watched.group, grant: watched.grant, instance })
      const found = this.#openGrant(watched)
      if (found === undefined || this.#stopped) return
      const step = stepAfter(said, context.clock.monotonicMs() - watched.askedMs, found.open)
      context.logger.warn({ group: watched.group, grant: watched.grant, executor: agent, said, step }, 'no word of a grant whose executor is present')
      if (step === 'ask-again') return
      this.#avoided.set(agent, context.clock.monotonicMs() + grantWatchTimes.avoidMs)
      this.#deps.onChange()
      if (step === 'expire') expire(found.state, watched.grant)
      else await this.#endPresence(instance)
    } catch (error) {
      if (!(error instanceof Unavailable)) context.logger.error({ err: error, group: watched.group }, 'asking after a grant failed')
    } finally {
      watched.asking = false
    }
  }

  async #abort(agent: string, request: AbortRequest): Promise<AbortSaid> {
    const { coordinator, subjects } = this.#deps.context
    const asked = await coordinator.bus.ask(subjects.toAgent(agent, 'abort'), toBytes(request), { timeoutMs: grantWatchTimes.answerMs, accept: isRecord })
    if (asked.kind !== 'answer') return 'none'
    const { kind } = fromBytes<Partial<AbortAnswer>>(asked.data)
    return kind === 'stopped' || kind === 'running' ? kind : 'none'
  }

  /** Only on the revision that was read: the executor may renew it in this moment, which the next round meets. */
  async #endPresence(instance: string): Promise<void> {
    const { agents } = this.#deps.context.coordinator
    const entry = await agents.get(presenceKey(instance))
    if (entry !== undefined) await agents.remove(entry.key, entry.revision)
  }
}
