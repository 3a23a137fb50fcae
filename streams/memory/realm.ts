/**
 * The realm in memory: what the NATS servers are to the JetStream adapter. `connect` gives the same ports.
 *
 * Owns the stored log, the buckets, the texts, all subscriptions and every client's reach. Invariants:
 * 1. All delays go through the realm's clock and all choices through its random source: equal seeds, equal runs.
 * 2. What has no delay happens in the order in which it was asked for, each in a microtask of its own.
 * 3. A position is given once, in order, and its message never changes.
 */
import type { Clock, Random } from '../ports/clock.ts'
import type { Bucket } from '../ports/bucket.ts'
import type { LinkState } from '../ports/bus.ts'
import type { Coordinator, Durability, TextStore } from '../ports/coordinator.ts'
import { type Incarnations, WrittenMeanwhile } from '../ports/incarnations.ts'
import type { BucketKind } from '../subjects.ts'
import { bucketKinds, subjectsOf } from '../subjects.ts'
import { MemoryAlarms, StoredAlarms } from './alarms.ts'
import { MemoryBucket, StoredBucket } from './bucket.ts'
import { MemoryBus, Switchboard } from './bus.ts'
import type { MemoryFaults, Reach } from './faults.ts'
import { MemoryEventLog, StoredLog } from './event-log.ts'
import { MemoryNextIncarnation } from './next-incarnation.ts'
import { MemorySnapshotStore } from './snapshot-store.ts'
import { MemoryTextStore } from './text-store.ts'

export interface MemoryRealmOptions {
  readonly realm: string
  /** The server's clock: stamps, expiry and every delay. */
  readonly clock: Clock
  readonly random: Random
  readonly faults?: MemoryFaults
  readonly incarnation?: number
  /** After which a client gives up waiting for an answer, milliseconds; 5,000 when absent. */
  readonly answerTimeoutMs?: number
  readonly durability?: Durability
}

export interface ConnectInMemory {
  /** Tells clients apart in faults; unique among those connected. */
  readonly name: string
  /** The client's own clock (it may drift); measures its time-outs. */
  readonly clock: Clock
}

/** What of the realm its ports need. */
export interface MemoryNetwork {
  readonly clock: Clock
  readonly random: Random
  readonly faults: MemoryFaults
  readonly answerTimeoutMs: number
  /** Runs `task` after `delayMs` on the realm's clock; in a microtask where there is no delay. */
  later(delayMs: number | undefined, task: () => void): void
}

/** One client as its ports see it. */
export interface MemoryLink {
  readonly name: string
  readonly clock: Clock
  readonly network: MemoryNetwork
  /** Nothing gets through unless `connected`. */
  reach(): Reach
  /** What the client believes. */
  state(): LinkState
  readonly closed: boolean
  /** Called after each change of reach, and once at the end. Returns how to stop. */
  onChange(listener: () => void): () => void
}

export class MemoryRealm {
  readonly #network: MemoryNetwork
  readonly #clients = new Map<string, Client>()
  readonly #log: StoredLog
  readonly #switchboard: Switchboard
  readonly #buckets: Readonly<Record<BucketKind, StoredBucket>>
  readonly #alarms: StoredAlarms
  readonly #texts = new Map<string, Uint8Array>()
  readonly #snapshots = new Map<string, Uint8Array>()
  readonly #durability: Durability
  #down = false

  constructor(options: MemoryRealmOptions) {
    const { clock, random } = options
    const subjects = subjectsOf(options.realm)
    this.#network = {
      clock,
      random,
      faults: options.faults ?? {},
      answerTimeoutMs: options.answerTimeoutMs ?? 5_000,
      later(delayMs, task) {
        if (delayMs === undefined || delayMs <= 0) queueMicrotask(task)
        else clock.after(delayMs, task)
      },
    }
    this.#log = new StoredLog(clock, options.incarnation ?? 1)
    this.#switchboard = new Switchboard(this.#network)
    const bucket = (kind: BucketKind) => new StoredBucket(subjects.bucketName(kind), clock)
    this.#buckets = Object.fromEntries(bucketKinds.map((kind) => [kind, bucket(kind)])) as Record<BucketKind, StoredBucket>
    this.#alarms = new StoredAlarms(clock)
    this.#durability = options.durability ?? { level: 'synced' }
  }

  /** Throws where a client of that name is connected already. */
  connect(options: ConnectInMemory): Coordinator {
    if (this.#clients.has(options.name)) throw new Error(`a client named ${options.name} is connected to this realm already`)
    const client = new Client(options, this.#network)
    if (this.#down) client.setReach('disconnected')
    this.#clients.set(options.name, client)
    const bus = new MemoryBus(client, this.#switchboard)
    const bucket = (kind: BucketKind): Bucket => new MemoryBucket(client, this.#buckets[kind])
    const texts: TextStore = new MemoryTextStore(client, this.#texts)
    return {
      log: new MemoryEventLog(client, this.#log),
      bus,
      texts,
      snapshots: new MemorySnapshotStore(client, this.#snapshots),
      lease: bucket('lease'),
      agents: bucket('agents'),
      config: bucket('config'),
      mappings: bucket('mappings'),
      alarms: new MemoryAlarms(client, this.#alarms),
      durability: this.#durability,
      close: async () => {
        if (this.#clients.get(options.name) === client) this.#clients.delete(options.name)
        client.close()
        bus.close()
      },
    }
  }

  /** For who imports or restores. */
  incarnations(options: ConnectInMemory): Incarnations {
    const coordinator = this.connect(options)
    const client = this.#clients.get(options.name)!
    const stored = this.#log
    return {
      whole: async () => (stored.end() === 0 ? undefined : { incarnation: stored.incarnation, turns: stored.end(), log: new MemoryEventLog(client, stored) }),
      presences: () => coordinator.agents.entries(),
      texts: async () => coordinator.texts,
      begin: async (incarnation) =>
        new MemoryNextIncarnation(this.#network.clock, incarnation, (next, formerEnd) => {
          if (stored.end() !== formerEnd) throw new WrittenMeanwhile(`the log goes on to position ${stored.end()}, ${formerEnd} was taken over`)
          for (const kind of bucketKinds) this.wipe(kind)
          this.#snapshots.clear()
          this.deleteAlarms()
          stored.become(next)
        }),
      close: () => coordinator.close(),
    }
  }

  /** Cuts off or joins one client. Unknown names are ignored: the client may just have closed. */
  setReach(name: string, reach: Reach): void {
    this.#clients.get(name)?.setReach(reach)
  }

  /** The server is gone: everybody is disconnected, what was stored stays, time to live runs on. */
  stop(): void {
    this.#down = true
    this.#alarms.setDown(true)
    for (const client of this.#clients.values()) client.setReach('disconnected')
  }

  start(): void {
    this.#down = false
    for (const client of this.#clients.values()) client.setReach('connected')
    this.#alarms.setDown(false)
  }

  /** As after an import or a restore (P12): who is connected to the former incarnation cannot append any more. */
  raiseIncarnation(): number {
    return this.#log.raiseIncarnation()
  }

  /** As after a restore from which something else came back (P11): invariant 3 does not hold for this message. */
  replaceMessage(position: number, bytes: Uint8Array): void {
    this.#log.replace(position, bytes)
  }

  /** Deletes every alarm: they are derived (I11). */
  deleteAlarms(): void {
    this.#alarms.cancelAll()
  }

  /** Deletes every key of a bucket, as somebody may at any time (I11). */
  wipe(kind: BucketKind): void {
    for (const { key, slot } of this.#buckets[kind].slots()) if (slot.entry !== undefined) this.#buckets[kind].write(key, undefined)
  }

  /** A person deletes the whole bucket; whoever uses its port may `ensure` it. */
  deleteBucket(kind: BucketKind): void {
    this.#buckets[kind].delete()
  }

  /** Removes messages up to and including `upTo` of one subject, as archiving does. */
  purge(subject: string, upTo: number): void {
    this.#log.purge(subject, upTo)
  }
}

class Client implements MemoryLink {
  readonly name: string
  readonly clock: Clock
  readonly network: MemoryNetwork
  closed = false
  #reach: Reach = 'connected'
  #state: LinkState = 'connected'
  readonly #listeners = new Set<() => void>()

  constructor(options: ConnectInMemory, network: MemoryNetwork) {
    this.name = options.name
    this.clock = options.clock
    this.network = network
  }

  reach(): Reach {
    return this.closed ? 'disconnected' : this.#reach
  }

  state(): LinkState {
    return this.#state
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setReach(reach: Reach): void {
    if (this.closed || reach === this.#reach) return
    this.#reach = reach
    if (reach !== 'silent') this.#state = reach
    // Also into silence, of which the client's program learns nothing, but its followers must know that they miss something.
    this.#tell()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.#state = 'disconnected'
    this.#tell()
    this.#listeners.clear()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
