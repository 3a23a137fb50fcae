/** Snapshots of lanes in memory. */
import type { SnapshotStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import { exchange } from './exchange.ts'
import type { MemoryLink } from './realm.ts'

export class MemorySnapshotStore implements SnapshotStore {
  readonly #link: MemoryLink
  readonly #stored: Map<string, Uint8Array>

  constructor(link: MemoryLink, stored: Map<string, Uint8Array>) {
    this.#link = link
    this.#stored = stored
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const kept = new Uint8Array(bytes)
    await this.#ask(() => void this.#stored.set(name, kept))
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return this.#ask(() => this.#stored.get(name)?.slice())
  }

  async remove(name: string): Promise<void> {
    await this.#ask(() => void this.#stored.delete(name))
  }

  async names(): Promise<readonly string[]> {
    return this.#ask(() => [...this.#stored.keys()].sort())
  }

  async #ask<T>(perform: () => T): Promise<T> {
    const answered = await exchange(this.#link, undefined, perform)
    if (answered.kind === 'answer') return answered.value
    throw new Unavailable('the store of snapshots could not be asked')
  }
}
