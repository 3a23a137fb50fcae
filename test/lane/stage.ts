/** Lane hosts on a realm in memory in virtual time, without agents around them: what the specs of holding share. */
import type { Assignment, JobSpec } from '../../machines/execution-group/events.ts'
import { type RealmState, defaultConstants, formatVersion } from '../../machines/realm/realm.ts'
import type { Presence } from '../../src/agent/context.ts'
import { type LaneHost, startLaneHost } from '../../src/lane/host.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { canonicalBytes, decodeTurn, digestOf, newUlid } from '../../streams/codec.ts'
import { fromBytes, laneMappingKey, toBytes } from '../../streams/coordination.ts'
import type { Turn } from '../../streams/envelope.ts'
import type { LaneCommand, LaneCommandAnswer, LaneCommandBody, OutcomeReport, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import type { MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Asked } from '../../streams/ports/bus.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { groupId, subjectsOf } from '../../streams/subjects.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

export const lane = 'here-1'
export const subjects = subjectsOf('reeve')
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const job: JobSpec = { site: 'site-1', service: 's1', operation: { name: 'rehearse' }, repeatable: true }

export type WorkTaken = Extract<WorkAnswer, { kind: 'taken' }>

/** Of the jobs of all those grants: they succeeded. */
export function successesOf({ grants }: Pick<WorkTaken, 'grants'>): OutcomeReport[] {
  return grants.flatMap(({ group, grant, jobs }) => jobs.map(({ job: number }) => ({ group, grant, job: number, outcome: { kind: 'succeeded' } as const })))
}

export class Stage {
  readonly time = new VirtualTime()
  readonly clock: Clock = { nowMs: () => epochMs + Math.floor(this.time.nowMs), monotonicMs: () => this.time.nowMs, after: (delayMs, task) => this.time.after(delayMs, task) }
  readonly dice = new Dice('lanes')
  readonly faults: { -readonly [Name in keyof MemoryFaults]: MemoryFaults[Name] } = {}
  readonly realm = new MemoryRealm({
    realm: 'reeve',
    clock: this.clock,
    random: this.dice.stream('realm'),
    faults: { append: (seen) => this.faults.append?.(seen), message: (seen) => this.faults.message?.(seen) },
  })
  /** Asks, and reads the log. */
  readonly asker: Coordinator = this.realm.connect({ name: 'asker', clock: this.clock })
  readonly #hosts: LaneHost[] = []
  readonly #coordinators: Coordinator[] = [this.asker]
  state!: RealmState

  /** A realm whose lane the agent holds. */
  static async heldBy(agent: string): Promise<Stage> {
    const stage = new Stage()
    await stage.found()
    await stage.hold(agent)
    return stage
  }

  async found(): Promise<void> {
    const { clock, dice } = this
    this.state = await this.drive(joinRealm({ log: this.asker.log, clock, random: dice }, subjects, { actor: 'program:test', region: 'here', constants: defaultConstants, durability: { level: 'synced' }, acceptWeakDurability: false }))
  }

  /** The agent is mapped to the lane, and holds it. Its client has the agent's name. */
  async hold(agent: string): Promise<LaneHost> {
    const { clock, dice, state } = this
    const coordinator = this.realm.connect({ name: agent, clock })
    const presence: Presence = { instance: `${agent}-1`, acknowledged: true, mayStartCall: () => true, onNewInstance: () => () => {} }
    const realm = { state, onChange: () => () => {} }
    const host = startLaneHost({ agent, role: 'generic', region: 'here', skills: [], build: 'test', coordinator, subjects, clock, random: dice.stream(agent), constants: state.constants, realm, newestFormat: formatVersion, logger: silent }, presence, {})
    this.#hosts.push(host)
    this.#coordinators.push(coordinator)
    await this.drive(this.asker.mappings.put(laneMappingKey(lane), toBytes({ lane, agent, epoch: 1 })))
    await this.until(`lane held by ${agent}`, () => host.held.includes(lane))
    return host
  }

  /** Every answer to one request, as they come; the wait goes on after each. */
  ask(verb: 'command', message: LaneCommand): { readonly heard: LaneCommandAnswer[]; readonly ended: Promise<Asked> }
  ask(verb: 'work', message: WorkRequest): { readonly heard: WorkAnswer[]; readonly ended: Promise<Asked> }
  ask(verb: 'work' | 'command', message: LaneCommand | WorkRequest): { readonly heard: (LaneCommandAnswer | WorkAnswer)[]; readonly ended: Promise<Asked> } {
    const heard: (LaneCommandAnswer | WorkAnswer)[] = []
    const ended = this.asker.bus.ask(subjects.toLane(lane, verb), toBytes(message), {
      timeoutMs: 5_000,
      accept: (data) => {
        heard.push(fromBytes(data))
        return heard.at(-1)!.kind !== 'not-the-holder'
      },
    })
    ended.catch(() => {})
    return { heard, ended }
  }

  async command(group: string, body: LaneCommandBody): Promise<Extract<LaneCommandAnswer, { kind: 'done' }>> {
    const { heard, ended } = this.ask('command', this.request(group, body))
    await this.drive(ended)
    const answer = heard.at(-1)
    if (answer?.kind !== 'done') throw new Error(`${body.kind}: ${JSON.stringify(answer)}`)
    return answer
  }

  request(group: string, body: LaneCommandBody, command?: string): LaneCommand {
    return { builtOn: { incarnation: 1, number: 0 }, group, actor: 'program:test', body, ...(command === undefined ? {} : { command }) }
  }

  work(agent: string, more: Partial<WorkRequest> = {}): WorkRequest {
    return { builtOn: { incarnation: 1, number: 0 }, agent, instance: `${agent}-1`, capacity: 0, held: [], outcomes: [], stopped: [], ...more }
  }

  /** What the executor is told in the end. */
  async told(agent: string, more: Partial<WorkRequest> = {}): Promise<WorkTaken> {
    const { heard, ended } = this.ask('work', this.work(agent, more))
    await this.drive(ended)
    return heard.at(-1) as WorkTaken
  }

  newGroup(): string {
    return groupId(lane, this.newCommand())
  }

  newCommand(): string {
    return newUlid(this.clock.nowMs(), this.dice)
  }

  openBody(jobs: number, more: Partial<Extract<LaneCommandBody, { kind: 'open' }>> = {}): LaneCommandBody {
    return { kind: 'open', name: 'a group', jobs, parts: 1, plan: planOf(jobs), window: 1, region: 'here', distributionFactor: 1, ...more }
  }

  /** A whole group: added part by part, sealed, and in the queues that the assignments name. */
  async open(parts: readonly (readonly JobSpec[])[], assignments: readonly Assignment[], terms: Parameters<Stage['openBody']>[1] = {}): Promise<string> {
    const group = this.newGroup()
    const jobs = parts.reduce((sum, part) => sum + part.length, 0)
    const plan = planOf(jobs)
    await this.command(group, this.openBody(jobs, { ...terms, parts: parts.length }))
    for (const [index, part] of parts.entries()) await this.command(group, { kind: 'add', plan, part: index + 1, jobs: part })
    const { revision } = await this.command(group, { kind: 'seal', plan })
    await this.command(group, { kind: 'assign', assignments, ifRevision: revision })
    return group
  }

  /** A whole group, its jobs in the queue of the agent. */
  openFor(agent: string, jobs = 1): Promise<string> {
    return this.open([jobsOf(jobs)], [{ first: 1, last: jobs, agent }])
  }

  /** The lane's, in order. */
  async turns(): Promise<readonly { readonly message: StoredMessage; readonly turn: Turn }[]> {
    const turns: { message: StoredMessage; turn: Turn }[] = []
    const read = async () => {
      const last = await this.asker.log.last(subjects.lane(lane))
      if (last === undefined) return
      for await (const batch of this.asker.log.read({ subjects: [subjects.lane(lane)], from: 1, until: last.position })) {
        for (const message of batch) turns.push({ message, turn: decodeTurn(message.bytes) })
      }
    }
    await this.drive(read())
    return turns
  }

  async until(what: string, goal: () => boolean, withinMs = 30_000): Promise<void> {
    const end = await this.time.run(goal, { steps: this.time.steps + 500_000, untilMs: this.time.nowMs + withinMs })
    if (end !== 'reached') throw new Error(`${what} did not come about (${end})`)
  }

  async pass(durationMs: number): Promise<void> {
    let over = false
    this.time.after(durationMs, () => (over = true))
    await this.until('the time', () => over, durationMs + 1)
  }

  async drive<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const watched = promise.finally(() => (settled = true))
    watched.catch(() => {})
    await this.until('the promise', () => settled)
    return watched
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) host.abandon()
    await this.drive(Promise.all(this.#coordinators.map((coordinator) => coordinator.close())))
  }
}

export function jobsOf(count: number, spec = job): JobSpec[] {
  return Array.from({ length: count }, () => spec)
}

function planOf(count: number): string {
  return digestOf(canonicalBytes({ jobs: jobsOf(count) }))
}
