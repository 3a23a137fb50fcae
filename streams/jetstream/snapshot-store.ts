/** Snapshots in the object store `<realm>_snapshots`, which is made when it is first written to. */
import type { ObjectStore } from '@nats-io/obj'
import { Objm, setSha256Backend } from '@nats-io/obj'
import type { SnapshotStore } from '../ports/coordinator.ts'
import { Unavailable } from '../ports/event-log.ts'
import type { Link } from './link.ts'
import { aboutObject, forgetDamaged, objectNames, readObject } from './objects.ts'
import { StreamMissing } from './stored.ts'

// In the whole process. The client's own, for browsers, took fifteen times what the runtime takes for a snapshot of many MB, on both ends.
setSha256Backend('native')

export class JetStreamSnapshotStore implements SnapshotStore {
  readonly #link: Link
  readonly #name: string
  readonly #replicas: number
  #store: ObjectStore | undefined

  constructor(link: Link, name: string, replicas: number) {
    this.#link = link
    this.#name = name
    this.#replicas = replicas
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#ask(async () => {
      this.#store ??= await this.#made()
      try {
        await forgetDamaged(this.#link, this.#name, name)
      } catch (error) {
        // Somebody deleted it: everything in it may be.
        if (!(error instanceof StreamMissing)) throw error
        this.#store = await this.#made()
      }
      await this.#store.putBlob({ name }, bytes)
    })
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return this.#ask(() => readObject(this.#link, this.#name, name).catch(withoutStore(undefined)))
  }

  async remove(name: string): Promise<void> {
    const removed = async () => {
      await forgetDamaged(this.#link, this.#name, name)
      if ((await aboutObject(this.#link, this.#name, name)) !== undefined) await (await this.#opened())?.delete(name)
    }
    await this.#ask(() => removed().catch(withoutStore(undefined)))
  }

  async names(): Promise<readonly string[]> {
    return this.#ask(() => objectNames(this.#link, this.#name).catch(withoutStore([])))
  }

  #made(): Promise<ObjectStore> {
    return new Objm(this.#link.connection).create(this.#name, { replicas: this.#replicas })
  }

  /** Undefined while nobody has made it. */
  async #opened(): Promise<ObjectStore | undefined> {
    if (this.#store !== undefined) return this.#store
    const manager = new Objm(this.#link.connection)
    for await (const status of manager.list()) if (status.bucket === this.#name) return (this.#store = await manager.open(this.#name))
    return undefined
  }

  async #ask<T>(perform: () => Promise<T>): Promise<T> {
    if (this.#link.state === 'disconnected') throw new Unavailable('the store of snapshots cannot be asked: not connected')
    try {
      return await perform()
    } catch (cause) {
      throw new Unavailable('the store of snapshots did not answer', { cause })
    }
  }
}

/** Nobody has made it yet. */
function withoutStore<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof StreamMissing) return instead
    throw error
  }
}
