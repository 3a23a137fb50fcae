/** Long texts in memory (P16). */
import { digestOf } from '../codec.ts'
import type { TextStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import { exchange } from './exchange.ts'
import type { MemoryLink } from './realm.ts'

export class MemoryTextStore implements TextStore {
  readonly #link: MemoryLink
  readonly #stored: Map<string, Uint8Array>

  constructor(link: MemoryLink, stored: Map<string, Uint8Array>) {
    this.#link = link
    this.#stored = stored
  }

  async put(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes)
    const kept = new Uint8Array(bytes)
    await this.#ask(() => {
      if (!this.#stored.has(digest)) this.#stored.set(digest, kept)
    })
    return digest
  }

  async putMany(texts: readonly Uint8Array[]): Promise<void> {
    for (const text of texts) await this.put(text)
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    return this.#ask(() => this.#stored.get(digest)?.slice())
  }

  async #ask<T>(perform: () => T): Promise<T> {
    const answered = await exchange(this.#link, undefined, perform)
    if (answered.kind === 'answer') return answered.value
    throw new Unavailable('the store of texts could not be asked')
  }
}
