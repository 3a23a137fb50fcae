/**
 * One turn into the log, whatever happens on the way (I5, P11). Above both adapters: an adapter reports what is known of
 * one attempt; this decides what became of the turn.
 *
 * Guarantees: the same bytes with the same expectation are sent until their fate is known. `landed` is said only of
 * what the log acknowledged or holds; `conflict` only when other messages, and not this turn, stand where it was to stand.
 */
import { MalformedTurn, decodeTurn } from './codec.ts'
import type { Clock } from './ports/clock.ts'
import { pause } from './ports/clock.ts'
import type { EventLog, StoredMessage } from './ports/event-log.ts'
import { LogMissing, Unavailable } from './ports/event-log.ts'

export interface AppendTurn {
  readonly subject: string
  /** `encodeTurn` of the turn; repeated as they are (P11). */
  readonly bytes: Uint8Array
  /** Id within those bytes. */
  readonly turn: string
  /** Position of the last message on the subject, 0 for none. */
  readonly expectedLast: number
  /** Ends the waiting and repeating; an attempt whose answer is outstanding is waited for. */
  readonly signal?: AbortSignal
}

export type TurnOutcome =
  /** Durable (I8). */
  | { readonly kind: 'landed'; readonly position: number }
  /** Others wrote first and this turn did not land. `last` is the subject's last message as read then. Read, fold, decide again. */
  | { readonly kind: 'conflict'; readonly last: StoredMessage | undefined }
  /** P12: the program must stop. */
  | { readonly kind: 'wrong-incarnation' }
  /** The signal came before the fate was known: the turn may have landed. */
  | { readonly kind: 'stopped' }

/** First and longest wait between attempts, milliseconds; doubled in between. */
export const appendBackoffMs = { first: 20, longest: 2_000 } as const

export async function appendTurn(log: EventLog, clock: Clock, request: AppendTurn): Promise<TurnOutcome> {
  const { subject, bytes, expectedLast, signal } = request
  let backoffMs: number = appendBackoffMs.first
  const waitLonger = async () => {
    await pause(clock, backoffMs, signal)
    backoffMs = Math.min(backoffMs * 2, appendBackoffMs.longest)
  }

  while (!signal?.aborted) {
    const outcome = await log.append({ subject, bytes, expectedLast })
    switch (outcome.kind) {
      case 'landed':
        return { kind: 'landed', position: outcome.position }
      case 'wrong-incarnation':
        return { kind: 'wrong-incarnation' }
      // 10164: a write is in flight on this subject, perhaps an earlier attempt of ours.
      case 'busy':
      case 'unavailable':
        await waitLonger()
        break
      // A conflict may be with an earlier attempt of ours that landed late, or that came twice: only the log says.
      case 'conflict':
      case 'indeterminate': {
        const fate = await fateOf(log, request, waitLonger)
        if (fate.kind !== 'absent') return fate
        await waitLonger()
        break
      }
      default:
        outcome satisfies never
    }
  }
  return { kind: 'stopped' }
}

type Fate = TurnOutcome | { readonly kind: 'absent' }

/** What the subject holds after `expectedLast`, read from the stream's leader; asks until there is an answer. */
async function fateOf(log: EventLog, request: AppendTurn, waitLonger: () => Promise<void>): Promise<Fate> {
  while (!request.signal?.aborted) {
    try {
      return await readFate(log, request)
    } catch (error) {
      // The log that it may have landed in is not there any more.
      if (error instanceof LogMissing) return { kind: 'wrong-incarnation' }
      if (!(error instanceof Unavailable)) throw error
      await waitLonger()
    }
  }
  return { kind: 'stopped' }
}

async function readFate(log: EventLog, request: AppendTurn): Promise<Fate> {
  const { subject, turn, expectedLast, signal } = request
  const last = await log.last(subject)
  if (last === undefined) {
    // Expecting a message where the subject is empty: the log was archived past it or is another one. Not ours to repeat.
    return expectedLast === 0 ? { kind: 'absent' } : { kind: 'conflict', last: undefined }
  }
  if (last.position === expectedLast) return { kind: 'absent' }
  if (last.position < expectedLast) return { kind: 'conflict', last }
  if (holdsTurn(last, turn)) return { kind: 'landed', position: last.position }
  // Others wrote later; ours may stand between.
  const between = log.read({ subjects: [subject], from: expectedLast + 1, until: last.position - 1, ...(signal && { signal }) })
  for await (const batch of between) {
    for (const message of batch) if (holdsTurn(message, turn)) return { kind: 'landed', position: message.position }
  }
  return signal?.aborted ? { kind: 'stopped' } : { kind: 'conflict', last }
}

function holdsTurn(message: StoredMessage, turn: string): boolean {
  try {
    return decodeTurn(message.bytes).turn === turn
  } catch (error) {
    if (error instanceof MalformedTurn) return false
    throw error
  }
}
