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
import { type AgentConfigurationValue, agentConfigurationIn, agentConfigurationKey } from '../../streams/coordination.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'
import { type SignedConfiguration, signedDefault } from '../realm/configurations.ts'
import { WatchedValues } from './watched-values.ts'

export class ConfigurationTable {
  /** Undefined where what stands there is none: it is written over, like everything that can be rebuilt (I11). */
  readonly #values: WatchedValues<AgentConfigurationValue | undefined>
  readonly #defaults = new Map<string, { readonly manifest: Manifest; readonly signed: SignedConfiguration }>()

  constructor(bucket: Bucket, onChange: () => void) {
    this.#values = new WatchedValues(bucket, { prefix: agentConfigurationKey(''), read: agentConfigurationIn }, onChange)
  }

  get current(): boolean {
    return this.#values.current
  }

  stop(): void {
    this.#values.stop()
  }

  of(agent: string): SignedConfiguration | undefined {
    return this.#values.get(agent)
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
  write(agent: string, { configuration, signature }: SignedConfiguration, epoch: number): Promise<boolean> {
    const value: AgentConfigurationValue = { agent, configuration, signature, epoch }
    return this.#values.write(agent, value)
  }
}
