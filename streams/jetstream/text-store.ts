/** Long texts in the object store `<realm>_texts` (P16). */
import type { ObjectStore } from '@nats-io/obj'
import { Objm } from '@nats-io/obj'
import { digestOf } from '../codec.ts'
import { Damaged } from '../ports/coordinator.ts'
import type { TextStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import type { Link } from './link.ts'
import { messageFromLeader } from './stored.ts'

export class JetStreamTextStore implements TextStore {
  readonly #link: Link
  readonly #store: ObjectStore
  readonly #bucket: string

  constructor(link: Link, store: ObjectStore, bucket: string) {
    this.#link = link
    this.#store = store
    this.#bucket = bucket
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
    const bytes = await this.#read(digest)
    if (bytes === undefined) return undefined
    if (digestOf(bytes) !== digest) throw new Damaged(digest)
    return bytes
  }

  /**
   * Message by message, as an object store keeps them: the client makes a consumer for each text, of which a server takes so many, and an
   * export reads a text for each group.
   */
  async #read(digest: string): Promise<Uint8Array | undefined> {
    const stream = `OBJ_${this.#bucket}`
    const name = Buffer.from(digest).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
    const about = await messageFromLeader(this.#link, stream, { last_by_subj: `$O.${this.#bucket}.M.${name}` })
    if (about === undefined) return undefined
    const { deleted, nuid, chunks } = JSON.parse(Buffer.from(about.data).toString('utf8')) as { readonly deleted?: boolean; readonly nuid: string; readonly chunks: number }
    if (deleted === true) return undefined
    const pieces: Uint8Array[] = []
    for (let next = 1; pieces.length < chunks; ) {
      const piece = await messageFromLeader(this.#link, stream, { seq: next, next_by_subj: `$O.${this.#bucket}.C.${nuid}` })
      // Removed since, or never written whole: the digest says it.
      if (piece === undefined) break
      pieces.push(piece.data)
      next = piece.sequence + 1
    }
    return pieces.length === 1 ? pieces[0]! : new Uint8Array(Buffer.concat(pieces))
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
    return new JetStreamTextStore(link, store, name)
  } catch (cause) {
    throw new Unavailable(`the object store ${name} cannot be opened`, { cause })
  }
}
