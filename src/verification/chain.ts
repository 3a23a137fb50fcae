/**
 * The proof that the live log carries in itself, checked turn by turn: per subject the chain of digests and numbers, per aggregate
 * its revisions (DESIGN §3). The same for the live log, a file and what is taken over.
 *
 * Owns what is known of each subject and aggregate so far. Memory: what lives (lanes, sites, agents, open groups) in full; of a group
 * that has ended and of an instruction a few dozen bytes.
 *
 * 1. Each break is said once, where it shows: afterwards the chain goes on from what stands there.
 * 2. Turns that are said to be archived are no break where the chain goes on from the digest on record; `finish` says those of which nobody says so.
 * 3. What comes before the first turn that is seen of a subject is not judged where `from` is not the beginning.
 */
import { hash } from 'node:crypto'
import type { LaneArchive } from '../../machines/lane/machine.ts'
import { MalformedTurn, decodeTurn } from '../../streams/codec.ts'
import { type Turn, firstDigest } from '../../streams/envelope.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { type EventSubject, laneOfGroup, parseEventSubject } from '../../streams/subjects.ts'
import type { Finding, FindingKind } from './finding.ts'
import { SmallTable } from './small-table.ts'

export interface ChainOptions {
  /** Prefix of the subjects. */
  readonly realm: string
  /** Of the log: no turn in it can be of a later one. */
  readonly incarnation: number
  /** The log is seen from its first turn on, with every subject that it says it has. */
  readonly fromBeginning: boolean
  /** A lane may lack turns that a `LaneArchived` in it, written in this incarnation, says are in an archive. */
  readonly archives?: boolean
  /** Turns that hold none of some aggregates are left out: numbers have gaps, revisions of others too. */
  readonly gaps?: boolean
  /** Payloads are not the stored bytes: there is nothing to compare a digest with. */
  readonly redacted?: boolean
  readonly onFinding: (finding: Finding) => void
}

interface SubjectTail {
  number: number
  digest: string
  position: number
  timeMs: number
  incarnation: number
  /** Of the one aggregate that the subject is named for; of a lane its own. */
  revision: number
  /** How often its chain was broken: what its groups were at before that cannot be held against them. */
  breaks: number
}

/** Turns of a lane that are not there, until a `LaneArchived` says where they are. */
interface Gap {
  /** First and last turn that is missing, and what the turn behind them names as the one before it. */
  readonly from: number
  readonly number: number
  readonly previous: string
  readonly behind: StoredMessage
}

interface OpenGroup {
  revision: number
  breaks: number
}

const ends: ReadonlySet<string> = new Set(['GroupCompleted', 'GroupCancelled', 'GroupAbandoned', 'GroupCompensated'])
/** Kinds of which there are as many as changes were asked for, each with a turn or two. */
const many: ReadonlySet<EventSubject['kind']> = new Set(['instruction', 'action'])
const shortDigestBytes = 16
const compare = 'find out who may write to the server, compare with an exported file ("reeve log verify --against FILE"), and restore a backup'

export class ChainCheck {
  readonly #options: ChainOptions
  readonly #tails = new Map<string, SubjectTail>()
  /** Number (4), revision (4) and the beginning of the digest of the last turn. */
  readonly #short = new SmallTable(8 + shortDigestBytes)
  readonly #open = new Map<string, OpenGroup>()
  /** Revision (4) that it ended at. */
  readonly #ended = new SmallTable(4)
  readonly #gaps = new Map<string, Gap>()
  turns = 0
  events = 0
  findings = 0
  /** Turns of lanes that are in archives, of those that were seen so far. */
  archivedTurns = 0

  constructor(options: ChainOptions) {
    this.#options = options
  }

  /** In log order. */
  take(message: StoredMessage): Turn | undefined {
    this.turns += 1
    const at = parseEventSubject(this.#options.realm, message.subject)
    if (at === undefined) {
      this.#found('malformed', message, `this is no subject of an event of realm ${this.#options.realm} that this build knows: use a newer build, or ${compare}`)
      return undefined
    }
    let turn: Turn
    try {
      turn = decodeTurn(message.bytes)
    } catch (error) {
      if (!(error instanceof MalformedTurn)) throw error
      this.#found('malformed', message, `${error.message}: ${compare}`)
      this.#pass(message, at)
      return undefined
    }
    for (const commit of turn.commits) this.events += commit.events.length
    if (many.has(at.kind)) this.#takeShort(message, at, turn)
    else this.#takeLong(message, at, turn)
    return turn
  }

  /** At the end of what is checked. */
  finish(): void {
    for (const gap of this.#gaps.values()) this.#removed(gap)
    this.#gaps.clear()
  }

  #removed({ from, number, behind }: Gap): void {
    const gone = from === number ? `turn ${number} was` : `turns ${from} to ${number} were`
    this.#found('number', behind, `turn ${number + 1} ${from === 1 ? 'is the first of its subject' : `follows turn ${from - 1}`}: ${gone} removed, and no LaneArchived says that an archive has them; ${compare}`)
  }

  /** Something stands there that cannot be read: what follows is judged from there on. */
  #pass(message: StoredMessage, at: EventSubject): void {
    if (many.has(at.kind)) return
    const tail = this.#tails.get(message.subject)
    if (tail === undefined) return
    tail.number += 1
    tail.digest = hash('sha256', message.bytes)
    tail.position = message.position
    tail.breaks += 1
    tail.revision = Number.NaN
  }

  #takeLong(message: StoredMessage, at: EventSubject, turn: Turn): void {
    const tail = this.#tails.get(message.subject) ?? this.#firstTail(message, turn)
    if (tail.number > 0 && turn.number <= tail.number) {
      this.#found('number', message, `turn ${turn.number} stands after turn ${tail.number} (position ${tail.position}): the order was changed, or a turn was doubled; ${compare}`)
      return
    }
    this.#chain(message, turn, tail)
    tail.number = turn.number
    tail.digest = this.#options.redacted === true ? '' : hash('sha256', message.bytes)
    tail.position = message.position
    tail.timeMs = turn.timeMs
    tail.incarnation = turn.incarnation
    if (at.kind === 'lane') this.#takeLaneCommits(message, at.lane, turn, tail)
    else tail.revision = this.#takeOwnCommits(message, at.kind, at.id, turn, tail.revision)
  }

  #firstTail(message: StoredMessage, turn: Turn): SubjectTail {
    const begins = this.#options.fromBeginning && this.#options.gaps !== true
    const tail = begins
      ? { number: 0, digest: firstDigest, position: 0, timeMs: 0, incarnation: 1, revision: 0, breaks: 0 }
      : { number: turn.number - 1, digest: turn.previous, position: 0, timeMs: 0, incarnation: 1, revision: Number.NaN, breaks: 0 }
    this.#tails.set(message.subject, tail)
    return tail
  }

  #chain(message: StoredMessage, turn: Turn, tail: SubjectTail): void {
    const gap = turn.number - tail.number - 1
    if (gap > 0) {
      tail.breaks += 1
      tail.revision = Number.NaN
      if (this.#options.gaps === true) return
      if (this.#options.archives === true && parseEventSubject(this.#options.realm, message.subject)?.kind === 'lane') {
        const before = this.#gaps.get(message.subject)
        if (before !== undefined) this.#removed(before)
        this.#gaps.set(message.subject, { from: tail.number + 1, number: turn.number - 1, previous: turn.previous, behind: message })
        return
      }
      const gone = gap === 1 ? `turn ${turn.number - 1} was removed` : `turns ${tail.number + 1} to ${turn.number - 1} were removed`
      const before = tail.number === 0 ? 'is the first of its subject' : `follows turn ${tail.number} (position ${tail.position})`
      return this.#found('number', message, `turn ${turn.number} ${before}: ${gone}; ${compare}`)
    }
    if (this.#options.redacted !== true && turn.previous !== tail.digest) {
      const what = tail.number === 0 ? 'it is the first of its subject and names a turn before it' : `turn ${tail.number} (position ${tail.position}) is not the one that turn ${turn.number} names as the one before it: one of the two was changed`
      this.#found('digest', message, `${what}; ${compare}`)
      return
    }
    if (turn.timeMs < tail.timeMs) this.#found('order', message, `turn ${turn.number} has an earlier time than turn ${tail.number} before it (position ${tail.position}); ${compare}`)
    if (turn.incarnation < tail.incarnation || turn.incarnation > this.#options.incarnation) {
      this.#found('order', message, `turn ${turn.number} says that it was written in incarnation ${turn.incarnation}, after one of ${tail.incarnation} in a log of ${this.#options.incarnation}; ${compare}`)
    }
  }

  #takeShort(message: StoredMessage, at: EventSubject & { readonly id?: string }, turn: Turn): void {
    const { kind, id } = at as { readonly kind: string; readonly id: string }
    const known = this.#short.get(message.subject)
    const begins = this.#options.fromBeginning && this.#options.gaps !== true
    const number = known?.readUInt32LE(0) ?? (begins ? 0 : turn.number - 1)
    let revision = known?.readUInt32LE(4) ?? (begins ? 0 : Number.NaN)
    if (turn.number !== number + 1) {
      this.#found('number', message, `turn ${turn.number} follows turn ${number}: turns were removed, doubled or put in another order; ${compare}`)
      revision = Number.NaN
    } else if (this.#options.redacted !== true && (known !== undefined || begins)) {
      const before = known === undefined ? firstDigest.slice(0, 2 * shortDigestBytes) : known.toString('hex', 8)
      if (!turn.previous.startsWith(before)) this.#found('digest', message, `turn ${number} is not the one that turn ${turn.number} names as the one before it: one of the two was changed; ${compare}`)
    }
    const end = this.#takeOwnCommits(message, kind, id, turn, revision)
    const slot = this.#short.set(message.subject)
    slot.writeUInt32LE(turn.number, 0)
    slot.writeUInt32LE(end, 4)
    slot.write(hash('sha256', message.bytes), 8, shortDigestBytes, 'hex')
  }

  /** Returns the revision of the last event. `before` not a number: whatever comes is taken. */
  #takeOwnCommits(message: StoredMessage, aggregate: string, id: string, turn: Turn, before: number): number {
    let revision = before
    for (const commit of turn.commits) {
      if (commit.aggregate !== aggregate || commit.id !== id) this.#found('malformed', message, `a commit of ${commit.aggregate} ${commit.id} stands on the subject of ${aggregate} ${id}: ${compare}`)
      else if (!Number.isNaN(revision) && commit.revision !== revision + 1) this.#revision(message, aggregate, id, commit.revision, revision)
      revision = commit.revision + commit.events.length - 1
    }
    return Number.isNaN(revision) ? 0 : revision
  }

  #takeLaneCommits(message: StoredMessage, lane: string, turn: Turn, tail: SubjectTail): void {
    for (const { aggregate, id, revision, events } of turn.commits) {
      const last = revision + events.length - 1
      if (aggregate === 'lane' && id === lane) {
        if (!Number.isNaN(tail.revision) && revision !== tail.revision + 1) this.#revision(message, aggregate, id, revision, tail.revision)
        tail.revision = last
        for (const event of events) if (event.type === 'LaneArchived') this.#archived(message, turn.incarnation, event.data as LaneArchive)
        continue
      }
      if (aggregate !== 'group' || laneOfGroup(id) !== lane) {
        this.#found('malformed', message, `a commit of ${aggregate} ${id} stands on the subject of lane ${lane}: ${compare}`)
        continue
      }
      const open = this.#open.get(id)
      const before = open?.revision ?? this.#ended.get(id)?.readUInt32LE(0) ?? 0
      // Of a lane with a break, or not seen from its beginning, only what was seen without one in between can be judged.
      const judged = open === undefined ? before > 0 || (tail.breaks === 0 && this.#options.fromBeginning && this.#options.gaps !== true) : open.breaks === tail.breaks
      if (judged && revision !== before + 1) this.#revision(message, aggregate, id, revision, before)
      if (ends.has(events.at(-1)?.type ?? '')) {
        this.#open.delete(id)
        this.#ended.set(id).writeUInt32LE(last, 0)
      } else if (open === undefined) this.#open.set(id, { revision: last, breaks: tail.breaks })
      else {
        open.revision = last
        open.breaks = tail.breaks
      }
    }
  }

  #archived({ subject }: StoredMessage, incarnation: number, { number, turn }: LaneArchive): void {
    const gap = this.#gaps.get(subject)
    if (gap === undefined || incarnation !== this.#options.incarnation || number < gap.number) return
    this.#gaps.delete(subject)
    this.archivedTurns += gap.number - gap.from + 1
    if (number > gap.number) this.#found('missing-position', gap.behind, `turns ${gap.from} to ${gap.number} are archived, and those up to turn ${number} are not all purged: repeat "reeve log archive"`)
    else if (this.#options.redacted !== true && gap.previous !== turn) this.#found('digest', gap.behind, `it does not go on from turn ${number} as it was archived: one of the two was changed; ${compare}`)
  }

  #revision(message: StoredMessage, aggregate: string, id: string, revision: number, before: number): void {
    this.#found('revision', message, `revision ${revision} of ${aggregate} ${id} follows ${before}: events of it are missing or doubled; ${compare}`)
  }

  #found(kind: FindingKind, { position, subject }: StoredMessage, text: string): void {
    this.findings += 1
    this.#options.onFinding({ kind, position, subject, text })
  }
}
