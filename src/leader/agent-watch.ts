/**
 * Which agents can be given anything: agents, not services, present, not stopping, and not found silent. A silent agent (nobody hears its subject,
 * twice at least `confirmMs` apart) is passed over long before its presence is lost; it comes back as soon as it answers. That decides about placing
 * only, never about grants (I9).
 */
import { MalformedMessage, fromBytes, toBytes, type PresenceValue } from '../../streams/coordination.ts'
import type { AgentPong } from '../../streams/lane-protocol.ts'
import type { Bus, Subscription } from '../../streams/ports/bus.ts'
import type { ConnectionEnds } from '../../streams/ports/ends.ts'
import { type Clock, type Paced, every, pause } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { PresenceWatch } from './presence-watch.ts'

/** Agents that hold lanes with groups are asked every `pingMs`, since these wait for them; the others every `otherRounds` times that, or every `restMs` where there are no such groups. */
export const agentWatchTimes = { pingMs: 300, otherRounds: 4, restMs: 1_000, confirmMs: 60, answerMs: 1_000 } as const

/** An agent that says for so long that it is not ready gets no jobs, and those in its queue go to others. */
const unreadyMs = 10_000

export interface AgentWatchDeps {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly presence: PresenceWatch
  /** Whose connection ended is asked at once. */
  readonly ends?: ConnectionEnds | undefined
  /** The leader itself is not asked. */
  readonly self: string
  /** Agents that hold lanes with groups that are not over. */
  readonly awaited: () => ReadonlySet<string>
  readonly onChange: () => void
}

export class AgentWatch {
  readonly #deps: AgentWatchDeps
  readonly #silent = new Set<string>()
  /** Monotonic time of the first "no responders" since the agent was last heard. */
  readonly #unheardSinceMs = new Map<string, number>()
  /** Since when, on the monotonic clock, an agent has said each time that it is not ready. */
  readonly #unreadySinceMs = new Map<string, number>()
  readonly #rounds: Paced
  readonly #ends: Subscription | undefined
  #round = 0
  /** Nobody is awaited, and all that are here answer. */
  #atRest = false
  #stopped = false

  constructor(deps: AgentWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.clock, agentWatchTimes.pingMs, () => this.#askRound())
    this.#ends = deps.ends?.onEnd((agent) => {
      if (agent !== deps.self && this.#latest().has(agent)) void this.#ask(agent)
    })
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
    this.#ends?.stop()
  }

  /** One per agent, its latest instance, by agent id. */
  able(): readonly PresenceValue[] {
    return [...this.#latest().values()]
      .filter((value) => !value.stopping && !this.#silent.has(value.agent))
      .sort((a, b) => (a.agent < b.agent ? -1 : 1))
  }

  /** It may hold lanes and be configured; jobs it would only keep waiting. */
  isReady(agent: string): boolean {
    const sinceMs = this.#unreadySinceMs.get(agent)
    return sinceMs === undefined || this.#deps.clock.monotonicMs() - sinceMs < unreadyMs
  }

  /** The latest that is present. */
  instanceOf(agent: string): string | undefined {
    return this.#latest().get(agent)?.instance
  }

  /** A group of some lane has gone on. */
  groupsGoOn(): void {
    if (!this.#atRest || this.#deps.awaited().size === 0) return
    this.#atRest = false
    this.#rounds.setPeriod(agentWatchTimes.pingMs)
  }

  /** Another watch has found that nobody answers for one of its lanes. Resolves when it was asked. */
  suspect(agent: string): Promise<void> {
    return this.#ask(agent)
  }

  #latest(): Map<string, PresenceValue> {
    const latest = new Map<string, PresenceValue>()
    for (const value of this.#agents()) {
      const known = latest.get(value.agent)
      // Instance ids begin with the time at which the agent made them.
      if (known === undefined || known.instance < value.instance) latest.set(value.agent, value)
    }
    return latest
  }

  /** A service is present for its own `direct` changes only: nothing is placed at it. */
  #agents(): readonly PresenceValue[] {
    return this.#deps.presence.present().filter((value) => value.role !== 'service')
  }

  #askRound(): void {
    if (this.#deps.bus.link === 'disconnected') {
      this.#silent.clear()
      this.#unreadySinceMs.clear()
      return this.#unheardSinceMs.clear()
    }
    const awaited = this.#deps.awaited()
    const agents = [...this.#latest().keys()]
    this.#atRest = awaited.size === 0 && !agents.some((agent) => this.#silent.has(agent))
    this.#rounds.setPeriod(this.#atRest ? agentWatchTimes.restMs : agentWatchTimes.pingMs)
    const all = this.#atRest || this.#round++ % agentWatchTimes.otherRounds === 0
    for (const agent of agents) if (agent !== this.#deps.self && (all || awaited.has(agent) || this.#silent.has(agent))) void this.#ask(agent)
  }

  /** Whatever else is outstanding: a process that died with a question in its hands answers it neither with yes nor with no. */
  async #ask(agent: string): Promise<void> {
    const { bus, subjects, clock } = this.#deps
    const asked = await bus.ask(subjects.toAgent(agent, 'ping'), toBytes({}), { timeoutMs: agentWatchTimes.answerMs })
    if (this.#stopped || bus.link === 'disconnected') return
    if (asked.kind === 'answer') {
      this.#unheardSinceMs.delete(agent)
      if (saysReady(asked.data)) this.#unreadySinceMs.delete(agent)
      else if (!this.#unreadySinceMs.has(agent)) this.#unreadySinceMs.set(agent, clock.monotonicMs())
      if (this.#silent.delete(agent)) this.#deps.onChange()
    } else if (asked.kind === 'no-responders' && !this.#silent.has(agent)) {
      const sinceMs = this.#unheardSinceMs.get(agent)
      if (sinceMs === undefined) {
        this.#unheardSinceMs.set(agent, clock.monotonicMs())
        await pause(clock, agentWatchTimes.confirmMs)
        if (!this.#stopped) await this.#ask(agent)
      } else if (clock.monotonicMs() - sinceMs >= agentWatchTimes.confirmMs) {
        this.#silent.add(agent)
        this.#deps.onChange()
      }
    }
  }
}

function saysReady(pong: Uint8Array): boolean {
  try {
    return fromBytes<Partial<AgentPong> | null>(pong)?.ready !== false
  } catch (error) {
    if (error instanceof MalformedMessage) return true
    throw error
  }
}
