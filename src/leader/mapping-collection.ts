/**
 * The mapping collection [624, 628]: what is in force, together, for whoever wants to look at it as a whole. Derived (I11).
 *
 * 1. It is written only when it says something new, and never over one of a later epoch.
 */
import { canonicalJson } from '../../streams/codec.ts'
import { type MappingCollectionValue, mappingCollectionIn, mappingCollectionKey, toBytes } from '../../streams/coordination.ts'
import type { Bucket, BucketEntry } from '../../streams/ports/bucket.ts'

interface Standing {
  readonly epoch: number
  readonly content: string
  readonly revision: number
}

export class MappingCollection {
  readonly #bucket: Bucket
  readonly #watch: { stop(): void }
  #standing: Standing | undefined

  constructor(bucket: Bucket, onChange: () => void) {
    this.#bucket = bucket
    this.#watch = bucket.watch((change) => {
      if (change.kind === 'set' && change.entry.key === mappingCollectionKey) this.#note(change.entry)
      else if (change.kind === 'gone' && change.key === mappingCollectionKey) {
        this.#standing = undefined
        onChange()
      }
    }, mappingCollectionKey)
  }

  stop(): void {
    this.#watch.stop()
  }

  differs(value: MappingCollectionValue): boolean {
    const standing = this.#standing
    return standing === undefined || (standing.epoch <= value.epoch && standing.content !== contentOf(value))
  }

  /** What is not settled is tried again in a later round. Throws `Unavailable`. */
  async keep(value: MappingCollectionValue): Promise<void> {
    if (!this.differs(value)) return
    const bytes = toBytes(value)
    const standing = this.#standing
    const outcome =
      standing === undefined
        ? await this.#bucket.create(mappingCollectionKey, bytes)
        : await this.#bucket.update(mappingCollectionKey, bytes, standing.revision)
    if (outcome.kind === 'written') {
      this.#standing = { epoch: value.epoch, content: contentOf(value), revision: outcome.revision }
      return
    }
    const entry = await this.#bucket.get(mappingCollectionKey)
    if (entry === undefined) this.#standing = undefined
    else this.#note(entry)
  }

  #note(entry: BucketEntry): void {
    if ((this.#standing?.revision ?? 0) >= entry.revision) return
    const value = mappingCollectionIn(entry.value)
    this.#standing = { epoch: value?.epoch ?? 0, content: value === undefined ? '' : contentOf(value), revision: entry.revision }
  }
}

/** Who wrote it, and when, is nothing new. */
function contentOf({ agents, groups, lanes }: MappingCollectionValue): string {
  return canonicalJson({ agents, groups, lanes })
}
