/**
 * Stands in for the leader: maps lanes to agents, assigns jobs, expires grants by P18. Never killed, cut off like everybody else.
 */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import { assigneeOf, headJob } from '../../machines/execution-group/state.ts'
import { laneClient } from '../../src/lane/client.ts'
import { RealmView } from '../../src/realm/view.ts'
import { type LaneMappingValue, type PresenceValue, fromBytes, laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Dice } from './dice.ts'
import { constants } from './plan.ts'
import type { SimProcess } from './process.ts'

const roundMs = 300

export interface StewardOptions {
  readonly process: SimProcess
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly dice: Dice
  readonly lanes: readonly string[]
}

export class Steward {
  readonly #options: StewardOptions
  readonly #view: RealmView
  /** By instance: monotonic time of the first look that did not show it. */
  readonly #missingSince = new Map<string, number>()
  readonly #mapped = new Map<string, string>()
  #moveWanted = false
  #offlineAtMs = 0

  constructor(options: StewardOptions) {
    this.#options = options
    this.#view = new RealmView(options.coordinator.log, options.subjects)
    options.coordinator.bus.onLink(() => (this.#offlineAtMs = options.process.clock.monotonicMs()))
    void this.#run()
  }

  /** One lane goes to somebody else, for no reason. */
  moveOne(): void {
    this.#moveWanted = true
  }

  async #run(): Promise<void> {
    const { clock } = this.#options.process
    for (;;) {
      try {
        await this.#round()
      } catch {
        // Offline; the next round looks again.
        this.#missingSince.clear()
      }
      await pause(clock, roundMs)
    }
  }

  async #round(): Promise<void> {
    const { coordinator, dice, lanes, process } = this.#options
    const entries = await coordinator.agents.entries()
    const present = entries.filter(({ key }) => key.startsWith('instance.')).map(({ value }) => fromBytes<PresenceValue>(value))
    const alive = [...new Set(present.map(({ agent }) => agent))].sort()
    if (alive.length === 0) return
    const moved = this.#moveWanted ? dice.pick(lanes) : undefined
    this.#moveWanted = false
    for (const lane of lanes) {
      const now = this.#mapped.get(lane)
      if (now !== undefined && alive.includes(now) && lane !== moved) continue
      const agent = dice.pick(alive)
      const value: LaneMappingValue = { lane, agent, epoch: 1 }
      if ((await coordinator.mappings.put(laneMappingKey(lane), toBytes(value))).kind === 'written') this.#mapped.set(lane, agent)
    }
    const instances = new Set(present.map(({ instance }) => instance))
    const nowMs = process.clock.monotonicMs()
    for (const group of this.#view.state.groups()) this.#look(group, alive, instances, nowMs)
  }

  #look(group: GroupState, alive: readonly string[], instances: ReadonlySet<string>, nowMs: number): void {
    const { dice } = this.#options
    const { grant } = group
    if (grant !== null) {
      if (instances.has(grant.instance)) return void this.#missingSince.delete(grant.instance)
      const sinceMs = this.#missingSince.get(grant.instance)
      if (sinceMs === undefined) return void this.#missingSince.set(grant.instance, nowMs)
      const waitMs = 1.1 * constants.presenceMs + 1.1 * constants.siteCallDeadlineMs
      if (nowMs - Math.max(sinceMs, this.#offlineAtMs) >= waitMs) this.#send(group, { kind: 'expire', grant: grant.revision })
      return
    }
    const head = headJob(group)
    if (head === undefined || !groupTable.can(group.phase, 'JobsAssigned')) return
    const agent = assigneeOf(group, head)
    if (agent !== undefined && alive.includes(agent)) return
    const cut = dice.chance(0.5) ? group.jobsAdded : dice.whole(head, group.jobsAdded)
    const assignments = [{ first: head, last: cut, agent: dice.pick(alive) }]
    if (cut < group.jobsAdded) assignments.push({ first: cut + 1, last: group.jobsAdded, agent: dice.pick(alive) })
    this.#send(group, { kind: 'assign', assignments, ifRevision: group.revision })
  }

  #send(group: GroupState, body: LaneCommandBody): void {
    const { coordinator, subjects } = this.#options
    const lane = laneOfGroup(group.group)!
    const number = this.#view.state.lanes.get(lane)?.number ?? 0
    void laneClient({ bus: coordinator.bus, subjects }).send(lane, {
      builtOn: { incarnation: coordinator.log.incarnation, number },
      group: group.group,
      actor: 'agent:steward',
      epoch: 1,
      body,
    }, 1_000)
  }
}
