/**
 * What the parts of an agent process are given, and how they know each other. `src/agent/agent.ts` puts them together;
 * the simulation does the same with virtual ports.
 */
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import type { MachineState } from '../../streams/agent-messages.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { ExecutorRole } from '../../streams/coordination.ts'
import type { AssignedMessage, GrantsMessage, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { RealmStanding } from '../realm/standing.ts'
import type { SiteConnection } from '../sites/adapter.ts'

/** Constant message plus fields (levels: docs/logging.md). The part of pino that is used. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface AgentIdentity {
  readonly agent: string
  readonly role: AgentRole
  readonly region: string
  /** Kinds of sites that it has the skill for; empty for most generic agents. */
  readonly skills: readonly string[]
  readonly build: string
}

export interface AgentContext extends AgentIdentity {
  readonly coordinator: Coordinator
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly constants: RealmConstants
  /** Format and quarantine, as they are now. */
  readonly realm: RealmStanding
  /** Newest format of the realm that this program goes along with. */
  readonly newestFormat: number
  readonly logger: Logger
}

/** What presence and executor need: of an agent, or of a service that carries out its `direct` changes itself. */
export type ExecutorContext = Omit<AgentContext, 'role'> & { readonly role: ExecutorRole }

/** Presence of this process's instance (P17, P18), seen from the parts that depend on it. */
export interface Presence {
  /** The present instance id; changes when a presence was lost. */
  readonly instance: string
  /** Creation of the present instance's key was acknowledged: locks may be asked for (P17). */
  readonly acknowledged: boolean
  /** P18: within 0.9 presence times of the sending of the last acknowledged renewal of this very instance. */
  mayStartCall(instance: string): boolean
  /** Called with the new instance id after the old one was lost. Returns how to stop listening. */
  onNewInstance(listener: (instance: string, former: string) => void): () => void
}

/** Connections to sites by their id, opened when first needed. */
export interface SiteDirectory {
  /** Undefined while the site is not known to this process, or its kind needs an adapter that it lacks. */
  connection(site: string): SiteConnection | undefined
}

export interface LocalListener {
  grants(message: GrantsMessage): void
  assigned(message: AssignedMessage): void
}

/** Lanes that this process holds. */
export interface LaneHosting {
  /** Lanes held now. */
  readonly held: readonly string[]
  /** State of the machine of each lane that was ever mapped to this agent. */
  readonly phases: readonly (readonly [lane: string, phase: MachineState])[]
  /** An exchange with the holder of the lane where that is this very process; undefined where it is not. */
  workHere(lane: string, request: WorkRequest): Promise<WorkAnswer> | undefined
  /** Grants and assignments for this very process do not travel over the bus. */
  listenHere(listener: LocalListener): void
  /** P15: while false, it takes no lane and releases what it holds. */
  setClockTrusted(trusted: boolean): void
  /**
   * Finishes the turn in hand, appends `LaneReleased` to each, and takes nothing any more. Holds on before that while a grant is open in
   * a lane that no successor asks for, at most `holdOnMs` (default 0). Idempotent.
   */
  release(holdOnMs?: number): Promise<void>
  /** Ends without a word, as a crash does; nothing is heard from it afterwards. */
  abandon(): void
}

export interface Executing {
  /** Jobs in its queue (assigned), and grants that it holds. */
  readonly load: { readonly queued: number; readonly held: number }
  /** Called when the queue goes from empty to not empty and back: the life cycle's watch [530] and running [532]. */
  onQueue(listener: (state: 'empty' | 'waiting') => void): () => void
  /** Takes nothing new, finishes the calls that run, gives the rest back, and returns when all that is acknowledged. */
  drain(): Promise<void>
  /** Whether the agent works, as its life cycle says: while not, no room is offered, no call starts, and what was not begun is given back; what runs ends by itself. */
  setWorking(works: boolean): void
  /** Most grants of one lane held at once, from now on [541]. */
  setCapacity(perLane: number): void
  /** No new call is started, running ones are aborted; outcomes are kept until `drain` or the end. */
  abandon(): void
}
