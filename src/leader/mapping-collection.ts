/**
 * The mapping collection [624, 628]: what is in force, together, for whoever wants to look at it as a whole. Derived (I11).
 *
 * 1. It is written only when it says something new, and never over one of a later epoch.
 */
import { canonicalJson } from '../../streams/codec.ts'
import { type MappingCollectionValue, mappingCollectionIn, mappingCollectionKey } from '../../streams/coordination.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'
import { WatchedValues } from './watched-values.ts'

interface Standing {
  readonly epoch: number
  readonly content: string
}

/** There is but one: all of its key is prefix. */
const only = ''

export class MappingCollection {
  readonly #values: WatchedValues<Standing>

  constructor(bucket: Bucket, onChange: () => void) {
    this.#values = new WatchedValues(bucket, { prefix: mappingCollectionKey, only: mappingCollectionKey, read: standingIn }, onChange)
  }

  stop(): void {
    this.#values.stop()
  }

  differs(value: MappingCollectionValue): boolean {
    const standing = this.#values.get(only)
    return standing === undefined || (standing.epoch <= value.epoch && standing.content !== contentOf(value))
  }

  /** What is not settled is tried again in a later round. Throws `Unavailable`. */
  async keep(value: MappingCollectionValue): Promise<void> {
    if (this.differs(value)) await this.#values.write(only, value)
  }
}

function standingIn(bytes: Uint8Array): Standing {
  const value = mappingCollectionIn(bytes)
  return { epoch: value?.epoch ?? 0, content: value === undefined ? '' : contentOf(value) }
}

/** Who wrote it, and when, is nothing new. */
function contentOf({ agents, groups, lanes, triggers = [], moreTriggers = 0 }: MappingCollectionValue): string {
  return canonicalJson({ agents, groups, lanes, triggers, moreTriggers })
}
