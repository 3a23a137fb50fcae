/** One time of holding a lane as who starts it sees it: what the holder is given, what it tells, how it ends. `holder.ts` is behind it. */
import type { LaneState } from '../../machines/lane/state.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import type { Commit } from '../../streams/envelope.ts'
import type { AssignedMessage, GrantsMessage } from '../../streams/lane-protocol.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import type { Logger } from '../agent/context.ts'
import type { RealmStanding } from '../realm/standing.ts'

/** Last message of the lane's subject, as far as this process has folded or written. */
export interface LaneTail {
  position: number
  digest: string
}

export interface AppendedTurn {
  readonly position: number
  readonly timeMs: number
  readonly number: number
  readonly commits: readonly Commit[]
  /** JSON of each, where this process wrote the turn. */
  readonly commitTexts?: readonly string[]
}

/** Why holding ended by itself. */
export type HoldingEnded = 'replaced' | 'wrong-incarnation' | 'archived' | 'unknown-type'

export interface HolderOptions {
  readonly lane: LaneState
  readonly tail: LaneTail
  readonly agent: string
  /** The instance that the lane's `LaneTaken` names. */
  readonly instance: string
  readonly log: EventLog
  readonly subject: string
  readonly clock: Clock
  readonly random: Random
  readonly constants: RealmConstants
  readonly realm: RealmStanding
  readonly openDeadlineMs: number
  readonly logger: Logger
  /** Acknowledged turns, in order, before any answer leaves. */
  readonly onTurn: (turn: AppendedTurn) => void
  readonly sendGrants: (agent: string, message: GrantsMessage) => void
  readonly sendAssigned: (agent: string, message: AssignedMessage) => void
  readonly onEnded: (why: HoldingEnded) => void
  readonly failpoint?: (name: HolderFailpoint) => Promise<void>
}

/** Named places before and after the commit point, where the simulation kills (DESIGN §5 "Simulation"). */
export type HolderFailpoint = 'turn-before-append' | 'turn-after-append' | 'turn-after-answers'
