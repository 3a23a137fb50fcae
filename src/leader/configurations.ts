/**
 * Configurations of agents, as one leader keeps them [604-628]: which are to be pushed, which are in force, and the collection
 * of what is in force. In a realm of format 1 there are none: every agent goes by how it was started.
 */
import { type AgentConfiguration, builtInDefaults, defaultGroups } from '../../machines/agent/configuration.ts'
import { allowsFormat } from '../../machines/realm/realm.ts'
import type { Restriction } from '../../machines/placement/unassigned.ts'
import type { MappingCollectionValue, PresenceValue } from '../../streams/coordination.ts'
import type { AgentContext } from '../agent/context.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import { type SignedConfiguration, manifestOfAgent } from '../realm/configurations.ts'
import type { RealmFold } from '../realm/view.ts'
import { ConfigurationTable } from './configuration-table.ts'
import { Manifests } from './manifests.ts'
import { MappingCollection } from './mapping-collection.ts'
import { TriggerMapping } from './trigger-mapping.ts'

export interface PushedConfiguration {
  readonly agent: string
  readonly signed: SignedConfiguration
}

export interface ConfigurationsDeps {
  readonly context: AgentContext
  readonly epoch: number
  readonly signal: AbortSignal
  readonly onChange: () => void
  /** Throws `UnknownSiteKind`. Default: that of `src/sites/registry.ts`. */
  readonly adapterOf?: ((kind: string) => SiteAdapter) | undefined
}

/** Of an agent that can be given something, in force when what was just compared has been pushed. */
export interface Configured {
  readonly agent: string
  readonly configuration: Pick<AgentConfiguration, 'role' | 'region' | 'skills' | 'skilledOnly' | 'holdsLanes'>
}

export class Configurations {
  readonly #deps: ConfigurationsDeps
  readonly #table: ConfigurationTable
  readonly #manifests: Manifests
  readonly #collection: MappingCollection
  readonly #triggers: TriggerMapping

  constructor(deps: ConfigurationsDeps) {
    const { context, epoch, signal, onChange, adapterOf } = deps
    this.#deps = deps
    this.#table = new ConfigurationTable(context.coordinator.config, onChange)
    this.#manifests = new Manifests(context, epoch, signal)
    this.#collection = new MappingCollection(context.coordinator.mappings, onChange)
    this.#triggers = new TriggerMapping({ clock: context.clock, logger: context.logger, adapterOf })
  }

  stop(): void {
    this.#table.stop()
    this.#collection.stop()
  }

  /** The present ones are known. */
  get current(): boolean {
    return this.#table.current
  }

  /** [614-622]: what is to be pushed, of agents that are here and of those that are away. */
  compare(state: RealmFold, able: readonly PresenceValue[]): readonly PushedConfiguration[] {
    if (!allowsFormat(state.realm, 2)) return []
    const here = new Set(able.map(({ agent }) => agent))
    const pushed: PushedConfiguration[] = []
    for (const agent of state.agents.values()) {
      if (agent.phase === 'absent') continue
      const manifest = manifestOfAgent(state, agent)
      if (manifest === undefined) {
        if (here.has(agent.agent)) this.#manifests.ask(agent.agent)
        continue
      }
      const signed = this.#table.replacement(agent, manifest, this.#deps.context.build)
      if (signed !== undefined) pushed.push({ agent: agent.agent, signed })
    }
    return pushed
  }

  /** What to place by [626]. */
  inForce(state: RealmFold, able: readonly PresenceValue[], pushed: readonly PushedConfiguration[]): readonly Configured[] {
    const anew = new Map(pushed.map(({ agent, signed }) => [agent, signed]))
    return able.map(({ agent, role, region, skills }) => {
      const signed = allowsFormat(state.realm, 2) ? (anew.get(agent) ?? this.#table.of(agent)) : undefined
      return { agent, configuration: signed?.configuration ?? { ...builtInDefaults, role: role === 'skilled' ? role : 'generic', region, skills } }
    })
  }

  /** [622]. What somebody else wrote meanwhile is decided about in the next round. Throws `Unavailable`. */
  async push(pushed: readonly PushedConfiguration[]): Promise<void> {
    const { context, epoch } = this.#deps
    const pushing = pushed.map(async ({ agent, signed }) => {
      const written = await this.#table.write(agent, signed, epoch)
      context.logger.debug({ of: agent, ...signed.signature, epoch, written }, 'configuration pushed')
    })
    await Promise.all(pushing)
  }

  /** Text that is another when other agents can be given something, or the same ones other things. */
  looksOf(able: readonly PresenceValue[]): string {
    return able.map(({ agent }) => `${agent} ${this.#table.of(agent)?.signature.digest ?? ''}`).join(',')
  }

  /** [624]. `lanes` as mapped now. */
  collect(state: RealmFold, lanes: MappingCollectionValue['lanes']): MappingCollectionValue | undefined {
    if (!allowsFormat(state.realm, 2)) return undefined
    const { context, epoch } = this.#deps
    const signed: { agent: string; configuration: AgentConfiguration; signature: SignedConfiguration['signature'] }[] = []
    for (const { agent, phase } of state.agents.values()) {
      const current = this.#table.of(agent)
      if (current !== undefined && phase === 'started') signed.push({ agent, configuration: current.configuration, signature: current.signature })
    }
    signed.sort((a, b) => (a.agent < b.agent ? -1 : 1))
    const { triggers, more } = this.#triggers.look(state, signed)
    return {
      epoch,
      build: context.build,
      agents: signed.map(({ agent, signature }) => ({ agent, signature })),
      groups: defaultGroups(signed),
      lanes: [...lanes].sort((a, b) => (a.lane < b.lane ? -1 : 1)),
      ...(triggers.length === 0 ? {} : { triggers }),
      ...(more === 0 ? {} : { moreTriggers: more }),
    }
  }

  differs(collection: MappingCollectionValue | undefined): boolean {
    return collection !== undefined && this.#collection.differs(collection)
  }

  /** [628]. Throws `Unavailable`. */
  async keep(collection: MappingCollectionValue | undefined): Promise<void> {
    if (collection !== undefined) await this.#collection.keep(collection)
  }
}

/** Which jobs the agent may have in its queue; undefined where it may have any. */
export function restrictionOf({ configuration }: { readonly configuration: Pick<Configured['configuration'], 'skills' | 'skilledOnly'> }): Restriction {
  const { skills, skilledOnly } = configuration
  return (skill) => (skill === undefined ? !skilledOnly : skills.includes(skill.name) || (skill.need === 'preferred' && !skilledOnly))
}
