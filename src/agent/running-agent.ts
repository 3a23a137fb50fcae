/** One agent as who runs it sees it: what it is given, how it is stopped, how it ends. `agent.ts` is behind it. */
import type { RealmConstants, RealmState } from '../../machines/realm/realm.ts'
import type { AgentDescription } from '../../streams/agent-messages.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { ElectionTimes } from '../election/election.ts'
import type { ExecutorFailpoint } from '../executor/held-grant.ts'
import type { HolderFailpoint } from '../lane/holding.ts'
import type { LaneHost } from '../lane/host.ts'
import type { BalanceTimes } from '../leader/lane-placing.ts'
import type { SnapshotTimes } from '../leader/snapshot-cutter.ts'
import type { LockAsking } from '../executor/executor.ts'
import type { Keeper } from '../presence/keeper.ts'
import type { MachineTransition } from '../process/host.ts'
import type { SiteAdapter } from '../sites/adapter.ts'
import type { AgentIdentity, LaneHosting, Logger } from './context.ts'

export interface AgentOptions extends AgentIdentity {
  readonly realmName: string
  readonly coordinator: Coordinator
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** `--accept-weak-durability` (I8). */
  readonly acceptWeakDurability: boolean
  /** Random id of the realm that this data folder belongs to (P20). */
  readonly expectedRealm?: string
  /** Only taken by the program that founds the realm. */
  readonly constants?: RealmConstants
  /** `--newest-format`; default: all that this build knows. */
  readonly newestFormat?: number
  /** How it asks for locks; default: by credit. */
  readonly locks?: LockAsking
  /** Renews presence and lease; on this thread with this coordinator when absent (P8). */
  readonly keeper?: Keeper
  readonly electionTimes?: ElectionTimes
  readonly snapshotTimes?: SnapshotTimes
  /** Default: `defaultBalanceTimes`. */
  readonly balanceTimes?: BalanceTimes
  /** Besides those on the bus. */
  readonly onTransition?: (transition: MachineTransition) => void
  readonly within?: AgentWithin
}

/** Where the simulation looks on and strikes (DESIGN §5 "Simulation"); programs give none of it. */
export interface AgentWithin {
  /** Sites of its own world instead of real ones. Throws `UnknownSiteKind`. */
  readonly adapterOf?: (kind: string) => SiteAdapter
  /** Stands between the executor and the lanes of the same process. */
  readonly lanes?: (lanes: LaneHost) => LaneHosting
  readonly failpoint?: (name: HolderFailpoint | ExecutorFailpoint) => Promise<void>
}

export type AgentEnd =
  | { readonly kind: 'graceful' }
  | { readonly kind: 'forced' }
  | { readonly kind: 'crashed' }
  /** P20: a later process is this agent now. */
  | { readonly kind: 'replaced'; readonly by: string }
  /** It cannot go on; `error` says why in one line. */
  | { readonly kind: 'failed'; readonly error: Error }

export interface RunningAgent {
  readonly agent: string
  /** The realm as it was read when this agent joined it. Rejects when it ends before. */
  readonly joined: Promise<RealmState>
  /** Present, with its configuration, and taking part. Rejects when it ends before. */
  readonly ready: Promise<void>
  /** Never rejects. */
  readonly ended: Promise<AgentEnd>
  readonly instance: string
  /** Epoch while it leads. */
  readonly leading: number | undefined
  readonly held: readonly string[]
  describe(): AgentDescription
  /** Graceful. Resolves at the end; idempotent. */
  stop(): Promise<AgentEnd>
  /** Aborts calls and ends without waiting for anybody; presence and lanes are found lost by others. */
  force(): Promise<AgentEnd>
  /** Ends as `kill -9` does: nothing more is written or said. For the simulation. */
  crash(): Promise<AgentEnd>
}

export class CannotGoOn extends Error {
  override readonly name = 'CannotGoOn'
  readonly retryable = true
}
