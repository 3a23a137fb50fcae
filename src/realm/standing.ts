/**
 * What the realm's own events say, followed live by every program that acts on them: its format, whether it is in
 * quarantine, and who leads. Owned by one process; a view that lags by a moment, never the truth (I7).
 *
 * 1. It never says less than what its program has read when it joined.
 * 2. Listeners hear a change after `state` shows it.
 */
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, parseEventSubject, singletons } from '../../streams/subjects.ts'
import type { RealmView } from './view.ts'

export interface RealmStanding {
  /** Read only. */
  readonly state: RealmState
  /** Called after the format, the quarantine or the leader changed. Returns how to stop listening. */
  onChange(listener: () => void): () => void
}

export interface OwnRealmStanding extends RealmStanding {
  /** Ends following. Idempotent. */
  close(): Promise<void>
}

/** `joined`: as it was read just now; `onBroken`: the log could not be followed any further. */
export function followRealm(log: EventLog, subjects: Subjects, joined: RealmState, onBroken: (error: Error) => void): OwnRealmStanding {
  const listeners = new Set<() => void>()
  const ending = new AbortController()
  const folded = emptyRealm()
  let state = joined
  let said = whatIsTold(joined)
  const follow = async () => {
    const subject = subjects.aggregate('realm', singletons.realm)
    for await (const batch of log.read({ subjects: [subject], from: 1, signal: ending.signal })) {
      for (const message of batch) {
        for (const commit of decodeTurn(message.bytes).commits) for (const event of commit.events) foldRealm(folded, event as RealmEvent)
      }
      if (folded.revision < state.revision) continue
      state = folded
      const now = whatIsTold(folded)
      if (now !== said) tell(listeners)
      said = now
    }
  }
  const following = follow().catch((error: unknown) => {
    if (!ending.signal.aborted) onBroken(error as Error)
  })
  return {
    get state() {
      return state
    },
    onChange: (listener) => listening(listeners, listener),
    async close() {
      ending.abort()
      await following
    },
  }
}

/** The same for who has a view of the whole realm; ends with it. */
export function standingOf(view: RealmView, subjects: Subjects): RealmStanding {
  const listeners = new Set<() => void>()
  view.onTurn(({ subject }) => {
    if (parseEventSubject(subjects.realm, subject)?.kind === 'realm') tell(listeners)
  })
  return {
    get state() {
      return view.state.realm
    },
    onChange: (listener) => listening(listeners, listener),
  }
}

function whatIsTold({ format, quarantine, leader }: RealmState): string {
  return `${format} ${quarantine?.since ?? ''} ${leader?.epoch ?? ''}`
}

function listening(listeners: Set<() => void>, listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function tell(listeners: ReadonlySet<() => void>): void {
  for (const listener of [...listeners]) listener()
}
