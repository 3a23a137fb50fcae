/** Long texts in the object store `<realm>_texts` (P16). */
import type { ObjectStore } from '@nats-io/obj'
import { Objm } from '@nats-io/obj'
import { createInbox } from 'nats'
import { digestOf } from '../codec.ts'
import { Damaged } from '../ports/coordinator.ts'
import type { TextStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import { AtomicBatches } from './atomic-batches.ts'
import { hasNoRoom } from './error-codes.ts'
import type { Link } from './link.ts'
import { aboutSubject, chunkSubject, forgetDamaged, objectStream, readObject } from './objects.ts'
import { configOf } from './streams-definition.ts'

/** As the client cuts them. */
const chunkBytes = 128 * 1024
/** Chunks have a name of their own, which is found beside the digest; made as the client makes them. */
const newNuid = () => createInbox('text').slice('text.'.length)

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
      if (await this.#holds(digest)) return
      await forgetDamaged(this.#link, this.#bucket, digest)
      await this.#store.putBlob({ name: digest }, bytes)
    })
    return digest
  }

  /** As it was written: of one whose chunks were removed or changed only what describes it is there. */
  async #holds(digest: string): Promise<boolean> {
    const bytes = await readObject(this.#link, this.#bucket, digest)
    return bytes !== undefined && digestOf(bytes) === digest
  }

  /**
   * In atomic batches, as an object store of NATS keeps its objects (ADR-20). A text is described, and so found, only when all of it is
   * durable; chunks that were cut off before are never taken for those of a later attempt.
   */
  async putMany(texts: readonly Uint8Array[]): Promise<void> {
    const wanted = new Map(texts.map((bytes) => [digestOf(bytes), bytes]))
    const known = await Promise.all([...wanted.keys()].map(async (digest) => ((await this.#holds(digest)) ? digest : undefined)))
    for (const digest of known) if (digest !== undefined) wanted.delete(digest)
    if (wanted.size === 0) return
    await this.#allowBatches()
    const stream = objectStream(this.#bucket)
    const chunks = new AtomicBatches(this.#link, stream)
    const descriptions: (readonly [digest: string, description: Buffer])[] = []
    for (const [digest, bytes] of wanted) {
      const nuid = newNuid()
      for (let at = 0; at < bytes.length; at += chunkBytes) await chunks.add(chunkSubject(this.#bucket, nuid), bytes.subarray(at, at + chunkBytes))
      const about = {
        bucket: this.#bucket, nuid, size: bytes.length, chunks: Math.ceil(bytes.length / chunkBytes), name: digest, description: '', options: { max_chunk_size: chunkBytes }, mtime: new Date(this.#link.clock.nowMs()).toISOString(),
        digest: `SHA-256=${Buffer.from(digest, 'hex').toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`, deleted: false,
      }
      descriptions.push([digest, Buffer.from(JSON.stringify(about))])
    }
    await chunks.end()
    const described = new AtomicBatches(this.#link, stream)
    for (const [digest, description] of descriptions) await described.add(aboutSubject(this.#bucket, digest), description)
    await described.end()
  }

  /** Buckets that were made by the client do not take them. */
  async #allowBatches(): Promise<void> {
    const stream = objectStream(this.#bucket)
    const config = await configOf(this.#link, stream)
    if (config === undefined) throw new Unavailable(`the object store ${this.#bucket} is not there`)
    if (config['allow_atomic'] === true) return
    const answer = await this.#link.api(`STREAM.UPDATE.${stream}`, { ...config, allow_atomic: true })
    if (!answer.ok) throw new Unavailable(`the object store ${this.#bucket} cannot be made to take batches now: ${answer.error.description}`)
  }

  async get(digest: string): Promise<Uint8Array | undefined> {
    const bytes = await readObject(this.#link, this.#bucket, digest)
    if (bytes === undefined) return undefined
    if (digestOf(bytes) !== digest) throw new Damaged(digest)
    return bytes
  }

  async #ask<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#link.state === 'disconnected') throw new Unavailable('the store of texts cannot be asked: not connected')
    try {
      return await perform()
    } catch (cause) {
      throw new Unavailable(hasNoRoom(cause) ? 'the store of texts is full' : 'the store of texts did not answer', { cause })
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
