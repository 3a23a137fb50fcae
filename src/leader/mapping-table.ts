/**
 * The mapping of lanes to agents in its bucket, as this leader knows it, and the writing of it [622].
 *
 * 1. A mapping is written only on the revision that was seen last, and never over one of a later epoch (FIG. 6 [616]).
 */
import { type LaneMappingValue, laneMappingIn, laneMappingKey } from '../../streams/coordination.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'
import { WatchedValues } from './watched-values.ts'

export type MappingWritten =
  | { readonly kind: 'written' }
  /** The next round tries again, on what stands there now. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'superseded'; readonly epoch: number }

export class MappingTable {
  readonly #values: WatchedValues<LaneMappingValue>

  constructor(bucket: Bucket, onChange: () => void) {
    // A damaged one names nobody: the lane is mapped anew (I11).
    const read = (bytes: Uint8Array, lane: string) => laneMappingIn(bytes) ?? { lane, agent: '', epoch: 0 }
    this.#values = new WatchedValues(bucket, { prefix: laneMappingKey(''), read }, onChange)
  }

  get current(): boolean {
    return this.#values.current
  }

  agentOf(lane: string): string | undefined {
    return this.#values.get(lane)?.agent || undefined
  }

  /** Of the leader that placed the lane; undefined where it did not say. */
  placedByBuild(lane: string): string | undefined {
    return this.#values.get(lane)?.build
  }

  stop(): void {
    this.#values.stop()
  }

  /** Throws `Unavailable`. */
  async write(lane: string, agent: string, epoch: number, build?: string): Promise<MappingWritten> {
    const known = this.#values.get(lane)
    if (known !== undefined && known.epoch > epoch) return { kind: 'superseded', epoch: known.epoch }
    const value: LaneMappingValue = { lane, agent, epoch, ...(build === undefined ? {} : { build }) }
    return { kind: (await this.#values.write(lane, value)) ? 'written' : 'unsettled' }
  }
}
