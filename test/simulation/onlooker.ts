/**
 * A client of the realm in a simulated world that nothing befalls: founds the realm as an administrator would, follows the log for
 * the checkers, and strikes where somebody with access to the coordinator could.
 */
import { type AgentEvent, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { happened } from '../../machines/decision.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite } from '../../machines/site/site.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { decodeTurn, newUlid } from '../../streams/codec.ts'
import { type LaneMappingValue, fromBytes, laneMappingKey, leaseKey, presenceKey, toBytes } from '../../streams/coordination.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { type Subjects, singletons } from '../../streams/subjects.ts'
import type { Dice } from './dice.ts'
import { type SitePlan, constants } from './plan.ts'
import { simulatedKind } from './site.ts'
import { epochMs } from './virtual-time.ts'

export interface OnlookerOptions {
  /** The present one. */
  readonly coordinator: () => Coordinator
  /** Lasts over restores. */
  readonly log: EventLog
  readonly subjects: Subjects
  readonly clock: Clock
  readonly dice: Dice
}

export class Onlooker {
  endPosition = 0
  /** Of the realm. */
  format = 0
  /** Of all leaders so far, the latest last. */
  readonly epochs: number[] = []
  readonly #options: OnlookerOptions

  constructor(options: OnlookerOptions) {
    this.#options = options
    void this.#follow()
  }

  /** The realm before any agent starts. */
  async found(lanes: readonly string[], sites: readonly SitePlan[], format: number): Promise<void> {
    const { log, subjects, clock, dice } = this.#options
    const context = { log, clock, random: dice }
    const realmEvents = (): RealmEvent[] => [
      { type: 'RealmFounded', data: { format, realm: newUlid(epochMs, dice), constants, digest: 'sha256' } },
      { type: 'LanesDefined', data: { region: 'r', lanes } },
    ]
    await writeAggregate<RealmState, RealmEvent>(context, {
      subject: subjects.aggregate('realm', singletons.realm),
      aggregate: 'realm',
      id: singletons.realm,
      empty: emptyRealm(),
      fold: foldRealm,
      decide: () => happened(...realmEvents()),
      actor: 'program:world',
    })
    for (const { site, fencing } of sites) {
      await writeAggregate<SiteState, SiteEvent>(context, {
        subject: subjects.aggregate('site', site),
        aggregate: 'site',
        id: site,
        empty: absentSite(site),
        fold: foldSite,
        decide: (state) => addSite(state, { kind: simulatedKind, address: 'sim:', region: 'r', fencing }),
        actor: 'program:world',
      })
    }
  }

  /** As somebody who leads, or led just before, would. */
  map(lane: string, agent: string, epoch: number): void {
    const value: LaneMappingValue = { lane, agent, epoch }
    void this.#options.coordinator().mappings.put(laneMappingKey(lane), toBytes(value))
  }

  /** One snapshot is gone, or is not what it was. */
  async spoilSnapshot(dice: Dice): Promise<void> {
    const { snapshots } = this.#options.coordinator()
    const names = await snapshots.names()
    if (names.length === 0) return
    const name = dice.pick(names)
    const bytes = await snapshots.get(name)
    if (dice.chance(0.4) || bytes === undefined) return snapshots.remove(name)
    const spoiled = Uint8Array.from(bytes)
    spoiled[dice.whole(0, spoiled.length - 1)]! ^= 1
    await snapshots.put(name, dice.chance(0.5) ? spoiled : spoiled.subarray(0, spoiled.length >> 1))
  }

  /** What of lease, presence, mappings and starts is not there for the agents that run (I11); empty when all is. */
  async missing(lanes: readonly string[], running: readonly { readonly agent: string; readonly instance: string }[], sick: string | undefined): Promise<string[]> {
    const { lease, agents, mappings } = this.#options.coordinator()
    const here = new Set(running.map(({ agent }) => agent))
    const missing: string[] = []
    const leader = await lease.get(leaseKey)
    if (leader === undefined || !here.has(fromBytes<{ readonly agent: string }>(leader.value).agent)) missing.push('the lease of a leader')
    for (const { agent, instance } of running) {
      if ((await agents.get(presenceKey(instance))) === undefined) missing.push(`the presence of ${agent}`)
      // Whose appends are lost.
      if (agent === sick) continue
      const { phase, instance: started } = await this.#agentState(agent)
      if (phase !== 'started' || started !== instance) missing.push(`the start of ${agent} in the log`)
    }
    for (const lane of lanes) {
      const mapping = await mappings.get(laneMappingKey(lane))
      if (mapping === undefined || !here.has(fromBytes<LaneMappingValue>(mapping.value).agent)) missing.push(`the mapping of lane ${lane}`)
    }
    return missing
  }

  async #agentState(agent: string) {
    const { log, subjects } = this.#options
    const subject = subjects.aggregate('agent', agent)
    const state = absentAgent(agent)
    const last = await log.last(subject)
    if (last === undefined) return state
    for await (const batch of log.read({ subjects: [subject], from: 1, until: last.position })) {
      for (const { bytes } of batch) for (const { events } of decodeTurn(bytes).commits) for (const event of events) foldAgent(state, event as AgentEvent)
    }
    return state
  }

  async readAll(): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = []
    const until = this.endPosition
    if (until === 0) return messages
    for await (const batch of this.#options.log.read({ subjects: [], from: 1, until })) messages.push(...batch)
    return messages
  }

  async #follow(): Promise<void> {
    const { log, subjects } = this.#options
    const realm = subjects.aggregate('realm', singletons.realm)
    for await (const batch of log.read({ subjects: [], from: 1 })) {
      this.endPosition = batch[batch.length - 1]!.position
      for (const { subject, bytes } of batch) {
        if (subject !== realm) continue
        for (const { revision, events } of decodeTurn(bytes).commits) {
          events.forEach((event, index) => {
            if (event.type === 'LeaderElected') this.epochs.push(revision + index)
            if (event.type === 'RealmFounded' || event.type === 'FormatRaised') this.format = (event.data as { readonly format: number }).format
          })
        }
      }
    }
  }
}
