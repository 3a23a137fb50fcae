/** A log as the checkers read it: decoded once, in log order. They judge what is stored and trust no fold of the product. */
import { decodeTurn } from '../../streams/codec.ts'
import type { Commit, Turn } from '../../streams/envelope.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { parseEventSubject } from '../../streams/subjects.ts'

export interface StoredTurn {
  readonly message: StoredMessage
  readonly turn: Turn
  /** Set on a lane's subject. */
  readonly lane: string | undefined
}

export interface ReadLog {
  readonly turns: readonly StoredTurn[]
}

/** Throws `MalformedTurn`. */
export function readLog(messages: Iterable<StoredMessage>, realm: string): ReadLog {
  const turns: StoredTurn[] = []
  for (const message of messages) {
    const at = parseEventSubject(realm, message.subject)
    turns.push({ message, turn: decodeTurn(message.bytes), lane: at?.kind === 'lane' ? at.lane : undefined })
  }
  return { turns }
}

export interface StoredCommit {
  readonly stored: StoredTurn
  readonly commit: Commit
}

export function* commitsOf(log: ReadLog, aggregate: string): Generator<StoredCommit> {
  for (const stored of log.turns) {
    for (const commit of stored.turn.commits) if (commit.aggregate === aggregate) yield { stored, commit }
  }
}
