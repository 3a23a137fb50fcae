/** States of the agents' machines as heard on the inspection subjects; live only, lost with the service (I11). */
import { fromBytes } from '../../streams/coordination.ts'
import type { Bus, Subscription } from '../../streams/ports/bus.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Subjects } from '../../streams/subjects.ts'

export interface MachineSeen {
  readonly agent: string
  readonly machine: string
  readonly state: string
  /** When it was heard, by this service's clock. */
  readonly atMs: number
}

/** Most machines that are kept; those heard first are forgotten. */
const machineLimit = 10_000

export class Machines {
  readonly #seen = new Map<string, MachineSeen>()
  readonly #subscription: Subscription

  constructor(bus: Bus, subjects: Subjects, clock: Clock) {
    this.#subscription = bus.subscribe(subjects.allInspect, ({ subject, data }) => {
      const [agent, machine] = subject.split('.').slice(-2) as [string, string]
      const state = stateIn(data)
      if (state === undefined) return
      this.#seen.delete(subject)
      this.#seen.set(subject, { agent, machine, state, atMs: clock.nowMs() })
      if (this.#seen.size > machineLimit) this.#seen.delete(this.#seen.keys().next().value!)
    })
  }

  /** By agent and machine. */
  list(agent?: string): MachineSeen[] {
    const found = [...this.#seen.values()].filter((seen) => agent === undefined || seen.agent === agent)
    return found.sort((a, b) => order(a.agent, b.agent) || order(a.machine, b.machine))
  }

  stop(): void {
    this.#subscription.stop()
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function stateIn(data: Uint8Array): string | undefined {
  try {
    const { state } = fromBytes<{ readonly state?: unknown }>(data)
    if (state === undefined) return undefined
    return typeof state === 'string' ? state : JSON.stringify(state)
  } catch {
    return undefined
  }
}
