/**
 * Current configurations of all agents [612] in their bucket, as this leader knows them, what they should be by default [604],
 * and the writing of those that are to change [622, 626].
 *
 * 1. A configuration is written only on the revision that was seen last, and only where it is the later one [616]: two leaders,
 *    also of different builds, write each change of an agent a bounded number of times (FIG. 6, spec/agents.md).
 * 2. An agent whose build is not on record has no default yet: `Manifests` sees to that.
 */
import type { AgentState } from '../../machines/agent/agent.ts'
import { type Manifest, chooseConfiguration } from '../../machines/agent/configuration.ts'
import { type AgentConfigurationValue, agentConfigurationIn, agentConfigurationKey, toBytes } from '../../streams/coordination.ts'
import type { Bucket, BucketEntry } from '../../streams/ports/bucket.ts'
import { type SignedConfiguration, signedDefault } from '../realm/configurations.ts'

interface Known {
  /** Undefined where what stands there is none: it is written over, like everything that can be rebuilt (I11). */
  readonly value: AgentConfigurationValue | undefined
  readonly revision: number
}

const configurationKeys = agentConfigurationKey('')

export class ConfigurationTable {
  readonly #bucket: Bucket
  readonly #known = new Map<string, Known>()
  readonly #defaults = new Map<string, { readonly manifest: Manifest; readonly signed: SignedConfiguration }>()
  readonly #watch: { stop(): void }
  #current = false

  constructor(bucket: Bucket, onChange: () => void) {
    this.#bucket = bucket
    this.#watch = bucket.watch((change) => {
      if (change.kind === 'current') this.#current = true
      else if (change.kind === 'set') {
        if (!change.entry.key.startsWith(configurationKeys)) return
        this.#note(change.entry)
      } else if (change.kind === 'missing') this.#known.clear()
      else if (change.key.startsWith(configurationKeys)) this.#known.delete(change.key.slice(configurationKeys.length))
      onChange()
    })
  }

  get current(): boolean {
    return this.#current
  }

  stop(): void {
    this.#watch.stop()
  }

  of(agent: string): SignedConfiguration | undefined {
    return this.#known.get(agent)?.value
  }

  /** [614-620]: the default where it is to replace the current one, else undefined. */
  replacement(agent: AgentState, manifest: Manifest, leader: string): SignedConfiguration | undefined {
    const byDefault = this.#signedDefault(agent, manifest, leader)
    return chooseConfiguration(this.of(agent.agent)?.signature, byDefault.signature) === 'replace' ? byDefault : undefined
  }

  /** [604] for one agent, with its signature; digested anew only when what it is made of has changed. */
  #signedDefault(agent: AgentState, manifest: Manifest, leader: string): SignedConfiguration {
    const before = this.#defaults.get(agent.agent)
    if (before?.manifest === manifest && before.signed.signature.revision === agent.planRevision) return before.signed
    const signed = signedDefault(agent, manifest, leader)
    this.#defaults.set(agent.agent, { manifest, signed })
    return signed
  }

  /** False when somebody wrote meanwhile: the next round decides again on what stands there. Throws `Unavailable`. */
  async write(agent: string, signed: SignedConfiguration, epoch: number): Promise<boolean> {
    const known = this.#known.get(agent)
    const { configuration, signature } = signed
    const value: AgentConfigurationValue = { agent, configuration, signature, epoch }
    const bytes = toBytes(value)
    const key = agentConfigurationKey(agent)
    const outcome = known === undefined ? await this.#bucket.create(key, bytes) : await this.#bucket.update(key, bytes, known.revision)
    if (outcome.kind === 'written') {
      this.#known.set(agent, { value, revision: outcome.revision })
      return true
    }
    const entry = await this.#bucket.get(key)
    if (entry === undefined) this.#known.delete(agent)
    else this.#note(entry)
    return false
  }

  #note(entry: BucketEntry): void {
    const agent = entry.key.slice(configurationKeys.length)
    if ((this.#known.get(agent)?.revision ?? 0) >= entry.revision) return
    this.#known.set(agent, { value: agentConfigurationIn(entry.value), revision: entry.revision })
  }
}
