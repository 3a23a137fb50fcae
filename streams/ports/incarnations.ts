/**
 * The incarnations of a realm (P12), for those two who make a new one: import and restore. A log that is being made is found by no
 * program before it is whole; what a half made one leaves behind is dropped by the next who makes one.
 */
import type { BucketEntry } from './bucket.ts'
import type { TextStore } from './coordinator.ts'
import type { EventLog } from './event-log.ts'

export interface NextMessage {
  /** As it is to be stored: an event subject of this realm. */
  readonly subject: string
  readonly bytes: Uint8Array
}

/** A log that is being made. One writer. */
export interface NextIncarnation {
  readonly incarnation: number
  /**
   * In this order, positions from 1 on, without gaps. Resolves when there is room for more: what is under way is bounded.
   * Throws `Unavailable` where the order or the fate of anything that was written is in doubt; then only `abandon` is left.
   */
  write(messages: readonly NextMessage[]): Promise<void>
  /** Everything that was written is durable, in its order. Returns the last position. Throws `Unavailable`. */
  settle(): Promise<number>
  /** What is stored. */
  readonly log: Pick<EventLog, 'read'>
  /**
   * Makes it the log of the realm, after the former one is closed and everything derived of it is emptied (I11): lease, presences,
   * configurations, mappings, snapshots, alarms. `formerEnd`: last position of the former log that is in this one, 0 where there is
   * none. Killed at any step, it is as if it had not been begun. Throws `WrittenMeanwhile`, `Unavailable`.
   */
  enter(formerEnd: number): Promise<void>
  /**
   * Drops it, and the former log is that of the realm again. Idempotent; does nothing after `enter`, nor where the fate of `enter` is open.
   * Throws `Unavailable`; then nothing starts in the realm before another one is entered.
   */
  abandon(): Promise<void>
}

export interface WholeLog {
  readonly incarnation: number
  /** Turns that it holds. */
  readonly turns: number
  readonly log: EventLog
}

export interface Incarnations {
  /** The highest incarnation that is whole; undefined where there is no log. Throws `Unavailable`. */
  whole(): Promise<WholeLog | undefined>
  /** Entries of the bucket of presences, none where there is no bucket. Throws `Unavailable`. */
  presences(): Promise<readonly BucketEntry[]>
  /** Made where there is none. Throws `Unavailable`. */
  texts(): Promise<TextStore>
  /** Throws `MadeByAnother` while somebody else makes one, `Unavailable`. */
  begin(incarnation: number): Promise<NextIncarnation>
  close(): Promise<void>
}

/** Somebody else imports or restores this realm at this moment. */
export class MadeByAnother extends Error {
  override readonly name = 'MadeByAnother'
  readonly retryable = true
}

/** The former log has gone on while the next one was made: somebody lives in the realm. It stays as it is. */
export class WrittenMeanwhile extends Error {
  override readonly name = 'WrittenMeanwhile'
  readonly retryable = true
}
