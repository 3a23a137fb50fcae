/** Long texts in the object store `<realm>_texts` (P16). */
import type { ObjectStore } from '@nats-io/obj'
import { Objm } from '@nats-io/obj'
import { digestOf } from '../codec.ts'
import { Damaged } from '../ports/coordinator.ts'
import type { TextStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import type { Link } from './link.ts'

export class JetStreamTextStore implements TextStore {
  readonly #link: Link
  readonly #store: ObjectStore

  constructor(link: Link, store: ObjectStore) {
    this.#link = link
    this.#store = store
  }

  async put(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes)
    await this.#ask(async () => {
      const present = await this.#store.info(digest)
      if (present === null || present.deleted) await this.#store.putBlob({ name: digest }, bytes)
    })
    return digest
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const bytes = await this.#ask(() => this.#store.getBlob(digest))
    if (bytes === null) return undefined
    if (digestOf(bytes) !== digest) throw new Damaged(digest)
    return bytes
  }

  async #ask<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#link.state === 'disconnected') throw new Unavailable('the store of texts cannot be asked: not connected')
    try {
      return await perform()
    } catch (cause) {
      throw new Unavailable('the store of texts did not answer', { cause })
    }
  }
}

/** Throws `Unavailable`. */
export async function openTextStore(link: Link, name: string, create: boolean, replicas: number): Promise<TextStore> {
  const manager = new Objm(link.connection)
  try {
    const store = create ? await manager.create(name, { replicas }) : await manager.open(name)
    return new JetStreamTextStore(link, store)
  } catch (cause) {
    throw new Unavailable(`the object store ${name} cannot be opened`, { cause })
  }
}
