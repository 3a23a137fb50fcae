/**
 * Everything of the agent coordinator [108] that a program of Reeve uses, behind one connection.
 */
import type { Alarms } from './alarms.ts'
import type { Bucket } from './bucket.ts'
import type { Bus } from './bus.ts'
import type { ConnectionEnds } from './ends.ts'
import type { EventLog, Intake } from './event-log.ts'

/** What is stored under a digest does not have it. */
export class Damaged extends Error {
  override readonly name = 'Damaged'
  readonly retryable = false
  readonly digest: string
  constructor(digest: string) {
    super(`the stored text ${digest} does not have that digest: restore it from a backup`)
    this.digest = digest
  }
}

/** Long texts by their SHA-256 in lower-case hex (P16). Immutable; not rebuildable. */
export interface TextStore {
  /** Acknowledged before it returns; a text that is already there is not written again. Throws `Unavailable`. */
  put(bytes: Uint8Array): Promise<string>
  /** As `put` of each, at the price of few syncs of the disk: for whoever imports. One at a time uses it. */
  putMany(texts: readonly Uint8Array[]): Promise<void>
  /** Undefined where no such text is; throws `Damaged` where what is stored does not have the digest. */
  get(digest: string): Promise<Uint8Array | undefined>
}

/**
 * Snapshots by name (`<realm>_snapshots`). Rebuildable (I11): whoever reads one checks its digest, and does without where there is
 * none. Every method throws `Unavailable`.
 */
export interface SnapshotStore {
  /** In the place of what had that name. */
  put(name: string, bytes: Uint8Array): Promise<void>
  get(name: string): Promise<Uint8Array | undefined>
  /** Nothing of that name is left; idempotent. */
  remove(name: string): Promise<void>
  /** All there are, sorted. */
  names(): Promise<readonly string[]>
}

/** What is known of the durability of the log (I8): never `ok` on a guess. */
export type Durability =
  | { readonly level: 'synced' }
  | { readonly level: 'weak'; readonly why: string }
  /** `unanswered`: who would say it is known, and does not answer now. */
  | { readonly level: 'unknown'; readonly why: string; readonly unanswered?: true }

/** Which of several servers of one realm this connection goes to [508], where there are several. */
export interface CoordinatorPlace {
  /** Server that it is connected to, or was last. */
  readonly url: string
  /** Null where nobody said. */
  readonly region: string | null
  /** It is one of those that were named, and none nearer was. */
  readonly nearest: boolean
  /** A nearer one answers, has room, and holds the same realm. Never throws. */
  nearerAnswers(): Promise<boolean>
  /** Disconnects, and connects to the nearest that answers. */
  moveNearer(): void
}

export interface Coordinator {
  readonly log: EventLog
  readonly bus: Bus
  readonly texts: TextStore
  readonly snapshots: SnapshotStore
  /** `<realm>_lease` */
  readonly lease: Bucket
  /** `<realm>_agents`: presence of instances, and one key per agent naming its present instance (P20). */
  readonly agents: Bucket
  /** `<realm>_config` */
  readonly config: Bucket
  /** `<realm>_mappings` */
  readonly mappings: Bucket
  /** Stream SCHEDULES. */
  readonly alarms: Alarms
  readonly durability: Durability
  readonly place?: CoordinatorPlace
  /** Where the coordinator tells them. */
  readonly ends?: ConnectionEnds
  /** Where it is known. */
  readonly intake?: Intake
  /** Idempotent. Nothing of this coordinator is heard from afterwards. */
  close(): Promise<void>
}
