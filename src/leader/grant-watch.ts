/**
 * Finds open grants of which no word comes although their executor is present, and brings them to an end (I9; `machines/placement/overdue.ts`).
 *
 * 1. A grant is given up only once its executor has said that it stopped (P19), or by the loss of its presence (P18), which this ends.
 * 2. Time counts from when this leader saw the grant, the last job of it settled, or a new holder of its lane; while disconnected it does not.
 * 3. While the store of the log is full no time counts either: no word can be put on record.
 * 4. Who kept a grant so long is passed over.
 */
import { type Grant, type GroupState, canGiveBack, openGrant, openGrants } from '../../machines/execution-group/state.ts'
import { type AbortSaid, overdueAtMs, stepAfter } from '../../machines/placement/overdue.ts'
import type { AbortAnswer, AbortRequest } from '../../streams/agent-messages.ts'
import { fromBytes, isRecord, presenceKey, toBytes } from '../../streams/coordination.ts'
import { type Repeating, every } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { AgentContext } from '../agent/context.ts'
import type { RealmView } from '../realm/view.ts'
import type { PassedOver } from './passed-over.ts'

/** Most that are asked after at once; the others wait for a later round, the ones that were asked longest ago first. */
const mostAsked = 32

export const grantWatchTimes = { lookMs: 2_000, answerMs: 1_000 } as const

export interface GrantWatchDeps {
  readonly context: AgentContext
  readonly view: RealmView
  readonly epoch: number
  /** Groups that are not over. */
  readonly open: () => readonly GroupState[]
  readonly isHere: (instance: string) => boolean
  readonly passedOver: PassedOver
  /** Nothing of it runs. Its agent is passed over already. */
  readonly giveUp: (group: GroupState, grant: Grant) => void
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
  /** First and last. */
  askedMs: number | undefined
  lastAskedMs: number
  asking: boolean
  /** Also of the same grant when more of its jobs were left. */
  warned: boolean
}

export class GrantWatch {
  readonly #deps: GrantWatchDeps
  #watched = new Map<string, Watched>()
  readonly #rounds: Repeating
  #asked = 0
  #stopped = false

  constructor(deps: GrantWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.context.clock, grantWatchTimes.lookMs, () => this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  #round(): void {
    const { context, view, open, isHere } = this.#deps
    const before = this.#watched
    this.#watched = new Map()
    if (context.coordinator.bus.link === 'disconnected' || context.coordinator.intake?.full === true) return
    const nowMs = context.clock.monotonicMs()
    const overdue: Watched[] = []
    for (const state of open()) {
      const { group } = state
      const grants = openGrants(state)
      if (grants.length === 0 || !canGiveBack(state)) continue
      const holder = view.state.lanes.get(laneOfGroup(group)!)?.holder?.instance
      // Whoever takes the lane hears of it first.
      if (holder === undefined) continue
      for (const grant of grants) {
        if (!isHere(grant.instance)) continue
        const key = `${group} ${grant.revision}`
        const known = before.get(key)
        const same = known?.left === grant.left && known.holder === holder
        const fresh = { group, grant: grant.revision, left: grant.left, holder, sinceMs: nowMs, askedMs: undefined, lastAskedMs: -Infinity, asking: false, warned: known?.warned === true }
        const watched = same ? known : fresh
        this.#watched.set(key, watched)
        if (!watched.asking && nowMs >= overdueAtMs(grant, watched.sinceMs)) overdue.push(watched)
      }
    }
    if (overdue.length > 0) void this.#askAll(overdue.sort((one, other) => one.lastAskedMs - other.lastAskedMs).slice(0, mostAsked - this.#asked), nowMs)
  }

  async #askAll(overdue: readonly Watched[], nowMs: number): Promise<void> {
    this.#asked += overdue.length
    for (const watched of overdue) {
      watched.asking = true
      watched.lastAskedMs = nowMs
    }
    const end = (watched: Watched) => {
      watched.asking = false
      this.#asked -= 1
    }
    try {
      // The words may stand in the log, and this view be late.
      if (overdue.length > 0) await this.#deps.view.current()
    } catch (error) {
      overdue.forEach(end)
      if (!(error instanceof Unavailable)) this.#deps.context.logger.error({ err: error }, 'the log cannot be read before grants are asked after')
      return
    }
    for (const watched of overdue) void this.#ask(watched).finally(() => end(watched))
  }

  /** The group, while that very grant is open in it and nothing was heard of it. */
  #openGrant({ group, grant, left }: Watched) {
    const state = this.#deps.view.state.group(group)
    const open = state === undefined ? undefined : openGrant(state, grant)
    return state !== undefined && open?.left === left ? { state, open } : undefined
  }

  async #ask(watched: Watched): Promise<void> {
    const { context, epoch, passedOver, giveUp } = this.#deps
    try {
      const before = this.#openGrant(watched)
      if (before === undefined || this.#stopped) return
      const { agent, instance } = before.open
      watched.askedMs ??= context.clock.monotonicMs()
      const said = await this.#abort(agent, { group: watched.group, grant: watched.grant, instance, epoch })
      const found = this.#openGrant(watched)
      if (found === undefined || this.#stopped) return
      const step = stepAfter(said, context.clock.monotonicMs() - watched.askedMs, found.open)
      context.logger[watched.warned ? 'debug' : 'warn']({ group: watched.group, grant: watched.grant, executor: agent, said, step }, 'no word of a grant whose executor is present')
      watched.warned = true
      if (step === 'ask-again') return
      passedOver.add(agent)
      this.#deps.onChange()
      if (step === 'expire') giveUp(found.state, found.open)
      else await this.#endPresence(instance)
    } catch (error) {
      if (!(error instanceof Unavailable)) context.logger.error({ err: error, group: watched.group }, 'asking after a grant failed')
    }
  }

  async #abort(agent: string, request: AbortRequest): Promise<AbortSaid> {
    const { coordinator, subjects } = this.#deps.context
    const asked = await coordinator.bus.ask(subjects.toAgent(agent, 'abort'), toBytes(request), { timeoutMs: grantWatchTimes.answerMs, accept: isRecord })
    if (asked.kind !== 'answer') return 'none'
    const { kind } = fromBytes<Partial<AbortAnswer>>(asked.data)
    return kind === 'stopped' || kind === 'running' ? kind : 'none'
  }

  /**
   * Only by the newest leader, as the log says now (P27), and only on the revision that was read: the executor may renew it in this
   * moment, which the next round meets.
   */
  async #endPresence(instance: string): Promise<void> {
    const { context, view, epoch } = this.#deps
    const { agents } = context.coordinator
    if ((await view.current()).realm.leader?.epoch !== epoch || this.#stopped) return
    const entry = await agents.get(presenceKey(instance))
    if (entry !== undefined) await agents.remove(entry.key, entry.revision)
  }
}
