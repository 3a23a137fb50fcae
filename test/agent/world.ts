/** A realm in memory in virtual time, and agents in it: what the specs of whole agents share. */
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite } from '../../machines/site/site.ts'
import type { Logger } from '../../src/agent/context.ts'
import { type RunningAgent, startAgent } from '../../src/agent/agent.ts'
import type { BalanceTimes } from '../../src/leader/lane-placing.ts'
import type { SnapshotTimes } from '../../src/leader/snapshot-cutter.ts'
import { partsOf } from '../../src/change/parts.ts'
import { laneClient } from '../../src/lane/client.ts'
import type { MachineTransition } from '../../src/process/host.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import type { SiteAdapter } from '../../src/sites/adapter.ts'
import { RealmView } from '../../src/realm/view.ts'
import { canonicalBytes, digestOf, newUlid } from '../../streams/codec.ts'
import type { LaneCommandBody } from '../../streams/lane-protocol.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { ConnectionEnds } from '../../streams/ports/ends.ts'
import { type EventLog, type ReadOptions, type StoredMessage, logWith } from '../../streams/ports/event-log.ts'
import type { MemoryFaults } from '../../streams/memory/faults.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import { groupId, subjectsOf } from '../../streams/subjects.ts'
import { type ReadLog, readLog } from '../checkers/read.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, clockOf } from '../simulation/virtual-time.ts'

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly agent: string
  readonly fields: object
  readonly message: string
}

export interface Member {
  readonly running: RunningAgent
  readonly coordinator: Coordinator
  readonly client: string
}

/** From the end of a connection until others hear of it. */
const endToldMs = 25
const stepLimit = 2_000_000

export class World {
  readonly time = new VirtualTime()
  readonly clock: Clock = clockOf(this.time)
  readonly dice = new Dice('agents')
  /** Every write to the log takes so long each way, milliseconds. */
  logDelayMs = 0
  /** Asked by the realm in memory; a spec may set them at any time. */
  readonly faults: { -readonly [Name in keyof MemoryFaults]: MemoryFaults[Name] } = {}
  readonly realm = new MemoryRealm({
    realm: 'reeve',
    clock: this.clock,
    random: this.dice.stream('realm'),
    faults: {
      append: (seen) => this.faults.append?.(seen) ?? { requestMs: this.logDelayMs, answerMs: this.logDelayMs },
      message: (seen) => this.faults.message?.(seen),
      readLag: (seen) => this.faults.readLag?.(seen) ?? 0,
      bucketRead: (seen) => this.faults.bucketRead?.(seen),
      alarm: (seen) => this.faults.alarm?.(seen),
      alarmWrite: (seen) => this.faults.alarmWrite?.(seen),
    },
  })
  readonly subjects = subjectsOf('reeve')
  readonly lines: Line[] = []
  /** What agents have read of the log. */
  readonly reads: ReadOptions[] = []
  readonly transitions: (MachineTransition & { readonly agent: string })[] = []
  readonly members = new Map<string, Member>()
  readonly observer = this.realm.connect({ name: 'observer', clock: this.clock })
  readonly view = new RealmView(this.observer.log, this.subjects)
  readonly events: { readonly id: string; readonly type: string; readonly data: Record<string, unknown> }[] = []
  #connections = 0
  readonly #endListeners = new Set<(agent: string) => void>()
  /** As a server tells them (`streams/jetstream/ends.ts`); for `kill` alone. */
  readonly #ends: ConnectionEnds = {
    show() {},
    isShown: true,
    onEnd: (listener) => {
      this.#endListeners.add(listener)
      return { stop: () => void this.#endListeners.delete(listener) }
    },
  }

  constructor() {
    this.view.onTurn(({ turn }) => {
      for (const { id, events } of turn.commits) {
        for (const { type, data } of events) this.events.push({ id, type, data: data as Record<string, unknown> })
      }
    })
  }

  start(agent: string, options: { readonly role?: AgentRole; readonly skills?: readonly string[]; readonly region?: string; readonly clock?: Clock; readonly newestFormat?: number; readonly locks?: 'credit' | 'name'; readonly build?: string; readonly snapshotTimes?: SnapshotTimes; readonly balanceTimes?: BalanceTimes; readonly adapterOf?: (kind: string) => SiteAdapter } = {}): RunningAgent {
    const clock = options.clock ?? this.clock
    const client = `${agent} ${++this.#connections}`
    const connected = this.realm.connect({ name: client, clock })
    const log = noting(connected.log, (options) => this.reads.push(options))
    const coordinator: Coordinator = { ...connected, log, ends: this.#ends }
    const running = startAgent({
      agent,
      role: options.role ?? 'generic',
      region: options.region ?? 'here',
      skills: options.skills ?? [],
      build: options.build ?? 'test',
      realmName: 'reeve',
      coordinator,
      clock,
      random: this.dice.stream(`${agent} ${this.#connections}`),
      logger: this.#logger(agent),
      acceptWeakDurability: false,
      ...(options.snapshotTimes === undefined ? {} : { snapshotTimes: options.snapshotTimes }),
      ...(options.balanceTimes === undefined ? {} : { balanceTimes: options.balanceTimes }),
      ...(options.newestFormat === undefined ? {} : { newestFormat: options.newestFormat }),
      ...(options.locks === undefined ? {} : { locks: options.locks }),
      ...(options.adapterOf === undefined ? {} : { within: { adapterOf: options.adapterOf } }),
      onTransition: (transition) => this.transitions.push({ ...transition, agent }),
    })
    this.members.set(agent, { running, coordinator, client })
    return running
  }

  /** Name under which the agent's process is connected, for `realm.setReach`. */
  clientOf(agent: string): string {
    return this.members.get(agent)!.client
  }

  /** Moves time on until the condition holds. Fails with what was logged when it does not within `withinMs` of virtual time. */
  async until(what: string, condition: () => boolean, withinMs = 30_000): Promise<void> {
    const end = await this.time.run(condition, { steps: this.time.steps + stepLimit, untilMs: this.time.nowMs + withinMs })
    if (end !== 'reached') {
      throw new Error(`${what} did not come about (${end}):\n${this.lines.map((line) => `${line.agent} ${line.level} ${line.message} ${JSON.stringify(line.fields)}`).join('\n')}`)
    }
  }

  async pass(durationMs: number): Promise<void> {
    const untilMs = this.time.nowMs + durationMs
    let over = false
    this.time.after(durationMs, () => (over = true))
    await this.time.run(() => over, { steps: this.time.steps + stepLimit, untilMs: untilMs + 1 })
  }

  /** Agents of the group's grants, in order. */
  executors(group: string): string[] {
    return this.#eventsOf(group, 'LockGranted').map((data) => data['agent'] as string)
  }

  /** How many grants were closed because their executor was lost. */
  returnedLost(group: string): number {
    return this.#eventsOf(group, 'LockReturned').filter((data) => data['why'] === 'lost').length
  }

  #eventsOf(group: string, type: string): Record<string, unknown>[] {
    return this.events.filter((event) => event.id === group && event.type === type).map((event) => event.data)
  }

  leader(): RunningAgent | undefined {
    return [...this.members.values()].map(({ running }) => running).find((running) => running.leading !== undefined)
  }

  /** Adds a site to the scope of management. */
  async addSite(site: string, address: string, fencing: 'enforced' | 'recorded' | 'none' = 'none', kind = 'drill'): Promise<void> {
    const { subjects, observer } = this
    const adding = writeAggregate<SiteState, SiteEvent>(
      { log: observer.log, clock: this.clock, random: this.dice },
      {
        subject: subjects.aggregate('site', site),
        aggregate: 'site',
        id: site,
        empty: absentSite(site),
        fold: foldSite,
        decide: (state) => addSite(state, { kind, address, region: 'here', fencing }),
        actor: 'program:test',
      },
    )
    await this.drive(adding)
  }

  /** Opens a whole group in the lane and returns its id. */
  async openGroup(lane: string, jobs: readonly JobSpec[], distributionFactor = 1, window = 1): Promise<string> {
    const lanes = laneClient({ bus: this.observer.bus, subjects: this.subjects })
    const group = groupId(lane, newUlid(this.clock.nowMs(), this.dice))
    const plan = digestOf(canonicalBytes({ jobs }))
    const parts = partsOf(jobs)
    const bodies: LaneCommandBody[] = [
      { kind: 'open', name: 'a group', jobs: jobs.length, parts: parts.length, plan, window, region: 'here', distributionFactor },
      ...parts.map((part, index) => ({ kind: 'add' as const, plan, part: index + 1, jobs: part })),
      { kind: 'seal', plan },
    ]
    for (const body of bodies) {
      const answer = await this.drive(lanes.send(lane, { builtOn: { incarnation: 1, number: 0 }, group, actor: 'program:test', body }))
      if (answer.kind !== 'done') throw new Error(`${body.kind}: ${JSON.stringify(answer)}`)
    }
    return group
  }

  async wholeLog(): Promise<ReadLog> {
    const { log } = this.observer
    const messages: StoredMessage[] = []
    const until = await this.drive(log.end())
    await this.drive((async () => {
      for await (const batch of log.read({ subjects: [this.subjects.allEvents], from: 1, until })) messages.push(...batch)
    })())
    return readLog(messages, 'reeve')
  }

  /** `kill -9`: the server closes its connection. */
  async kill(agent: string): Promise<void> {
    const member = this.members.get(agent)!
    this.members.delete(agent)
    await member.coordinator.close()
    this.time.after(endToldMs, () => [...this.#endListeners].forEach((hear) => hear(agent)))
    await this.drive(member.running.crash())
  }

  /** Waits for a promise whose timers are virtual. */
  async drive<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false
    const watched = promise.finally(() => (settled = true))
    watched.catch(() => {})
    await this.until('the promise', () => settled, withinMs)
    return watched
  }

  async end(): Promise<void> {
    const ending = [...this.members.values()].map(async ({ running, coordinator }) => {
      await running.crash()
      await coordinator.close()
    })
    // What is under way ends by virtual time-outs.
    await this.drive(Promise.all(ending))
    await this.view.stop()
    await this.observer.close()
  }

  #logger(agent: string): Logger {
    const at = (level: Line['level']) => (fields: object, message: string) => void this.lines.push({ level, agent, fields, message })
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
}

function noting(log: EventLog, note: (options: ReadOptions) => void): EventLog {
  return logWith(log, {
    read: (options) => {
      note(options)
      return log.read(options)
    },
  })
}
