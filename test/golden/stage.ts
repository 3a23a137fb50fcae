/**
 * A realm in memory with one holder of its lanes, driven by the lane protocol alone: what golden histories are recorded on. Commands, requests
 * for locks and outcomes go the way that they go in a realm; the holder decides.
 */
import type { Outcome } from '../../machines/execution-group/decide/locks.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { Decision } from '../../machines/decision.ts'
import { type RealmEvent, type RealmState, defaultConstants, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import type { Presence } from '../../src/agent/context.ts'
import { laneClient } from '../../src/lane/client.ts'
import { type LaneHost, startLaneHost } from '../../src/lane/host.ts'
import { systemClock as clock } from '../../src/platform/clock.ts'
import { systemRandom as random } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { type OwnRealmStanding, followRealm } from '../../src/realm/standing.ts'
import { RealmView } from '../../src/realm/view.ts'
import { canonicalBytes, digestOf, encodeTurn, newUlid, decodeTurn } from '../../streams/codec.ts'
import { laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { GrantMessage, LaneCommand, OutcomeReport, WorkRequest } from '../../streams/lane-protocol.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { groupId, singletons, subjectsOf } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'

export const subjects = subjectsOf('reeve')
export const lane = 'here-1'
const silent = { debug() {}, info() {}, warn() {}, error() {} }
/** Short, so that a group whose parts stop coming is abandoned while one waits. */
const openDeadlineMs = 400

export const succeeded: Outcome = { kind: 'succeeded' }
export const failed = (text: string): Outcome => ({ kind: 'failed', reason: { code: 'refused-by-site', text } })
export const unknown = (text: string): Outcome => ({ kind: 'unknown', reason: { code: 'unknown', text } })

export const start = (number: number): JobSpec => ({ site: 'north', service: `d${String(number).padStart(5, '0')}`, operation: { name: 'start' }, repeatable: true })
export const jobs = (count: number): JobSpec[] => Array.from({ length: count }, (_, index) => start(index + 1))

export class Stage {
  readonly coordinator: Coordinator
  readonly view: RealmView
  readonly #realm: OwnRealmStanding
  readonly #constants
  #host: LaneHost | undefined
  #hosts = 0
  readonly #ends: (() => void)[] = []

  private constructor(coordinator: Coordinator, realm: OwnRealmStanding, constants: typeof defaultConstants) {
    this.coordinator = coordinator
    this.#realm = realm
    this.#constants = constants
    this.view = new RealmView(coordinator.log, subjects)
  }

  /** `format`: of the realm at its founding. */
  static async start(format: number): Promise<Stage> {
    const memory = new MemoryRealm({ realm: 'reeve', clock, random })
    const coordinator = memory.connect({ name: 'stage', clock })
    const founding = { actor: 'agent:holder', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false, newestFormat: format } as const
    const joined = await joinRealm({ log: coordinator.log, clock, random }, subjects, founding)
    const stage = new Stage(coordinator, followRealm(coordinator.log, subjects, joined, () => {}), joined.constants)
    await stage.hold('holder')
    return stage
  }

  /** Another agent takes the lane from who held it. */
  async hold(agent: string): Promise<void> {
    await this.#host?.release()
    const presence: Presence = { instance: `${agent}-${++this.#hosts}`, acknowledged: true, mayStartCall: () => true, onNewInstance: () => () => {} }
    const context = {
      agent, role: 'generic', region: 'here', skills: [], build: 'golden', coordinator: this.coordinator, subjects, clock, random,
      constants: this.#constants, realm: this.#realm, newestFormat: 2, logger: silent,
    } as const
    const host = startLaneHost(context, presence, { times: { openDeadlineMs, laneHandoverMs: 200 } })
    this.#host = host
    this.#ends.push(() => host.abandon())
    await this.coordinator.mappings.put(laneMappingKey(lane), toBytes({ lane, agent, epoch: 1 }))
    await eventually(() => host.held.includes(lane))
  }

  /** Writes to the realm, and waits until the holder knows it. */
  async realm(decide: (state: RealmState) => Decision<RealmEvent>): Promise<void> {
    const written = await writeAggregate<RealmState, RealmEvent>(
      { log: this.coordinator.log, clock, random },
      { subject: subjects.aggregate('realm', singletons.realm), aggregate: 'realm', id: singletons.realm, empty: emptyRealm(), fold: foldRealm, decide, actor: 'agent:leader' },
    )
    if (written.kind !== 'written') throw new Error(`the realm was not written to: ${written.kind}`)
    await this.view.reached(written.position)
    await eventually(() => this.#realm.state.revision >= written.revision)
  }

  newCommand(): string {
    return newUlid(clock.nowMs(), random)
  }

  async tell(group: string, body: LaneCommand['body'], more: Partial<LaneCommand> = {}) {
    const { bus, log } = this.coordinator
    const answer = await laneClient({ bus, subjects }).send(lane, { builtOn: { incarnation: log.incarnation, number: 0 }, group, actor: 'person:ann', body, ...more })
    if (answer.kind === 'done') await this.view.reached(answer.position)
    return answer
  }

  /** Throws unless it is done. */
  async do(group: string, body: LaneCommand['body'], more: Partial<LaneCommand> = {}): Promise<void> {
    const answer = await this.tell(group, body, more)
    if (answer.kind !== 'done') throw new Error(`${body.kind} of ${group}: ${JSON.stringify(answer)}`)
  }

  /** Its id. `parts`: jobs by part; `sealed` false leaves it open. */
  async open(name: string, parts: readonly (readonly JobSpec[])[], terms: object = {}, sealed = true, given = parts.length): Promise<string> {
    const command = this.newCommand()
    const group = groupId(lane, command)
    const all = parts.flat()
    const bytes = canonicalBytes({ jobs: all })
    const plan = await this.coordinator.texts.put(bytes)
    const asked = { command, correlation: command }
    await this.do(group, { kind: 'open', name, jobs: all.length, parts: parts.length, plan, window: 1, region: 'here', distributionFactor: 100, ...terms }, asked)
    for (const [index, part] of parts.slice(0, given).entries()) await this.do(group, { kind: 'add', plan, part: index + 1, jobs: part }, asked)
    if (sealed) await this.do(group, { kind: 'seal', plan }, asked)
    return group
  }

  state(group: string): GroupState {
    const state = this.view.state.group(group)
    if (state === undefined) throw new Error(`no group ${group}`)
    return state
  }

  /** All jobs, also those to come, into the queue of one agent. */
  async assign(group: string, agent = 'worker', last = 1_000): Promise<void> {
    const { revision, jobsAnnounced, retries } = this.state(group)
    await this.do(group, { kind: 'assign', assignments: [{ first: 1, last: Math.min(last, jobsAnnounced + retries.length), agent }], ifRevision: revision }, { epoch: 1, actor: 'agent:leader' })
  }

  async exchange(request: Partial<WorkRequest> = {}, agent = 'worker'): Promise<readonly GrantMessage[]> {
    const { bus, log } = this.coordinator
    const builtOn = { incarnation: log.incarnation, number: 0 }
    const answer = await laneClient({ bus, subjects }).work(lane, { builtOn, agent, instance: `${agent}-1`, capacity: 0, held: [], outcomes: [], stopped: [], ...request })
    if (answer.kind !== 'taken') throw new Error(`no holder: ${JSON.stringify(answer)}`)
    await this.view.current()
    return answer.grants
  }

  /** Executes what is granted, a list at a time, until nothing is granted any more or `steps` are over; what is held then is returned. */
  async work(outcomeOf: (job: number, group: string) => Outcome = () => succeeded, options: { readonly capacity?: number; readonly steps?: number; readonly agent?: string } = {}): Promise<readonly GrantMessage[]> {
    const { capacity = 2, steps = 1_000, agent = 'worker' } = options
    let held: readonly GrantMessage[] = await this.exchange({ capacity }, agent)
    for (let step = 0; step < steps && held.length > 0; step++) {
      const outcomes: OutcomeReport[] = []
      for (const { group, grant, jobs: granted } of held) {
        for (const { job } of granted) {
          const outcome = outcomeOf(job, group)
          outcomes.push({ group, grant, job, outcome })
          if (outcome.kind !== 'succeeded') break
        }
      }
      held = await this.exchange({ capacity: step + 1 === steps ? 0 : capacity, outcomes }, agent)
    }
    if (steps === 1_000 && held.length === 0) await this.exchange({}, agent)
    return held
  }

  /** Digests of the lane's turns, in order. */
  async turns(): Promise<readonly string[]> {
    const digests: string[] = []
    const { log } = this.coordinator
    for await (const batch of log.read({ subjects: [subjects.lane(lane)], from: 1, until: (await log.last(subjects.lane(lane)))!.position })) digests.push(...batch.map(({ bytes }) => digestOf(bytes)))
    return digests
  }

  /** Only the record of it: the turns stay where they are, as those of an archive do after an import. */
  async archive(from: number, number: number): Promise<void> {
    const command = this.newCommand()
    const digest = digestOf(Buffer.from(`file of turns ${from} to ${number}`))
    await this.do(groupId(lane, command), { kind: 'archive', from, number, turn: (await this.turns())[number - 1]!, file: digest, snapshot: digest }, { command })
  }

  /** What no holder would decide, put into the log behind its back; nobody holds the lane afterwards. */
  async forge(group: string, events: readonly { readonly type: string; readonly data: object }[]): Promise<void> {
    await this.#host?.release()
    const { log } = this.coordinator
    const last = (await log.last(subjects.lane(lane)))!
    const before = decodeTurn(last.bytes)
    const commits = [{ aggregate: 'group', id: group, revision: this.state(group).revision + 1, actor: 'agent:holder', events }]
    const bytes = encodeTurn({ ...before, turn: this.newCommand(), number: before.number + 1, timeMs: clock.nowMs(), previous: digestOf(last.bytes), commits })
    const outcome = await log.append({ subject: subjects.lane(lane), bytes, expectedLast: last.position })
    if (outcome.kind !== 'landed') throw new Error(`not forged: ${outcome.kind}`)
    await this.view.reached(outcome.position)
  }

  async end(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#realm.close()
    await this.view.stop()
    await this.coordinator.close()
  }
}
