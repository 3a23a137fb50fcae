/** Latency, errors and hangs, switched on through the site's admin interface. Kept in memory: a restarted site has none. */
import type { Switch } from './protocol.ts'

export type Fault = Switch['fault']

export interface TakenFault {
  readonly fault: Fault
  /** Resolves when the switch is removed. */
  readonly removed: Promise<void>
}

interface Placed {
  readonly id: number
  readonly wanted: Switch
  left: number
  readonly removed: Promise<void>
  readonly release: () => void
}

export class Switches {
  readonly #placed = new Map<number, Placed>()
  #lastId = 0

  add(wanted: Switch): number {
    const { promise, resolve } = Promise.withResolvers<void>()
    const id = ++this.#lastId
    this.#placed.set(id, { id, wanted, left: wanted.count ?? Infinity, removed: promise, release: resolve })
    return id
  }

  /** Also lets go on whatever hangs because of it. False when there is none with that id. */
  remove(id: number): boolean {
    const placed = this.#placed.get(id)
    placed?.release()
    return this.#placed.delete(id)
  }

  removeAll(): void {
    for (const id of [...this.#placed.keys()]) this.remove(id)
  }

  list(): readonly (Switch & { readonly id: number; readonly left: number | null })[] {
    return [...this.#placed.values()].map(({ id, wanted, left }) => ({ ...wanted, id, left: left === Infinity ? null : left }))
  }

  /** The faults for one call, each counted down. A switch that is used up stays listed (0 left), so that what hangs can be let go. */
  take(operation: string, service: string | undefined): readonly TakenFault[] {
    const taken: TakenFault[] = []
    for (const placed of this.#placed.values()) {
      if (placed.left === 0) continue
      if (placed.wanted.operation !== '*' && placed.wanted.operation !== operation) continue
      if (placed.wanted.service !== undefined && placed.wanted.service !== service) continue
      placed.left -= 1
      taken.push({ fault: placed.wanted.fault, removed: placed.removed })
    }
    return taken
  }
}
