/** Folding a lane from the log, in slices short enough that presence and other lanes are never late by it (P8). */
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { decodeTurn, digestOf } from '../../streams/codec.ts'
import { type Turn, firstDigest } from '../../streams/envelope.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import type { AppendedTurn, LaneTail } from './holding.ts'
import { type Pace, Slices, briskPace } from './slices.ts'

/** What is read ahead: the server hands out half of it in one go, and whoever appends there waits that long. */
const ahead = { aheadMessages: 256, aheadBytes: 2 * 1024 * 1024 } as const
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
export async function foldOn(log: EventLog, clock: Clock, subject: string, folded: FoldedLane, signal: AbortSignal, beginningOf?: BeginningOf, pace: Pace = briskPace): Promise<void> {
  const last = await log.last(subject)
  if (last === undefined || last.position <= folded.tail.position) return
  const slices = new Slices(clock, signal, pace)
  let begun = 0
  /** Its digest is the tail's from the next wait on: nobody sees the tail before, and one a turn would be a tenth of the whole work. */
  let tail: StoredMessage | undefined
  const settleTail = () => {
    if (tail !== undefined) folded.tail.digest = digestOf(tail.bytes)
    tail = undefined
  }
  for await (const batch of log.read({ subjects: [subject], from: folded.tail.position + 1, until: last.position, ...ahead, signal })) {
    try {
      for (const message of batch) {
        if (signal.aborted) return
        const turn = decodeTurn(message.bytes)
        if (turn.number > folded.state.number + 1 && beginningOf !== undefined) {
          settleTail()
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
        tail = message
        if (!slices.over) continue
        settleTail()
        await slices.rest()
      }
    } finally {
      settleTail()
    }
  }
}

/** One more turn of the lane, in order. */
export function foldMessage(folded: FoldedLane, message: StoredMessage): void {
  take(folded, message, decodeTurn(message.bytes))
  folded.tail.digest = digestOf(message.bytes)
}

/** All but the tail's digest. */
function take(folded: FoldedLane, message: StoredMessage, turn: Turn): void {
  foldTurn(folded.state, turn)
  folded.tail.position = message.position
  folded.recent.push({ position: message.position, timeMs: turn.timeMs, number: turn.number, commits: turn.commits })
  if (folded.recent.length > 2 * feedAgainTurns) folded.recent.splice(0, folded.recent.length - feedAgainTurns)
}
