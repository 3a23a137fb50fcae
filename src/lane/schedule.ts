/**
 * What a lane's holder knows beside the log: which groups wait for a lock, in whose queue, and which executors offer room.
 * Derived: rebuilt from the fold when the lane is taken, and from the executors' next messages (P6, I11).
 *
 * 1. A group stands in the list of an agent only while a job in its queue can be granted: of one agent at most, but for a graph, or without order.
 * 2. `queued` names every agent that an unfinished group's assignments name.
 * 3. `openGrants` lists exactly the open grants of the fold that may still be settled or given back, by instance; those of groups without order are in
 *    `unordered`. Of a group that is faulted, or was cancelled after that, nobody can: its grant takes no room, and nobody waits for it.
 */
import { type GroupState, canGiveBack } from '../../machines/execution-group/state.ts'
import { waitingFor } from '../../machines/execution-group/waiting.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { hasReady } from '../../machines/execution-group/unordered.ts'
import type { GrantRef } from '../../streams/lane-protocol.ts'
import { PassingMap, PassingSet } from '../../streams/passing.ts'
import { UnorderedGrants } from './unordered-grants.ts'

export interface Executor {
  readonly agent: string
  readonly instance: string
  /** Most grants of this lane that it holds at once. */
  capacity: number
  /** Monotonic time of its last message. */
  heardMs: number
}

export class Schedule {
  readonly #runnable = new Map<string, Waiting>()
  /** Where each runnable group stands; one of order `graph` may wait for several agents. */
  readonly #listed = new PassingMap<string, string | readonly string[]>()
  /** Of each listed group whose priority is not 0. */
  readonly #priorities = new PassingMap<string, number>()
  readonly #openGrants = new Map<string, PassingSet<string>>()
  readonly #granted = new PassingMap<string, string>()
  readonly #unordered = new UnorderedGrants()
  /** By agent: unfinished groups with jobs in its queue. */
  readonly #queued = new Map<string, PassingSet<string>>()
  /** The list of assignments that each group's entries in `#queued` were made from. */
  readonly #seenAssignments = new PassingMap<string, GroupState['assignments']>()
  /** By agent: its present instance as far as it has been heard from. */
  readonly #executors = new Map<string, Executor>()

  /** To be called after every change of the group; `events`, the last of which is its present revision, are what changed it. */
  update(group: GroupState, events?: readonly GroupEvent[]): void {
    if (group.order === 'none') return this.#updateUnordered(group, events)
    const id = group.group
    const instance = canGiveBack(group) ? group.grant?.instance : undefined
    const before = this.#granted.get(id)
    if (before !== instance) {
      if (before !== undefined) this.#openGrants.get(before)?.delete(id)
      if (instance === undefined) this.#granted.delete(id)
      else {
        this.#granted.set(id, instance)
        setOf(this.#openGrants, instance).add(id)
      }
    }
    this.#updateQueued(group)
    const agent = waitingFor(group)
    const listed = this.#listed.get(id)
    const priority = this.#priorities.size === 0 ? 0 : (this.#priorities.get(id) ?? 0)
    if (listed === agent && (listed === undefined || priority === group.priority)) return
    if (listed !== undefined) this.#unlist(id, listed, priority)
    if (agent !== undefined) this.#list(id, agent, group.priority)
  }

  #updateUnordered(group: GroupState, events: readonly GroupEvent[] | undefined): void {
    let plain = events !== undefined
    if (events === undefined) this.#unordered.read(group)
    else {
      const before = group.revision - events.length
      for (let index = 0; index < events.length; index++) if (!this.#unordered.follow(group, events[index]!, before + index + 1)) plain = false
    }
    if (plain) {
      // Where only locks were granted, or jobs of open grants settled, who was granted one may have nothing left.
      for (const event of events!) if (event.type === 'LockGranted' && !hasReady(group.unordered!, event.data.agent)) this.#relist(group)
      return
    }
    if (!canGiveBack(group)) this.#unordered.read(group)
    this.#updateQueued(group)
    this.#relist(group)
  }

  #relist(group: GroupState): void {
    const listed = this.#listed.get(group.group)
    if (listed !== undefined) this.#unlist(group.group, listed, this.#priorities.get(group.group) ?? 0)
    const agents = waitingFor(group)
    if (agents !== undefined) this.#list(group.group, agents, group.priority)
  }

  /** A group without order that has more for the agent goes behind the others that wait for it. */
  putLast(agent: string, group: string): void {
    const listed = this.#listed.get(group)
    if (listed === undefined || !listed.includes(agent)) return
    const priority = this.#priorities.get(group) ?? 0
    const waiting = this.#runnable.get(agent)
    waiting?.delete(group, priority)
    waiting?.add(group, priority)
  }

  #list(id: string, agents: string | readonly string[], priority: number): void {
    this.#listed.set(id, agents)
    if (priority !== 0) this.#priorities.set(id, priority)
    for (const agent of typeof agents === 'string' ? [agents] : agents) {
      let waiting = this.#runnable.get(agent)
      if (waiting === undefined) this.#runnable.set(agent, (waiting = new Waiting()))
      waiting.add(id, priority)
    }
  }

  #unlist(id: string, agents: string | readonly string[], priority: number): void {
    this.#listed.delete(id)
    if (priority !== 0) this.#priorities.delete(id)
    for (const agent of typeof agents === 'string' ? [agents] : agents) this.#runnable.get(agent)?.delete(id, priority)
  }

  #updateQueued(group: GroupState): void {
    const before = this.#seenAssignments.get(group.group)
    if (before === group.assignments) return
    for (const { agent } of before ?? []) this.#queued.get(agent)?.delete(group.group)
    if (group.assignments.length === 0) this.#seenAssignments.delete(group.group)
    else this.#seenAssignments.set(group.group, group.assignments)
    for (const { agent } of group.assignments) setOf(this.#queued, agent).add(group.group)
  }

  /** How many unfinished groups have jobs in this agent's queue. */
  queued(agent: string): number {
    return this.#queued.get(agent)?.size ?? 0
  }

  /** Unfinished groups with jobs in this agent's queue. */
  queuedGroups(agent: string): Iterable<string> {
    return this.#queued.get(agent) ?? none
  }

  heard(agent: string, instance: string, capacity: number, nowMs: number): Executor {
    const executor: Executor = { agent, instance, capacity, heardMs: nowMs }
    this.#executors.set(agent, executor)
    return executor
  }

  /** Lost for good: it is offered nothing more, unless it is heard again. */
  forget(instance: string): void {
    for (const executor of this.#executors.values()) if (executor.instance === instance) this.#executors.delete(executor.agent)
  }

  executor(agent: string): Executor | undefined {
    return this.#executors.get(agent)
  }

  executors(): Iterable<Executor> {
    return this.#executors.values()
  }

  /** How many more grants the executor can take. */
  room(executor: Executor): number {
    return executor.capacity - (this.#openGrants.get(executor.instance)?.size ?? 0) - this.#unordered.count(executor.instance)
  }

  /** Some grant of the lane is open. */
  get granted(): boolean {
    return this.#granted.size > 0 || this.#unordered.any
  }

  /** Open grants of groups without order that name the instance. */
  unorderedGrantsOf(instance: string): Iterable<GrantRef> {
    return this.#unordered.of(instance)
  }

  /** Groups with an order whose open grant names the instance. */
  grantsOf(instance: string): Iterable<string> {
    return this.#openGrants.get(instance) ?? none
  }

  /** Groups with a job in the queue of this agent that can be granted: the highest priority first, then the longest waiting. */
  runnableFor(agent: string): Iterable<string> {
    return this.#runnable.get(agent)?.inOrder() ?? none
  }
}

const none: ReadonlySet<string> = new Set()

/** Groups of one agent, by priority. */
class Waiting {
  /** Of priority 0, as nearly all are. */
  readonly #plain = new PassingSet<string>()
  /** The highest first. */
  readonly #others: { readonly priority: number; readonly groups: Set<string> }[] = []

  add(group: string, priority: number): void {
    if (priority === 0) this.#plain.add(group)
    else this.#level(priority).add(group)
  }

  delete(group: string, priority: number): void {
    if (priority === 0) this.#plain.delete(group)
    else this.#level(priority).delete(group)
  }

  /** May be walked while groups are taken out. */
  inOrder(): Iterable<string> {
    return this.#others.length === 0 ? this.#plain : this.#all()
  }

  #level(priority: number): Set<string> {
    const known = this.#others.find((one) => one.priority === priority)
    if (known !== undefined) return known.groups
    const groups = new Set<string>()
    this.#others.push({ priority, groups })
    this.#others.sort((left, right) => right.priority - left.priority)
    return groups
  }

  *#all(): Iterable<string> {
    for (const { priority, groups } of this.#others) if (priority > 0) yield* groups
    yield* this.#plain
    for (const { priority, groups } of this.#others) if (priority < 0) yield* groups
  }
}

function setOf(map: Map<string, PassingSet<string>>, key: string): PassingSet<string> {
  let set = map.get(key)
  if (set === undefined) {
    set = new PassingSet()
    map.set(key, set)
  }
  return set
}
