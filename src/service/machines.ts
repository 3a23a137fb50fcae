/** States of the agents' machines: asked of the agents, else as last heard on the inspection subjects; live only (I11). */
import { byCodeUnits } from '../../machines/code-units.ts'
import type { AgentDescription, MachineState, TransitionMessage } from '../../streams/agent-messages.ts'
import { fromBytes, isRecord, toBytes } from '../../streams/coordination.ts'
import type { Bus, Subscription } from '../../streams/ports/bus.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface MachineSeen {
  readonly agent: string
  readonly machine: string
  readonly state: MachineState
  /** When it was heard, by this service's clock. */
  readonly atMs: number
}

/** Most machines that are kept; those heard first are forgotten. */
const machineLimit = 10_000
/** An agent that works answers at once. */
const describeWaitMs = 500

export class Machines {
  readonly #seen = new Map<string, MachineSeen>()
  readonly #subscription: Subscription
  readonly #bus: Bus
  readonly #subjects: Subjects
  readonly #clock: Clock

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#bus = bus
    this.#subjects = subjects
    this.#clock = clock
    this.#subscription = bus.subscribe(subjects.allInspect, ({ subject, data }) => {
      const [agent, machine] = subject.split('.').slice(-2) as [string, string]
      const state = stateIn(data)
      if (state === undefined) return
      this.#seen.delete(subject)
      this.#seen.set(subject, { agent, machine, state, atMs: clock.nowMs() })
      if (this.#seen.size > machineLimit) this.#seen.delete(this.#seen.keys().next().value!)
    })
  }

  /** Asks the agents given; of those that do not answer in time, what was heard last. By agent and machine. */
  async ask(agents: readonly string[]): Promise<MachineSeen[]> {
    const said = await Promise.all(agents.map((agent) => this.describe(agent)))
    return agents.flatMap((agent, index) => {
      const description = said[index]
      if (description === undefined) return this.#heard(agent)
      const atMs = this.#clock.nowMs()
      const machines = Object.entries(description.machines).sort(([a], [b]) => byCodeUnits(a, b))
      return machines.map(([machine, state]) => ({ agent, machine, state, atMs }))
    })
  }

  /** Undefined where it does not answer in time. */
  async describe(agent: string): Promise<AgentDescription | undefined> {
    const asked = await this.#bus.ask(this.#subjects.toAgent(agent, 'describe'), toBytes({}), { timeoutMs: describeWaitMs, accept: isRecord })
    if (asked.kind !== 'answer') return undefined
    try {
      return fromBytes<AgentDescription>(asked.data)
    } catch {
      return undefined
    }
  }

  #heard(agent: string): MachineSeen[] {
    const found = [...this.#seen.values()].filter((seen) => seen.agent === agent)
    return found.sort((a, b) => byCodeUnits(a.machine, b.machine))
  }

  stop(): void {
    this.#subscription.stop()
  }
}

function stateIn(data: Uint8Array): MachineState | undefined {
  try {
    return fromBytes<Partial<TransitionMessage>>(data).to
  } catch {
    return undefined
  }
}
