/**
 * A lane: a part of the log with one writer at a time (DESIGN §2). Which instance that is, is what the last `LaneTaken`
 * says; JetStream's conditional append made it true (P1, P2).
 */
import { createMachine } from 'xstate'
import type { Reason } from '../execution-group/events.ts'
import { tableOf } from '../transition-table.ts'

export type LanePhase = 'free' | 'held'

export type LaneEvent =
  | { readonly type: 'LaneTaken'; readonly data: { readonly agent: string; readonly instance: string } }
  | {
      readonly type: 'LaneReleased'
      /** `reason`: where the holder could not fold or could not go on (P1). */
      readonly data: { readonly agent: string; readonly instance: string; readonly reason?: Reason }
    }
  /** A command given up by its asker is settled: it was not carried out, and will not be (P15). */
  | { readonly type: 'CommandWithdrawn'; readonly data: { readonly command: string } }
  /** The answer to a command that changed nothing: whoever repeats it gets the same (P15). Refusals are events too (DESIGN §2). */
  | {
      readonly type: 'CommandRefused'
      readonly data: { readonly command: string; readonly group: string; readonly code: string; readonly text: string }
    }
  /** Since format 2. Its oldest turns are in a verified file; they leave the log after this. */
  | { readonly type: 'LaneArchived'; readonly data: LaneArchive }

/** A part of a lane that is in a file. */
export interface LaneArchive {
  /** First and last lane number in it. */
  readonly from: number
  readonly number: number
  /** Digest of the stored bytes of turn `number`: the chain goes on from it. */
  readonly turn: string
  /** SHA-256 of the file. */
  readonly file: string
  /** SHA-256 of the snapshot in it: the lane after turn `number`. */
  readonly snapshot: string
}

export type LaneEventType = LaneEvent['type']

export const laneMachine = createMachine({
  id: 'lane',
  initial: 'free',
  states: {
    free: { on: { LaneTaken: 'held' } },
    // Taken from a holder that is lost, or that does not release in time.
    held: { on: { LaneTaken: 'held', LaneReleased: 'free', CommandWithdrawn: 'held', CommandRefused: 'held', LaneArchived: 'held' } },
  },
})

export const laneTable = tableOf<LanePhase, LaneEventType>(laneMachine)
