/** Folding a lane from the log, in slices short enough that presence and other lanes are never late by it (P8). */
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { decodeTurn, digestOf } from '../../streams/codec.ts'
import { type Turn, firstDigest } from '../../streams/envelope.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import type { AppendedTurn, LaneTail } from './holding.ts'

/** P8. */
const sliceMs = 10
/** P9: turns that a new holder says again on the feed. */
export const feedAgainTurns = 100

export interface FoldedLane {
  state: LaneState
  readonly tail: LaneTail
  /** The last turns, oldest first. */
  readonly recent: AppendedTurn[]
}

export function unfoldedLane(lane: string, constants: RealmConstants): FoldedLane {
  return { state: emptyLane(lane, constants), tail: { position: 0, digest: firstDigest }, recent: [] }
}

/** What is known of a lane whose turns up to `missing` are not in the log any more: at least all of those. Undefined where no archive has them. */
export type BeginningOf = (missing: number, signal: AbortSignal) => Promise<Pick<FoldedLane, 'state' | 'tail'> | undefined>

/**
 * Goes on from where `folded` stands to the end of the lane; once `signal` has aborted nothing more is folded. Turns that were archived are
 * folded in the snapshot of `beginningOf`. Throws `MalformedTurn`, `Unavailable`, and what `beginningOf` throws.
 */
export async function foldOn(log: EventLog, clock: Clock, subject: string, folded: FoldedLane, signal: AbortSignal, beginningOf?: BeginningOf): Promise<void> {
  const last = await log.last(subject)
  if (last === undefined || last.position <= folded.tail.position) return
  let sliceEndsMs = clock.monotonicMs() + sliceMs
  let begun = 0
  for await (const batch of log.read({ subjects: [subject], from: folded.tail.position + 1, until: last.position, signal })) {
    for (const message of batch) {
      if (signal.aborted) return
      const turn = decodeTurn(message.bytes)
      if (turn.number > folded.state.number + 1 && beginningOf !== undefined) {
        const beginning = await beginningOf(turn.number - 1, signal)
        if (signal.aborted) return
        if (beginning !== undefined) {
          folded.state = beginning.state
          folded.tail.position = beginning.tail.position
          folded.tail.digest = beginning.tail.digest
          folded.recent.length = 0
          begun = beginning.state.number
        }
      }
      // A purge that was cut off: it is in the snapshot.
      if (turn.number <= begun) continue
      take(folded, message, turn)
      if (clock.monotonicMs() < sliceEndsMs) continue
      await pause(clock, 0, signal)
      sliceEndsMs = clock.monotonicMs() + sliceMs
    }
  }
}

/** One more turn of the lane, in order. */
export function foldMessage(folded: FoldedLane, message: StoredMessage): void {
  take(folded, message, decodeTurn(message.bytes))
}

function take(folded: FoldedLane, message: StoredMessage, turn: Turn): void {
  foldTurn(folded.state, turn)
  folded.tail.position = message.position
  folded.tail.digest = digestOf(message.bytes)
  folded.recent.push({ position: message.position, timeMs: turn.timeMs, number: turn.number, commits: turn.commits })
  if (folded.recent.length > 2 * feedAgainTurns) folded.recent.splice(0, folded.recent.length - feedAgainTurns)
}
