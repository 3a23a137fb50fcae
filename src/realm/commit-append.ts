/** One commit as the next turn of a subject of its own (realm, agent, site, instruction …), behind exactly the turn that was read last (I5). */
import type { RecordedEvent } from '../../machines/events.ts'
import { appendTurn } from '../../streams/append.ts'
import { decodeTurn, digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Commit, type Turn, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'

export interface CommitContext {
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly signal?: AbortSignal
}

/** The realm's stream is of another incarnation than this program's: it has to stop (P12). */
export class WrongIncarnation extends Error {
  override readonly name = 'WrongIncarnation'
  readonly retryable = false
}

/** What the next turn behind another is bound to. */
export interface NextTurn {
  /** Position of the turn before; 0 where there is none. */
  readonly expectedLast: number
  readonly number: number
  readonly previous: string
  /** The writer's clock, never less than that of the turn before; integer milliseconds since the Unix epoch. */
  readonly timeMs: number
}

export function turnAfter(last: StoredMessage | undefined, nowMs: number): NextTurn {
  if (last === undefined) return { expectedLast: 0, number: 1, previous: firstDigest, timeMs: nowMs }
  const before = decodeTurn(last.bytes)
  return { expectedLast: last.position, number: before.number + 1, previous: digestOf(last.bytes), timeMs: Math.max(nowMs, before.timeMs) }
}

export type CommitAppended<E extends RecordedEvent> =
  | { readonly kind: 'landed'; readonly position: number; readonly turn: Turn<E> }
  /** Somebody else wrote there: read and decide again. */
  | { readonly kind: 'conflict' }
  /** The context's signal came first; the write may have landed. */
  | { readonly kind: 'stopped' }

/** Throws `WrongIncarnation`, `Unavailable`. */
export async function appendCommit<E extends RecordedEvent>(
  { log, clock, random, signal }: CommitContext,
  subject: string,
  { expectedLast, ...next }: NextTurn,
  commit: Commit<E>,
): Promise<CommitAppended<E>> {
  const turn: Turn<E> = { turn: newUlid(clock.nowMs(), random), schema: schemaVersion, incarnation: log.incarnation, ...next, commits: [commit] }
  const outcome = await appendTurn(log, clock, { subject, bytes: encodeTurn(turn), turn: turn.turn, expectedLast, ...(signal === undefined ? {} : { signal }) })
  if (outcome.kind === 'wrong-incarnation') throw new WrongIncarnation(`the realm has a newer incarnation than ${log.incarnation}: start this program again`)
  return outcome.kind === 'landed' ? { kind: 'landed', position: outcome.position, turn } : outcome
}
