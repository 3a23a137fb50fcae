/** A realm in memory whose lanes hold recorded groups and are held by an agent, with a folder for archives. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { type RealmState, formatVersion } from '../../machines/realm/realm.ts'
import type { LaneState } from '../../machines/lane/state.ts'
import type { Presence } from '../../src/agent/context.ts'
import { type ArchiveContext, type ArchiveRequest, type LaneArchiving, archiveLane } from '../../src/archive/archive.ts'
import { folderShelf } from '../../src/archive/shelf.ts'
import { startLaneHost } from '../../src/lane/host.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { RealmView } from '../../src/realm/view.ts'
import { archivedLanes } from '../../src/realm/view-start.ts'
import { Projection } from '../../src/service/projection.ts'
import { canonicalJson } from '../../streams/codec.ts'
import { laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { dice, record } from '../replay/recorded.ts'
import { eventually } from '../support/eventually.ts'

export const subjects = subjectsOf('reeve')
export const lanes = ['here-1', 'here-2'] as const
/** After all that was recorded. */
const startMs = 1_900_000_000_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** For the tests of a file: starts one for a test, which ends with it. */
export function stageOfTest(): typeof ArchiveStage.start {
  let stage: ArchiveStage | undefined
  afterEach(async () => {
    await stage?.end()
    stage = undefined
  })
  return async (...how) => (stage = await ArchiveStage.start(...how))
}

export class ArchiveStage {
  /** Where the wall clock stands still, so that ages are exact. */
  standsAtMs: number | undefined
  readonly clock: Clock = { ...systemClock, nowMs: () => this.standsAtMs ?? startMs + Math.floor(systemClock.monotonicMs()) }
  readonly coordinator: Coordinator
  readonly realm: MemoryRealm
  readonly faults: { -readonly [Name in keyof MemoryFaults]: MemoryFaults[Name] } = {}
  folder!: string
  state!: RealmState
  readonly #random
  readonly #ends: (() => void | Promise<void>)[] = []

  private constructor(seed: number) {
    const roll = dice(seed)
    this.#random = { bytes: (length: number) => Uint8Array.from({ length }, () => roll(256)) }
    const faults: MemoryFaults = { logRead: (seen) => this.faults.logRead?.(seen), append: (seen) => this.faults.append?.(seen), purge: (seen) => this.faults.purge?.(seen) }
    this.realm = new MemoryRealm({ realm: 'reeve', clock: this.clock, random: this.#random, faults, answerTimeoutMs: 1_000 })
    this.coordinator = this.realm.connect({ name: 'one', clock: this.clock })
  }

  static async start(groups = 12, jobs = 5, seed = 7): Promise<ArchiveStage> {
    const stage = new ArchiveStage(seed)
    stage.folder = await mkdtemp(join(tmpdir(), 'reeve-archive-'))
    const { coordinator, clock } = stage
    stage.state = await joinRealm({ log: coordinator.log, clock, random: stage.#random }, subjects, { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false })
    await record(coordinator, subjects, groups, jobs, lanes, seed)
    return stage
  }

  /** An agent holds both lanes from here on. */
  async hold(agent = 'a'): Promise<void> {
    const { clock, state } = this
    const coordinator = this.realm.connect({ name: agent, clock })
    const presence: Presence = { instance: `${agent}-1`, acknowledged: true, mayStartCall: () => true, onNewInstance: () => () => {} }
    const realm = { state, onChange: () => () => {} }
    const context = { agent, role: 'generic', region: 'here', skills: [], build: 'test', coordinator, subjects, clock, random: this.#random, constants: state.constants, realm, newestFormat: formatVersion, logger: silent } as const
    const host = startLaneHost(context, presence, {})
    this.#ends.push(() => host.abandon(), () => coordinator.close())
    for (const lane of lanes) await coordinator.mappings.put(laneMappingKey(lane), toBytes({ lane, agent, epoch: 1 }))
    await eventually(() => lanes.every((lane) => host.held.includes(lane)))
  }

  get context(): ArchiveContext {
    return { coordinator: this.coordinator, subjects, clock: this.clock, random: this.#random, constants: this.state.constants, logger: silent }
  }

  archive(lane: string = lanes[0], more: Partial<ArchiveRequest> = {}, folder = this.folder): Promise<LaneArchiving> {
    return archiveLane(this.context, { lane, shelf: folderShelf(folder, this.coordinator), olderThanMs: 1_000, actor: 'person:ann', signal: new AbortController().signal, ...more })
  }

  /** What somebody who starts now knows of the realm. */
  async known(): Promise<string> {
    const { coordinator, clock } = this
    const view = new RealmView(coordinator.log, subjects, undefined, archivedLanes({ coordinator, subjects, clock }))
    const projection = new Projection(subjects, view.state)
    view.onBeginning((begun) => projection.begin(begun))
    view.onTurn((seen) => projection.take(seen))
    try {
      const fold = await view.current()
      const groups = [...fold.groups()].map(({ group }) => group)
      return canonicalJson({
        lanes: [...fold.lanes.values()].map(textOf).sort(),
        positions: [...fold.groupPositions].sort(),
        tails: [...fold.tails].sort(),
        shown: groups.map((group) => [group, projection.beginOf(group), [...projection.sitesOf(group)]]).sort(),
        desired: [...projection.desired('north', 'd1')].sort(),
        position: fold.position,
      })
    } finally {
      await view.stop()
    }
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end()
    await this.coordinator.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Everything that a folded lane holds, as canonical JSON. */
export function textOf(state: LaneState): string {
  return canonicalJson({ ...state, groups: [...state.groups.values()], commands: [...state.commands] })
}
