/**
 * Writes to aggregates that have a subject of their own (realm, agent, site, instruction …): read, fold, decide, append on
 * the last position of that very subject; on a conflict the same again (I5, I7). Groups and lanes are written by lane holders only.
 */
import type { Decision, Refusal } from '../../machines/decision.ts'
import type { RecordedEvent } from '../../machines/events.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm, formatTooOld } from '../../machines/realm/realm.ts'
import { missingFormat } from '../../machines/realm/shapes.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { Cause, Turn } from '../../streams/envelope.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { realmSubjectBeside } from '../../streams/subjects.ts'
import { type CommitContext, appendCommit, turnAfter } from './commit-append.ts'

export interface AggregateWrite<State, E extends RecordedEvent> {
  readonly subject: string
  readonly aggregate: string
  readonly id: string
  readonly empty: State
  /** `timeMs` is that of the turn. */
  readonly fold: (state: State, event: E, timeMs: number) => void
  readonly decide: (state: State) => Decision<E>
  readonly actor: string
  readonly command?: string | undefined
  readonly epoch?: number | undefined
  readonly cause?: Cause | undefined
  readonly correlation?: string | undefined
  /** A format that the realm is known to have reached: it is read only where this one does not hold what was decided. */
  readonly format?: number | undefined
}

export type AggregateWritten<State> =
  /** Durable; `position` and `revision` of the last event of the aggregate. */
  | { readonly kind: 'written'; readonly state: State; readonly turn: Turn; readonly position: number; readonly revision: number }
  /** It was so already, or this very command had been carried out before. */
  | { readonly kind: 'nothing'; readonly state: State; readonly why: string; readonly revision: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The context's signal came first; the write may have landed. */
  | { readonly kind: 'stopped' }

/**
 * Refuses with `format-too-old`, whatever `decide` says, when the realm's format does not hold an event. Throws `WrongIncarnation`,
 * `MalformedTurn`, `Unavailable`.
 */
export async function writeAggregate<State, E extends RecordedEvent>(
  context: CommitContext,
  write: AggregateWrite<State, E>,
): Promise<AggregateWritten<State>> {
  const { log, clock } = context
  for (;;) {
    const { state, revision, last, known } = await readAggregate(log, write)
    if (known) return { kind: 'nothing', state, why: 'this command was carried out before', revision }
    const decision = write.decide(state)
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'nothing') return { kind: 'nothing', state, why: decision.why, revision }
    const refusal = await formatRefusal(log, write, decision.events)
    if (refusal !== undefined) return { kind: 'refused', refusal }
    const { aggregate, id, command, actor, epoch, cause, correlation } = write
    const next = turnAfter(last, clock.nowMs())
    const outcome = await appendCommit(context, write.subject, next, {
      aggregate,
      id,
      revision: revision + 1,
      ...(command === undefined ? {} : { command }),
      actor,
      ...(epoch === undefined ? {} : { epoch }),
      ...(cause === undefined ? {} : { cause }),
      ...(correlation === undefined ? {} : { correlation }),
      events: decision.events,
    })
    if (outcome.kind === 'conflict') continue
    if (outcome.kind === 'stopped') return outcome
    for (const event of decision.events) write.fold(state, event, next.timeMs)
    return { kind: 'written', state, turn: outcome.turn, position: outcome.position, revision: revision + decision.events.length }
  }
}

/** A format is never lowered, so what it allows when it is read, it allows at the append. */
async function formatRefusal(log: EventLog, { subject, format = 1 }: { readonly subject: string; readonly format?: number | undefined }, events: readonly RecordedEvent[]): Promise<Refusal | undefined> {
  if (missingFormat(format, events) === undefined) return undefined
  const { state } = await readAggregate<RealmState, RealmEvent>(log, { subject: realmSubjectBeside(subject), empty: emptyRealm(), fold: foldRealm })
  const missing = missingFormat(state.format, events)
  return missing === undefined ? undefined : { code: 'format-too-old', text: formatTooOld(state.format, missing) }
}

type Read<State, E extends RecordedEvent> = Pick<AggregateWrite<State, E>, 'subject' | 'empty' | 'fold' | 'command'>

async function readAggregate<State, E extends RecordedEvent>(log: EventLog, write: Read<State, E>) {
  const state = structuredClone(write.empty)
  let revision = 0
  let last: StoredMessage | undefined
  let known = false
  const end = await log.last(write.subject)
  if (end !== undefined) {
    for await (const batch of log.read({ subjects: [write.subject], from: 1, until: end.position })) {
      for (const message of batch) {
        const { commits, timeMs } = decodeTurn(message.bytes)
        for (const commit of commits) {
          if (write.command !== undefined && commit.command === write.command) known = true
          for (const event of commit.events) {
            write.fold(state, event as E, timeMs)
            revision += 1
          }
        }
        last = message
      }
    }
  }
  return { state, revision, last, known }
}
