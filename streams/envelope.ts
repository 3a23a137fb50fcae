/**
 * Envelope of a turn: the one message shape of the stream EVENTS (DESIGN §3, `docs/wire.md`). For ever.
 */
import type { RecordedEvent } from '../machines/events.ts'

/** Version of the envelope and of all event shapes in it. An older shape is upcast on read (`streams/upcast.ts`). */
export const schemaVersion = 1
/** Most bytes of one turn. */
export const turnLimitBytes = 256 * 1024
/** Digest before the first turn of a subject. */
export const firstDigest = '0'.repeat(64)

export interface Cause {
  readonly aggregate: string
  readonly id: string
  readonly revision: number
}

/** The events of one aggregate that were decided together. Revision is that of its first event (DESIGN §2). */
export interface Commit<E extends RecordedEvent = RecordedEvent> {
  readonly aggregate: string
  readonly id: string
  readonly revision: number
  /** ULID of the command, absent where no command led to it (outcomes and requests for locks are known by token, P15). */
  readonly command?: string
  /** Who asked: `person:<id>`, `agent:<id>`, `service:<id>`, `program:<id>`. */
  readonly actor: string
  /** Epoch of the leader that asked, where one did (P27). */
  readonly epoch?: number
  readonly cause?: Cause
  /** Id of the instruction that all of it goes back to. */
  readonly correlation?: string
  readonly events: readonly E[]
}

export interface Turn<E extends RecordedEvent = RecordedEvent> {
  /** ULID made before the first attempt, kept over repeats. */
  readonly turn: string
  readonly schema: number
  /** Realm incarnation in which it was written; kept by import. */
  readonly incarnation: number
  /** Number of this turn on its subject, contiguous from 1; on a lane the lane number. */
  readonly number: number
  /** Writer's clock, integer milliseconds since the Unix epoch, never less than that of the turn before on this subject. */
  readonly timeMs: number
  /** SHA-256, lower-case hex, of the stored bytes of the turn before on this subject. */
  readonly previous: string
  readonly commits: readonly Commit<E>[]
}
