/**
 * Which agents can be given anything: agents, not services, present, not stopping, and not found silent. A silent agent (nobody hears its subject,
 * twice at least `confirmMs` apart) is passed over long before its presence is lost; it comes back as soon as it answers. That decides about placing
 * only, never about grants (I9).
 */
import { toBytes, type PresenceValue } from '../../streams/coordination.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import { type Clock, type Repeating, every, pause } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { PresenceWatch } from './presence-watch.ts'

/** Agents that hold lanes are asked every `pingMs`, since groups wait for them; the others every `otherRounds` times that. */
export const agentWatchTimes = { pingMs: 250, otherRounds: 4, confirmMs: 60, answerMs: 2_000 } as const

export interface AgentWatchDeps {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly presence: PresenceWatch
  /** Agents that hold lanes. */
  readonly holders: () => ReadonlySet<string>
  readonly onChange: () => void
}

export class AgentWatch {
  readonly #deps: AgentWatchDeps
  readonly #silent = new Set<string>()
  readonly #asking = new Map<string, Promise<void>>()
  readonly #rounds: Repeating
  #round = 0
  #stopped = false

  constructor(deps: AgentWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.clock, agentWatchTimes.pingMs, () => this.#askRound())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  /** One per agent, its latest instance, by agent id. */
  able(): readonly PresenceValue[] {
    return [...this.#latest().values()]
      .filter((value) => !value.stopping && !this.#silent.has(value.agent))
      .sort((a, b) => (a.agent < b.agent ? -1 : 1))
  }

  /** The latest that is present. */
  instanceOf(agent: string): string | undefined {
    return this.#latest().get(agent)?.instance
  }

  /** Another watch has found that nobody answers for it. Resolves when it is known whether it is silent. */
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
    if (this.#deps.bus.link === 'disconnected') return this.#silent.clear()
    const all = this.#round++ % agentWatchTimes.otherRounds === 0
    const holders = this.#deps.holders()
    for (const { agent } of this.#latest().values()) if (all || holders.has(agent)) void this.#ask(agent)
  }

  #ask(agent: string): Promise<void> {
    let asking = this.#asking.get(agent)
    if (asking === undefined) {
      asking = this.#find(agent).finally(() => this.#asking.delete(agent))
      this.#asking.set(agent, asking)
    }
    return asking
  }

  async #find(agent: string): Promise<void> {
    const was = this.#silent.has(agent)
    let asked = await this.#ping(agent)
    if (asked === 'no-responders' && !was) {
      await pause(this.#deps.clock, agentWatchTimes.confirmMs)
      if (this.#stopped) return
      asked = await this.#ping(agent)
    }
    // Unheard while this side was cut off says nothing.
    if (this.#stopped || this.#deps.bus.link === 'disconnected') return
    if (asked === 'no-responders') this.#silent.add(agent)
    else if (asked === 'answer') this.#silent.delete(agent)
    if (was !== this.#silent.has(agent)) this.#deps.onChange()
  }

  async #ping(agent: string) {
    const { bus, subjects } = this.#deps
    return (await bus.ask(subjects.toAgent(agent, 'ping'), toBytes({}), { timeoutMs: agentWatchTimes.answerMs })).kind
  }
}
