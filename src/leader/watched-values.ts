/**
 * Values of one kind in a bucket, as this leader knows them, and the writing of them. Derived, like the whole bucket (I11).
 *
 * 1. A value is written only on the revision that was seen last: of what somebody else wrote meanwhile nothing is lost unseen.
 * 2. Of one key the latest revision is kept, whether it was heard, read or written. A bucket that was missing begins with lower ones.
 */
import { toBytes } from '../../streams/coordination.ts'
import type { Bucket, BucketEntry } from '../../streams/ports/bucket.ts'

export interface WatchedKind<Value> {
  /** What its keys begin with; the rest is an id. */
  readonly prefix: string
  /** The one key, where there is but one. */
  readonly only?: string
  /** Also of a damaged value. */
  readonly read: (bytes: Uint8Array, id: string) => Value
}

interface Known<Value> {
  readonly value: Value
  /** 0: it stood in a bucket that was found missing since. */
  readonly revision: number
}

export class WatchedValues<Value> {
  readonly #bucket: Bucket
  readonly #kind: WatchedKind<Value>
  readonly #known = new Map<string, Known<Value>>()
  readonly #watch: { stop(): void }
  #current = false

  /** `onChange`: one of them is, or may be, another than before; or all that were there are known now. */
  constructor(bucket: Bucket, kind: WatchedKind<Value>, onChange: () => void) {
    this.#bucket = bucket
    this.#kind = kind
    const { prefix } = kind
    this.#watch = bucket.watch((change) => {
      switch (change.kind) {
        case 'current':
          this.#current = true
          break
        case 'set':
          if (!change.entry.key.startsWith(prefix)) return
          this.#note(change.entry)
          break
        case 'gone':
          if (!change.key.startsWith(prefix)) return
          this.#known.delete(change.key.slice(prefix.length))
          break
        case 'missing':
          for (const [id, { value }] of this.#known) this.#known.set(id, { value, revision: 0 })
          return
      }
      onChange()
    }, kind.only)
  }

  /** The present ones are known. */
  get current(): boolean {
    return this.#current
  }

  get(id: string): Value | undefined {
    return this.#known.get(id)?.value
  }

  /** False when somebody wrote meanwhile, or it is not known what became of it: what stands there is known then, to decide on. Throws `Unavailable`. */
  async write(id: string, value: object): Promise<boolean> {
    const key = this.#kind.prefix + id
    const bytes = toBytes(value)
    const { revision = 0 } = this.#known.get(id) ?? {}
    const outcome = revision === 0 ? await this.#bucket.create(key, bytes) : await this.#bucket.update(key, bytes, revision)
    if (outcome.kind === 'written') {
      this.#note({ key, value: bytes, revision: outcome.revision })
      return true
    }
    const entry = await this.#bucket.get(key)
    if (entry === undefined) this.#known.delete(id)
    else this.#note(entry)
    return false
  }

  stop(): void {
    this.#watch.stop()
  }

  #note({ key, value, revision }: Pick<BucketEntry, 'key' | 'value' | 'revision'>): void {
    const id = key.slice(this.#kind.prefix.length)
    if ((this.#known.get(id)?.revision ?? 0) < revision) this.#known.set(id, { value: this.#kind.read(value, id), revision })
  }
}
