/**
 * The event log as a port (DESIGN §3 stream EVENTS, invariants I5 and I8). Two adapters obey one conformance suite:
 * `streams/jetstream/` and `streams/memory/`.
 *
 * The port reports what is known of one attempt and no more; deciding what an indeterminate attempt became is the
 * business of `streams/append.ts`, above both adapters.
 */

export interface StoredMessage {
  readonly subject: string
  /** Stream sequence in the whole log (DESIGN §2 "position"). */
  readonly position: number
  /** Exactly the bytes that were appended. */
  readonly bytes: Uint8Array
  /** The server's stamp, integer milliseconds since the Unix epoch. Only compared with clocks (P15), never ordered by. */
  readonly storedMs: number
}

export interface AppendRequest {
  readonly subject: string
  readonly bytes: Uint8Array
  /** Position of the last message on this very subject (never a wildcard); 0 when there must be none (I5). */
  readonly expectedLast: number
}

/** What an attempt came to nothing by: the store has no room, the way to it is down; absent: something else. */
export type Trouble = 'room' | 'connection'

/** What a program's own attempts say of the log. */
export interface Intake {
  /** The server refused an append for lack of room, within the last seconds. */
  readonly full: boolean
}

export type AppendOutcome =
  /** Acknowledged, therefore durable (I8). */
  | { readonly kind: 'landed'; readonly position: number }
  /** Another message stands where this one was to follow. Nothing was written by this attempt. */
  | { readonly kind: 'conflict' }
  /** The server has a write in flight on this subject (error 10164): wait, then repeat. Nothing was written by this attempt. */
  | { readonly kind: 'busy' }
  /** No answer: it may have landed, may land later, or never. */
  | { readonly kind: 'indeterminate'; readonly reason: string; readonly about?: Trouble }
  /** The store cannot take it now (full, no leader, offline before sending). Nothing was written by this attempt. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly about?: Trouble }
  /** The stream is not of the expected incarnation (error 10060): the program must stop (P12). */
  | { readonly kind: 'wrong-incarnation' }

export interface ReadOptions {
  /** Exact subjects or patterns with NATS wildcards; empty means every subject. */
  readonly subjects: readonly string[]
  /** First position to deliver, 1 for all. */
  readonly from: number
  /** Ends by itself after this position was passed; without it the read follows the log until stopped. */
  readonly until?: number
  readonly signal?: AbortSignal
  /** Most bytes, about, that are held for whoever iterates; absent: what is fastest. From 1 MiB. */
  readonly aheadBytes?: number
  /** Most messages, likewise: who appends meanwhile waits until the server has handed out half of them. From 16. */
  readonly aheadMessages?: number
}

export interface EventLog {
  /** Realm incarnation that the stream's name ends in (P12). */
  readonly incarnation: number
  append(request: AppendRequest): Promise<AppendOutcome>
  /** Last message on exactly this subject, read from the stream's leader (never a direct get). Throws `Unavailable`, `LogMissing`. */
  last(subject: string): Promise<StoredMessage | undefined>
  /** First message on exactly this subject that is still there, read from the stream's leader. Throws `Unavailable`, `LogMissing`. */
  first(subject: string): Promise<StoredMessage | undefined>
  /** The message at a position, or undefined where none is (purged, or beyond the end). Throws `Unavailable`, `LogMissing`. */
  at(position: number): Promise<StoredMessage | undefined>
  /** Last position of the whole log; 0 when empty. Read from the stream's leader. Throws `Unavailable`, `LogMissing`. */
  end(): Promise<number>
  /**
   * Messages in log order, in batches of whatever had arrived (never empty). Gaps and reconnections are healed inside:
   * each message comes exactly once, in order. A bounded read ends even when no message stands at `until`.
   */
  read(options: ReadOptions): AsyncIterable<readonly StoredMessage[]>
  /**
   * Removes what stands on exactly this subject up to a position, for ever; the subject's last message stays whatever `upTo` is, so that
   * appends go on from it (I5). May be repeated. Throws `Unavailable`, of which nothing is known, `LogMissing`.
   */
  purge(subject: string, upTo: number): Promise<void>
}

/** The same log, but for what is named. */
export function logWith(log: EventLog, changed: Partial<Omit<EventLog, 'incarnation'>>): EventLog {
  return {
    incarnation: log.incarnation,
    append: (request) => log.append(request),
    first: (subject) => log.first(subject),
    last: (subject) => log.last(subject),
    at: (position) => log.at(position),
    end: () => log.end(),
    read: (options) => log.read(options),
    purge: (subject, upTo) => log.purge(subject, upTo),
    ...changed,
  }
}

/** The coordinator could not be asked in time. A retry can help. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
  readonly retryable = true
}

/** The stream that is to be read is not there: deleted, or replaced by another incarnation (P12). */
export class LogMissing extends Error {
  override readonly name = 'LogMissing'
  readonly retryable = false
  constructor(stream: string) {
    super(`stream ${stream} is not there: the log was removed, or restored under another incarnation; start again`)
  }
}
