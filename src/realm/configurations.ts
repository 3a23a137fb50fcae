/** Configurations of agents as the realm's log gives them [604, 610]: the same for the leader that pushes them and for who looks. */
import type { AgentState } from '../../machines/agent/agent.ts'
import { type AgentConfiguration, type Manifest, type Signature, defaultConfiguration } from '../../machines/agent/configuration.ts'
import { canonicalBytes, digestOf } from '../../streams/codec.ts'
import { type AgentConfigurationValue, type MappingCollectionValue, agentConfigurationIn, agentConfigurationKey, mappingCollectionIn, mappingCollectionKey } from '../../streams/coordination.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { RealmFold } from './view.ts'

export interface SignedConfiguration {
  readonly configuration: AgentConfiguration
  readonly signature: Signature
}

/** What its start says its build can do; where that says nothing, the last manifest on record with its build. */
export function manifestOfAgent(state: RealmFold, agent: AgentState): Manifest | undefined {
  if (agent.manifest !== null) return state.manifests.get(agent.manifest)?.manifest ?? undefined
  let found: Manifest | undefined
  for (const { manifest } of state.manifests.values()) if (manifest?.build === agent.build) found = manifest
  return found
}

/** What the leader pushed [622], by agent. Throws `Unavailable`. */
export async function pushedConfigurations({ config }: Pick<Coordinator, 'config'>): Promise<ReadonlyMap<string, AgentConfigurationValue>> {
  const pushed = new Map<string, AgentConfigurationValue>()
  for (const { key, value } of await config.entries()) {
    if (!key.startsWith(agentConfigurationKey(''))) continue
    const found = agentConfigurationIn(value)
    if (found !== undefined) pushed.set(found.agent, found)
  }
  return pushed
}

/** What is in force, together, as a leader keeps it [624]. Throws `Unavailable`. */
export async function keptMapping({ mappings }: Pick<Coordinator, 'mappings'>): Promise<MappingCollectionValue | undefined> {
  const entry = await mappings.get(mappingCollectionKey)
  return entry === undefined ? undefined : mappingCollectionIn(entry.value)
}

/** [604] for one agent; `leader` is the build that computes it. */
export function signedDefault(agent: AgentState, manifest: Manifest, leader: string): SignedConfiguration {
  const configuration = defaultConfiguration(agent, manifest)
  const digest = digestOf(canonicalBytes(configuration))
  return { configuration, signature: { digest, revision: agent.planRevision, build: manifest.build, leader } }
}
