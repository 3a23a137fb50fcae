/**
 * Which agents can be given anything: agents, not services, present, not stopping, and not found silent. A silent agent (nobody hears its subject,
 * twice) is passed over long before its presence is lost; it comes back as soon as it answers. That decides about placing
 * only, never about grants (I9).
 */
import { toBytes, type PresenceValue } from '../../streams/coordination.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import { type Clock, type Repeating, every } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { PresenceWatch } from './presence-watch.ts'

export const agentPingMs = 1_000
const answerMs = 2_000
/** "No responders" in a row after which an agent is silent. */
const silentAfter = 2

export interface AgentWatchDeps {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly clock: Clock
  readonly presence: PresenceWatch
  readonly onChange: () => void
}

export class AgentWatch {
  readonly #deps: AgentWatchDeps
  /** How often in a row nobody heard the agent. */
  readonly #unheard = new Map<string, number>()
  readonly #asking = new Set<string>()
  readonly #rounds: Repeating
  #stopped = false

  constructor(deps: AgentWatchDeps) {
    this.#deps = deps
    this.#rounds = every(deps.clock, agentPingMs, () => this.#round())
  }

  stop(): void {
    this.#stopped = true
    this.#rounds.stop()
  }

  /** One per agent, its latest instance, by agent id. */
  able(): readonly PresenceValue[] {
    const latest = new Map<string, PresenceValue>()
    for (const value of this.#agents()) {
      const known = latest.get(value.agent)
      // Instance ids begin with the time at which the agent made them.
      if (known === undefined || known.instance < value.instance) latest.set(value.agent, value)
    }
    return [...latest.values()]
      .filter((value) => !value.stopping && !this.isSilent(value.agent))
      .sort((a, b) => (a.agent < b.agent ? -1 : 1))
  }

  isSilent(agent: string): boolean {
    return (this.#unheard.get(agent) ?? 0) >= silentAfter
  }

  /** Another watch has found that nobody answers for it: the next "no responders" suffices. */
  suspect(agent: string): void {
    if (!this.isSilent(agent)) this.#unheard.set(agent, silentAfter - 1)
    void this.#ask(agent)
  }

  /** A service is present for its own `direct` changes only: nothing is placed at it. */
  #agents(): readonly PresenceValue[] {
    return this.#deps.presence.present().filter((value) => value.role !== 'service')
  }

  #round(): void {
    if (this.#deps.bus.link === 'disconnected') return this.#unheard.clear()
    for (const agent of new Set(this.#agents().map((value) => value.agent))) void this.#ask(agent)
  }

  async #ask(agent: string): Promise<void> {
    if (this.#asking.has(agent)) return
    this.#asking.add(agent)
    const asked = await this.#deps.bus.ask(this.#deps.subjects.toAgent(agent, 'ping'), toBytes({}), { timeoutMs: answerMs })
    this.#asking.delete(agent)
    if (this.#stopped) return
    const was = this.isSilent(agent)
    if (asked.kind === 'no-responders') this.#unheard.set(agent, (this.#unheard.get(agent) ?? 0) + 1)
    else if (asked.kind === 'answer') this.#unheard.delete(agent)
    if (was !== this.isSilent(agent)) this.#deps.onChange()
  }
}
