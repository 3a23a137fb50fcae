/**
 * The mapping of lanes to agents in its bucket, as this leader knows it, and the writing of it [622].
 *
 * 1. A mapping is written only on the revision that was seen last, and never over one of a later epoch (FIG. 6 [616]).
 */
import { type LaneMappingValue, laneMappingIn, laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'

export type MappingWritten =
  | { readonly kind: 'written' }
  /** The next round tries again, on what stands there now. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'superseded'; readonly epoch: number }

const laneKeys = laneMappingKey('')

export class MappingTable {
  readonly #bucket: Bucket
  readonly #entries = new Map<string, { readonly value: LaneMappingValue; readonly revision: number }>()
  readonly #watch: { stop(): void }
  #current = false

  constructor(bucket: Bucket, onChange: () => void) {
    this.#bucket = bucket
    this.#watch = bucket.watch((change) => {
      if (change.kind === 'current') this.#current = true
      else if (change.kind === 'set') {
        if (change.entry.key.startsWith(laneKeys)) this.#note(change.entry.key.slice(laneKeys.length), change.entry.value, change.entry.revision)
      } else if (change.kind === 'gone') {
        for (const [lane] of this.#entries) if (laneMappingKey(lane) === change.key) this.#entries.delete(lane)
      }
      onChange()
    })
  }

  get current(): boolean {
    return this.#current
  }

  agentOf(lane: string): string | undefined {
    return this.#entries.get(lane)?.value.agent || undefined
  }

  /** Of the leader that placed the lane; undefined where it did not say. */
  placedByBuild(lane: string): string | undefined {
    return this.#entries.get(lane)?.value.build
  }

  stop(): void {
    this.#watch.stop()
  }

  /** Throws `Unavailable`. */
  async write(lane: string, agent: string, epoch: number, build?: string): Promise<MappingWritten> {
    const known = this.#entries.get(lane)
    if (known !== undefined && known.value.epoch > epoch) return { kind: 'superseded', epoch: known.value.epoch }
    const value: LaneMappingValue = { lane, agent, epoch, ...(build === undefined ? {} : { build }) }
    const bytes = toBytes(value)
    const key = laneMappingKey(lane)
    const outcome = known === undefined ? await this.#bucket.create(key, bytes) : await this.#bucket.update(key, bytes, known.revision)
    if (outcome.kind === 'written') {
      this.#note(lane, bytes, outcome.revision)
      return { kind: 'written' }
    }
    // What stands there decides about the next attempt; the next round makes it.
    const entry = await this.#bucket.get(key)
    if (entry === undefined) this.#entries.delete(lane)
    else this.#note(lane, entry.value, entry.revision)
    return { kind: 'unsettled' }
  }

  #note(lane: string, bytes: Uint8Array, revision: number): void {
    // A damaged one names nobody: the lane is mapped anew (I11).
    const value = laneMappingIn(bytes) ?? { lane, agent: '', epoch: 0 }
    if ((this.#entries.get(lane)?.revision ?? 0) < revision) this.#entries.set(lane, { value, revision })
  }
}
