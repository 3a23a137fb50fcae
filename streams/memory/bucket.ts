/** Buckets in memory, with per-key time to live by the realm's clock. */
import { hear, raise } from '../hearing.ts'
import type { Bucket, BucketChange, BucketEntry, BucketGone, BucketWatch, WriteOptions, WriteOutcome } from '../ports/bucket.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import { Unavailable } from '../ports/event-log.ts'
import { exchange } from './exchange.ts'
import type { BucketWrite } from './faults.ts'
import type { MemoryLink } from './realm.ts'

interface Slot {
  readonly revision: number
  /** Undefined: a marker (deleted or expired). */
  readonly entry: BucketEntry | undefined
  readonly gone: BucketGone | undefined
  readonly expiry: Timer | undefined
}

type Stored = { readonly key: string; readonly slot: Slot }

/** While the whole bucket is missing, its followers hear so this often, milliseconds. */
const missingMs = 1_000

/** What the server stores. Revisions grow over the whole bucket; an expired key leaves a marker with a revision of its own. */
export class StoredBucket {
  readonly name: string
  readonly #clock: Clock
  readonly #slots = new Map<string, Slot>()
  readonly #watchers = new Set<(stored: Stored) => void>()
  readonly #followers = new Set<() => void>()
  #revision = 0
  #missing = false
  #generation = 0

  constructor(name: string, clock: Clock) {
    this.name = name
    this.#clock = clock
  }

  get missing(): boolean {
    return this.#missing
  }

  /** Another for each bucket that was made under this name. */
  get generation(): number {
    return this.#generation
  }

  /** The whole bucket goes, with all that it held. */
  delete(): void {
    this.#missing = true
    this.#generation += 1
    for (const { expiry } of this.#slots.values()) expiry?.cancel()
    this.#slots.clear()
    for (const follower of [...this.#followers]) follower()
  }

  ensure(): void {
    if (!this.#missing) return
    this.#missing = false
    this.#revision = 0
    for (const follower of [...this.#followers]) follower()
  }

  /** Called when the bucket goes and when it was made anew. Returns how to stop. */
  onExistence(follower: () => void): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  slot(key: string): Slot | undefined {
    return this.#slots.get(key)
  }

  slots(): readonly Stored[] {
    return [...this.#slots].map(([key, slot]) => ({ key, slot })).sort((a, b) => a.slot.revision - b.slot.revision)
  }

  /** `value` undefined leaves a marker. */
  write(key: string, value: Uint8Array | undefined, ttlMs?: number, how: BucketGone['how'] = 'removed'): number {
    this.#slots.get(key)?.expiry?.cancel()
    const revision = ++this.#revision
    const entry = value && { key, value, revision, storedMs: this.#clock.nowMs() }
    // The server counts whole seconds and rounds up.
    const expiry = ttlMs === undefined || value === undefined
      ? undefined
      : this.#clock.after(Math.ceil(ttlMs / 1_000) * 1_000, () => this.write(key, undefined, undefined, 'expired'))
    const gone: BucketGone | undefined = value === undefined ? { how, goneMs: this.#clock.nowMs() } : undefined
    const slot = { revision, entry, gone, expiry }
    // Kept in the order of revisions.
    this.#slots.delete(key)
    this.#slots.set(key, slot)
    for (const watcher of [...this.#watchers]) watcher({ key, slot })
    return revision
  }

  /** Returns how to stop. */
  onWrite(watcher: (stored: Stored) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }
}

export class MemoryBucket implements Bucket {
  readonly name: string
  readonly #link: MemoryLink
  readonly #stored: StoredBucket

  constructor(link: MemoryLink, stored: StoredBucket) {
    this.name = stored.name
    this.#link = link
    this.#stored = stored
  }

  get(key: string): Promise<BucketEntry | undefined> {
    return this.#ask(() => (this.#stored.missing ? 'missing' : this.#stored.slot(key)?.entry))
  }

  goneBy(key: string): Promise<BucketGone | undefined> {
    return this.#ask(() => (this.#stored.missing ? 'missing' : this.#stored.slot(key)?.gone))
  }

  entries(): Promise<readonly BucketEntry[]> {
    return this.#ask(() => (this.#stored.missing ? 'missing' : this.#stored.slots().flatMap(({ slot }) => slot.entry ?? [])))
  }

  async ensure(): Promise<void> {
    await this.#ask(() => this.#stored.ensure())
  }

  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#write('create', key, value, options, (slot) => slot?.entry === undefined)
  }

  createOnce(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#write('createOnce', key, value, options, (slot) => slot === undefined)
  }

  update(key: string, value: Uint8Array, revision: number, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#write('update', key, value, options, (slot) => (slot?.revision ?? 0) === revision)
  }

  put(key: string, value: Uint8Array): Promise<WriteOutcome> {
    return this.#write('put', key, value, undefined, () => true)
  }

  remove(key: string, revision?: number): Promise<WriteOutcome> {
    return this.#write('remove', key, undefined, undefined, (slot) => revision === undefined || (slot?.revision ?? 0) === revision)
  }

  async #write(
    write: BucketWrite,
    key: string,
    value: Uint8Array | undefined,
    options: WriteOptions | undefined,
    allowed: (slot: Slot | undefined) => boolean,
  ): Promise<WriteOutcome> {
    const link = this.#link
    const kept = value === undefined ? undefined : new Uint8Array(value)
    const fault = link.network.faults.bucketWrite?.({ client: link.name, bucket: this.name, write, key })
    const answered = await exchange<WriteOutcome>(link, fault, () => {
      // Nobody answers for a stream that is not there.
      if (this.#stored.missing) return { kind: 'indeterminate' }
      return allowed(this.#stored.slot(key)) ? { kind: 'written', revision: this.#stored.write(key, kept, options?.ttlMs) } : { kind: 'conflict' }
    })
    return answered.kind === 'answer' ? answered.value : { kind: 'indeterminate' }
  }

  async #ask<T>(perform: () => T | 'missing'): Promise<T> {
    const link = this.#link
    const { lose, ...delays } = link.network.faults.bucketRead?.({ client: link.name, bucket: this.name }) ?? {}
    const answered = await exchange(link, lose ? { ...delays, lose: 'request' } : delays, perform)
    if (answered.kind === 'answer') {
      if (answered.value !== 'missing') return answered.value
      throw new Unavailable(`bucket ${this.name} is not there`)
    }
    throw new Unavailable(`bucket ${this.name} did not answer ${link.name}`)
  }

  watch(listener: (change: BucketChange) => void, only?: string): BucketWatch {
    const onChange = (change: BucketChange) => hear(() => listener(change), raise)
    const link = this.#link
    const { network } = link
    /** Revision last told, by key; only present keys. */
    const told = new Map<string, number>()
    let upTo = 0
    let stopped = false
    let wasConnected = false
    // A lagging change must not overtake: each waits for the one before.
    let chain = 0
    const tell = ({ key, slot }: Stored) => {
      if (slot.revision <= upTo || (only !== undefined && key !== only)) return
      upTo = slot.revision
      if (slot.entry !== undefined) {
        told.set(key, slot.revision)
        onChange({ kind: 'set', entry: slot.entry })
      } else if (told.delete(key)) {
        onChange({ kind: 'gone', key, revision: slot.revision })
      }
    }
    let generation = this.#stored.generation
    const tellMissing = () => {
      if (stopped || link.reach() !== 'connected' || !this.#stored.missing) return
      onChange({ kind: 'missing' })
      network.later(missingMs, tellMissing)
    }
    const readAll = () => {
      if (this.#stored.missing) return tellMissing()
      const isNew = generation !== this.#stored.generation
      generation = this.#stored.generation
      // Revisions begin anew, and what was told went with the former bucket.
      if (isNew) upTo = 0
      for (const stored of this.#stored.slots()) {
        if (stopped) return
        tell(stored)
      }
      for (const key of isNew ? [...told.keys()] : []) {
        if (stopped) return
        if (this.#stored.slot(key)?.entry !== undefined) continue
        told.delete(key)
        onChange({ kind: 'gone', key, revision: upTo })
      }
      if (!stopped) onChange({ kind: 'current' })
    }
    const later = () =>
      network.later(0, () => {
        if (!stopped && link.reach() === 'connected') readAll()
      })
    const follow = () => {
      const connected = link.reach() === 'connected'
      if (connected && !wasConnected) {
        later()
      }
      wasConnected = connected
    }
    const stopWrites = this.#stored.onWrite((stored) => {
      const dueMs = network.clock.monotonicMs() + (network.faults.watchLag?.({ client: link.name, bucket: this.name, key: stored.key }) ?? 0)
      chain = Math.max(chain, dueMs)
      network.later(chain - network.clock.monotonicMs(), () => {
        if (!stopped && link.reach() === 'connected') tell(stored)
      })
    })
    const stopExistence = this.#stored.onExistence(later)
    const stopChanges = link.onChange(() => {
      // Seen again only after the client was cut off in between.
      if (link.reach() !== 'connected') wasConnected = false
      follow()
    })
    follow()
    return {
      stop() {
        stopped = true
        stopWrites()
        stopExistence()
        stopChanges()
      },
    }
  }
}
