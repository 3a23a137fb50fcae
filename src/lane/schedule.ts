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

/** What one group has here: changed in place, and dropped when it has nothing any more. */
interface Standing {
  /** Whose open grant it has; of a group with an order. */
  instance: string | undefined
  /** In whose list it stands; one of order `graph`, or without order, may wait for several agents. */
  listed: string | readonly string[] | undefined
  /** By which it is listed. */
  priority: number
  /** The list that its entries in `#queued` were made from. */
  assignments: GroupState['assignments']
}

export class Schedule {
  /** By agent. */
  readonly #runnable = new Map<string, Waiting>()
  /** Of every group that has something here. */
  readonly #standings = new PassingMap<string, Standing>()
  /** By instance: groups with an order. */
  readonly #openGrants = new Map<string, PassingSet<string>>()
  /** How many groups all of those are. */
  #granted = 0
  readonly #unordered = new UnorderedGrants()
  /** By agent: unfinished groups with jobs in its queue. */
  readonly #queued = new Map<string, PassingSet<string>>()
  /** By agent: its present instance as far as it has been heard from. */
  readonly #executors = new Map<string, Executor>()

  /** To be called after every change of the group; `events`, the last of which is its present revision, are what changed it. */
  update(group: GroupState, events?: readonly GroupEvent[]): void {
    if (group.order === 'none') this.#updateUnordered(group, events)
    else this.#follow(group)
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
      for (const event of events!) if (event.type === 'LockGranted' && !hasReady(group.unordered!, event.data.agent)) this.#follow(group)
      return
    }
    if (!canGiveBack(group)) this.#unordered.read(group)
    this.#follow(group)
  }

  #follow(group: GroupState): void {
    const { group: id, grant, assignments } = group
    const instance = grant !== null && canGiveBack(group) ? grant.instance : undefined
    const listed = waitingFor(group)
    let standing = this.#standings.get(id)
    if (standing === undefined) {
      if (instance === undefined && listed === undefined && assignments.length === 0) return
      standing = { instance: undefined, listed: undefined, priority: 0, assignments: [] }
      this.#standings.set(id, standing)
    }
    if (standing.instance !== instance) this.#turnGrant(id, standing, instance)
    if (standing.assignments !== assignments) this.#turnQueue(id, standing, assignments)
    // A list of agents is another each time: a group that waits for several goes behind the others of its priority.
    if (standing.listed !== listed || (listed !== undefined && standing.priority !== group.priority)) this.#turnList(id, standing, listed, group.priority)
    if (instance === undefined && listed === undefined && assignments.length === 0) this.#standings.delete(id)
  }

  /** A group without order that has more for the agent goes behind the others that wait for it. */
  putLast(agent: string, group: string): void {
    const standing = this.#standings.get(group)
    if (standing?.listed?.includes(agent) !== true) return
    const waiting = this.#runnable.get(agent)
    waiting?.delete(group, standing.priority)
    waiting?.add(group, standing.priority)
  }

  #turnGrant(id: string, standing: Standing, instance: string | undefined): void {
    if (standing.instance !== undefined) {
      this.#openGrants.get(standing.instance)!.delete(id)
      this.#granted -= 1
    }
    standing.instance = instance
    if (instance === undefined) return
    setOf(this.#openGrants, instance).add(id)
    this.#granted += 1
  }

  #turnQueue(id: string, standing: Standing, assignments: GroupState['assignments']): void {
    for (const { agent } of standing.assignments) this.#queued.get(agent)!.delete(id)
    standing.assignments = assignments
    for (const { agent } of assignments) setOf(this.#queued, agent).add(id)
  }

  #turnList(id: string, standing: Standing, listed: string | readonly string[] | undefined, priority: number): void {
    const before = standing.listed
    if (typeof before === 'string') this.#runnable.get(before)!.delete(id, standing.priority)
    else if (before !== undefined) for (const agent of before) this.#runnable.get(agent)!.delete(id, standing.priority)
    standing.listed = listed
    standing.priority = priority
    if (typeof listed === 'string') this.#waiting(listed).add(id, priority)
    else if (listed !== undefined) for (const agent of listed) this.#waiting(agent).add(id, priority)
  }

  #waiting(agent: string): Waiting {
    let waiting = this.#runnable.get(agent)
    if (waiting === undefined) this.#runnable.set(agent, (waiting = new Waiting()))
    return waiting
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
    return this.#granted > 0 || this.#unordered.any
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
  readonly #others: { readonly priority: number; readonly groups: PassingSet<string> }[] = []

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

  #level(priority: number): PassingSet<string> {
    const known = this.#others.find((one) => one.priority === priority)
    if (known !== undefined) return known.groups
    const groups = new PassingSet<string>()
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
