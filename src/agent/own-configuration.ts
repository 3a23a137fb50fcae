/**
 * The configuration that this agent goes by [538], as the leader pushed it into the bucket.
 *
 * 1. One computed for an earlier plan or an earlier start of this agent is none: `require` says from which revision on it counts.
 * 2. After `dispose` [514] there is none until it was read anew.
 */
import type { AgentConfiguration, Signature } from '../../machines/agent/configuration.ts'
import { agentConfigurationIn, agentConfigurationKey } from '../../streams/coordination.ts'
import type { Bucket, BucketEntry } from '../../streams/ports/bucket.ts'

export interface ReceivedConfiguration {
  readonly configuration: AgentConfiguration
  readonly signature: Signature
}

export class OwnConfiguration {
  readonly #bucket: Bucket
  readonly #key: string
  readonly #watch: { stop(): void }
  readonly #waiting: (() => void)[] = []
  #latest: ReceivedConfiguration | undefined
  #bucketRevision = 0
  #fromRevision = 0
  #over = false
  #changed: () => void = () => {}

  constructor(bucket: Bucket, agent: string) {
    this.#bucket = bucket
    this.#key = agentConfigurationKey(agent)
    this.#watch = bucket.watch((change) => {
      if (change.kind === 'set' && change.entry.key === this.#key) this.#take(change.entry)
      // Made anew it counts its revisions from 1.
      else if (change.kind === 'missing') this.#bucketRevision = 0
    }, this.#key)
  }

  /** Called when another one is in force than before. One listener. */
  onChange(listener: () => void): void {
    this.#changed = listener
  }

  get inForce(): ReceivedConfiguration | undefined {
    return this.#latest !== undefined && this.#latest.signature.revision >= this.#fromRevision ? this.#latest : undefined
  }

  /** The agent's own revision from which on a configuration counts; never lowered. */
  require(revision: number): void {
    this.#fromRevision = Math.max(this.#fromRevision, revision)
    this.#wake()
  }

  /** Resolves when there is one in force, or at the end. Throws `Unavailable`. */
  async receive(): Promise<void> {
    const entry = await this.#bucket.get(this.#key)
    if (entry !== undefined) this.#take(entry)
    if (this.inForce !== undefined || this.#over) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  dispose(): void {
    this.#latest = undefined
    this.#bucketRevision = 0
  }

  stop(): void {
    this.#over = true
    this.#watch.stop()
    this.#wake()
  }

  #take(entry: BucketEntry): void {
    if (entry.revision <= this.#bucketRevision) return
    this.#bucketRevision = entry.revision
    const before = this.inForce?.signature.digest
    const value = agentConfigurationIn(entry.value)
    // Rebuildable (I11): the leader writes it anew.
    if (value === undefined) return
    const { configuration, signature } = value
    this.#latest = { configuration, signature }
    this.#wake()
    if (this.inForce !== undefined && this.inForce.signature.digest !== before) this.#changed()
  }

  #wake(): void {
    if (this.inForce === undefined && !this.#over) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
