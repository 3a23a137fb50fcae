/**
 * Carries out jobs: takes grants from the holders of lanes, runs them at their sites, and offers each outcome until a holder
 * has acknowledged it (DESIGN §5 "Jobs").
 *
 * Owns: the grants that it holds, and for each group, or without order for each chain of retries, the highest token that it ever took,
 * finished or gave up (P21).
 * 1. A grant with a token at or below the mark never starts anything.
 * 2. "Stopped" is said of a grant only when no call of it runs (P19).
 * 3. No room is offered and no call starts while the agent does not work, as its life cycle says; what runs ends by itself, and its outcome is kept.
 * 4. No call starts while the realm is in quarantine, as far as this process has heard, nor without an acknowledged, fresh presence of the very instance that the grant names (P18).
 * 5. Of a grant that names another process's instance it says nothing: only that one knows whether a call of it runs (P19, P20). It shows that lower tokens are over, no more.
 */
import { builtInDefaults } from '../../machines/agent/configuration.ts'
import type { AbortAnswer } from '../../streams/agent-messages.ts'
import { toBytes } from '../../streams/coordination.ts'
import { readAbort, readAnnounced, readAssigned, readGrants } from '../../streams/lane-messages.ts'
import { type AssignedMessage, type GrantMessage, type GrantRef, type GrantsMessage, formerInstancesLimit } from '../../streams/lane-protocol.ts'
import { PassingMap } from '../../streams/passing.ts'
import type { BusMessage, Subscription } from '../../streams/ports/bus.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import type { Executing, ExecutorContext, LaneHosting, Presence, SiteDirectory } from '../agent/context.ts'
import { laneClient } from '../lane/client.ts'
import { CallsBegun } from './calls-begun.ts'
import { type ExecutorFailpoint, type GrantEnvironment, HeldGrant, grantId } from './held-grant.ts'
import { LaneLink } from './lane-link.ts'
import { Marks } from './marks.ts'

export type LockAsking = 'credit' | 'name'

export interface ExecutorOptions {
  /** Most grants of one lane held at once. */
  readonly capacityPerLane?: number
  /** How it asks for locks: by how many it can take (default), or for each job by name. */
  readonly locks?: LockAsking
  /** Whether it works from the start (default), or only once `setWorking` says so. */
  readonly working?: boolean
  readonly failpoint?: (name: ExecutorFailpoint) => Promise<void>
}

const defaultCapacityPerLane = builtInDefaults.capacity

/**
 * Longest that an executor that drains waits until the holders have heard that it offers no room any more: what is granted to it
 * after it has ended stays until it counts as lost. Who lets go of a lane in that moment answers nobody.
 */
const withdrawMs = 500

/** Lanes that the same process holds: what goes between holder and executor need not travel. */
export type OwnLanes = Pick<LaneHosting, 'workHere' | 'listenHere'>

/** Of a process that holds none. */
export const noLanes: OwnLanes = { workHere: () => undefined, listenHere() {} }

export function startExecutor(
  context: ExecutorContext,
  presence: Presence,
  sites: SiteDirectory,
  lanes: OwnLanes,
  options: ExecutorOptions = {},
): Executing {
  return new RunningExecutor(context, presence, sites, lanes, options)
}

class RunningExecutor implements Executing {
  readonly #context: ExecutorContext
  readonly #presence: Presence
  readonly #lanes: OwnLanes
  readonly #options: ExecutorOptions
  readonly #links = new Map<string, LaneLink>()
  /** By group; without order by group and token. */
  readonly #held = new PassingMap<string, HeldGrant>()
  /** Also those whose group has a later grant by now, until their call has ended. By `grantId`. */
  readonly #running = new PassingMap<string, HeldGrant>()
  /** Ended as unknown, while an adapter has not come back from their call. By `grantId`. */
  readonly #hanging = new PassingMap<string, HeldGrant>()
  readonly #marks = new Marks()
  readonly #environment: GrantEnvironment
  /** Of this process, the present one and all before it. */
  readonly #instances: Set<string>
  readonly #subscriptions: Subscription[]
  readonly #queueListeners = new Set<(state: 'empty' | 'waiting') => void>()
  #queueState: 'empty' | 'waiting' = 'empty'
  #capacityPerLane: number
  #working: boolean
  #draining = false
  #over = false
  readonly #settledListeners = new Set<() => void>()

  constructor(context: ExecutorContext, presence: Presence, sites: SiteDirectory, lanes: OwnLanes, options: ExecutorOptions) {
    this.#context = context
    this.#presence = presence
    this.#lanes = lanes
    this.#options = options
    this.#capacityPerLane = options.capacityPerLane ?? defaultCapacityPerLane
    this.#working = options.working ?? true
    this.#instances = new Set([presence.instance])
    const { failpoint } = options
    this.#environment = { clock: context.clock, calls: new CallsBegun(context.clock), quarantined: () => this.#quarantined, presence, sites, ...(failpoint === undefined ? {} : { failpoint }) }
    const { bus, mappings } = context.coordinator
    const { subjects, agent } = context
    lanes.listenHere({ grants: (message) => this.#onGrants(message.lane, message), assigned: (message) => this.#onAssigned(message) })
    this.#subscriptions = [
      bus.subscribe(subjects.toAgent(agent, 'grants'), ({ data }) => {
        const message = readGrants(data)
        this.#onGrants(message.lane, message)
      }),
      bus.subscribe(subjects.toAgent(agent, 'assigned'), ({ data }) => this.#onAssigned(readAssigned(data))),
      bus.subscribe(subjects.toAgent(agent, 'abort'), (message) => this.#onAbort(message)),
      bus.subscribe(subjects.allLanesAnnounced, ({ data }) => this.#link(readAnnounced(data).lane).holderChanged()),
      mappings.watch((change) => {
        if (change.kind === 'set' && change.entry.key.startsWith('lane.')) this.#link(change.entry.key.slice('lane.'.length)).stir()
      }),
      {
        stop: presence.onNewInstance((instance) => {
          this.#instances.add(instance)
          this.#handBackNotBegun()
        }),
      },
      { stop: context.realm.onChange(() => this.#onRealm()) },
      // What was said while the connection was away has not come.
      bus.onLink((state) => {
        if (state === 'connected') for (const link of this.#links.values()) link.nudge()
      }),
    ]
  }

  get load() {
    let queued = 0
    for (const link of this.#links.values()) queued += link.queued
    return { queued, held: this.#held.size }
  }

  onQueue(listener: (state: 'empty' | 'waiting') => void): () => void {
    this.#queueListeners.add(listener)
    return () => this.#queueListeners.delete(listener)
  }

  async drain(): Promise<void> {
    this.#draining = true
    let withdraws = true
    const enough = this.#context.clock.after(withdrawMs, () => {
      withdraws = false
      this.#settled()
    })
    for (const grant of this.#held.values()) grant.stop()
    for (const link of this.#links.values()) link.nudge()
    while (!this.#over && (this.#running.size > 0 || [...this.#links.values()].some((link) => link.unsettled || (withdraws && link.offers)))) {
      await new Promise<void>((resolve) => this.#settledListeners.add(resolve))
    }
    enough.cancel()
    this.abandon()
  }

  setCapacity(perLane: number): void {
    if (perLane === this.#capacityPerLane) return
    this.#capacityPerLane = perLane
    for (const link of this.#links.values()) link.nudge()
  }

  setWorking(works: boolean): void {
    if (works === this.#working) return
    this.#working = works
    if (!works) return this.#handBackNotBegun()
    for (const link of this.#links.values()) link.nudge()
  }

  abandon(): void {
    this.#over = true
    for (const subscription of this.#subscriptions) subscription.stop()
    for (const link of this.#links.values()) link.close()
    for (const grant of this.#running.values()) grant.abandon()
    this.#settled()
  }

  #link(lane: string): LaneLink {
    let link = this.#links.get(lane)
    if (link === undefined) {
      const { agent, clock, coordinator, subjects } = this.#context
      link = new LaneLink({
        lane,
        agent,
        clock,
        client: laneClient({ bus: coordinator.bus, subjects }),
        incarnation: coordinator.log.incarnation,
        workHere: (name, request) => this.#lanes.workHere(name, request),
        instance: () => this.#presence.instance,
        formerInstances: () => [...this.#instances].filter((instance) => instance !== this.#presence.instance).slice(-formerInstancesLimit),
        capacity: () => (!this.#working || this.#draining || this.#quarantined || !this.#presence.acknowledged ? 0 : this.#capacityPerLane),
        held: () => this.#heldOf(lane),
        byName: this.#options.locks === 'name',
        onGrants: (message) => this.#onGrants(lane, message),
        onSettled: () => this.#settled(),
      })
      if (this.#over) link.close()
      this.#links.set(lane, link)
    }
    return link
  }

  #heldOf(lane: string): GrantRef[] {
    const refs: GrantRef[] = []
    this.#held.forEach((grant) => {
      if (grant.lane === lane) refs.push(refOf(grant.message))
    })
    return refs
  }

  #onGrants(lane: string, message: Pick<GrantsMessage, 'grants' | 'stops' | 'yields'>): void {
    if (this.#over) return
    for (const grant of message.grants) this.#take(lane, grant)
    for (const { group, grant } of message.stops) {
      this.#heldAs(group, grant)?.abort()
    }
    // A paused group: the job that runs is ended, what comes after it is given back.
    for (const { group, grant } of message.yields ?? []) {
      this.#heldAs(group, grant)?.stop()
    }
    this.#updateQueue()
  }

  #take(lane: string, message: GrantMessage): void {
    const isOwn = this.#isOwn(message.instance)
    const mark = this.#marks.of(message)
    const link = this.#link(lane)
    const id = grantId(message)
    // P21. Marks are forgotten in the end, what is at hand is not.
    const atHand = this.#runs(id) || this.#hangs(id) || link.reports(message)
    if (message.grant <= mark || atHand || link.givesBack(message)) {
      // If it is neither held nor reported it was given up: say so again, else its lock would stay for ever.
      if (isOwn && message.grant === mark && !atHand) link.report([], refOf(message))
      return
    }
    this.#marks.raise(message)
    // A higher token of the group, or of the job: the former grant is not open any more (I1).
    if (message.unordered !== true) this.#held.get(message.group)?.abort()
    else if (mark > 0) for (const former of this.#held.values()) if (shareJob(former.message, message)) former.abort()
    // The other process may be in the middle of a call of it (P19).
    if (!isOwn) return
    if (!this.#working || this.#draining || this.#quarantined || message.instance !== this.#presence.instance) {
      link.report([], refOf(message))
      return
    }
    const held = new HeldGrant(message, id, lane, this.#environment)
    this.#held.set(heldKey(held), held)
    this.#running.set(id, held)
    void this.#run(held)
  }

  /** An instance of this very process. Another process of the same agent hears the same subjects, while one of the two has not exited yet (P20). */
  #isOwn(instance: string): boolean {
    return this.#instances.has(instance)
  }

  /** Nobody has heard of the grant for long (I9). */
  #onAbort(message: BusMessage): void {
    const { group, grant, instance, epoch } = readAbort(message.data)
    if (this.#over || !this.#isOwn(instance)) return
    // P27: a newer leader decides what becomes of it.
    if (epoch < (this.#context.realm.state.leader?.epoch ?? 0)) return
    const ref = { group, grant }
    if (grant > this.#marks.ofGroup(group)) this.#held.get(group)?.abort()
    this.#marks.giveUp(group, grant)
    const running = this.#running.get(grantId(ref))
    running?.abort()
    const answer: AbortAnswer = { kind: running !== undefined || this.#hangs(grantId(ref)) ? 'running' : 'stopped' }
    if (answer.kind === 'stopped') {
      const link = this.#link(laneOfGroup(group)!)
      if (link.reports(ref)) link.nudge()
      else link.report([], ref)
    }
    message.answer(toBytes(answer))
  }

  async #run(held: HeldGrant): Promise<void> {
    const end = await held.run()
    this.#running.delete(held.id)
    const { hanging } = held
    if (hanging !== undefined) {
      this.#hanging.set(held.id, held)
      void hanging.then(() => this.#hanging.delete(held.id))
    }
    const key = heldKey(held)
    if (this.#held.get(key) === held) this.#held.delete(key)
    if (this.#over) return this.#settled()
    this.#link(held.lane).report(end.outcomes, end.kind === 'stopped' ? refOf(held.message) : undefined)
  }

  #heldAs(group: string, grant: number): HeldGrant | undefined {
    const held = this.#held.get(group)
    return held?.message.grant === grant ? held : this.#held.get(grantId({ group, grant }))
  }

  /** Also where its group has a later grant by now. */
  #runs(id: string): boolean {
    return this.#running.has(id)
  }

  /** P19: "stopped" is not said of it yet. */
  #hangs(id: string): boolean {
    return this.#hanging.has(id)
  }

  #onAssigned(message: AssignedMessage): void {
    if (this.#over) return
    const link = this.#link(message.lane)
    link.queued += message.assignments.length
    // What is granted by credit comes by itself.
    if (this.#options.locks === 'name') link.nudge()
    this.#updateQueue()
  }

  get #quarantined(): boolean {
    return this.#context.realm.state.quarantine !== null
  }

  #onRealm(): void {
    if (this.#quarantined) return this.#handBackNotBegun()
    for (const link of this.#links.values()) link.nudge()
  }

  /** P17, at the beginning of a quarantine, and when the agent works no longer: what was not begun is dropped; what runs ends by itself and starts no further call. */
  #handBackNotBegun(): void {
    for (const grant of this.#held.values()) grant.stop()
    for (const link of this.#links.values()) link.nudge()
  }

  #settled(): void {
    this.#updateQueue()
    for (const listener of this.#settledListeners) {
      this.#settledListeners.delete(listener)
      listener()
    }
  }

  #updateQueue(): void {
    const { queued, held } = this.load
    const state = queued + held > 0 ? 'waiting' : 'empty'
    if (state === this.#queueState) return
    this.#queueState = state
    for (const listener of this.#queueListeners) listener(state)
  }
}

function heldKey({ id, message }: HeldGrant): string {
  return message.unordered === true ? id : message.group
}

function refOf({ group, grant }: GrantMessage): GrantRef {
  return { group, grant }
}

/** Both are of one group without order, and hold a job of the same chain of retries. */
function shareJob(one: GrantMessage, other: GrantMessage): boolean {
  if (one.unordered !== true || one.group !== other.group) return false
  return one.jobs.some(({ job, chain = job }) => other.jobs.some(({ job: another, chain: of = another }) => of === chain))
}
