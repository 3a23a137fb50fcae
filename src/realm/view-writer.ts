/**
 * Writes to an aggregate that a view of the realm has folded already: what `writeAggregate` does, at the price of one read however
 * long the history is. For whoever writes often; the view is of this very process.
 */
import type { Decision, Refusal } from '../../machines/decision.ts'
import type { RecordedEvent } from '../../machines/events.ts'
import { formatTooOld } from '../../machines/realm/realm.ts'
import { missingFormat } from '../../machines/realm/shapes.ts'
import type { Cause } from '../../streams/envelope.ts'
import { publishOnFeed } from '../../streams/feed.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { AggregateWithSubject, Subjects } from '../../streams/subjects.ts'
import { appendCommit, turnAfter } from './commit-append.ts'
import type { RealmFold, RealmView } from './view.ts'

export interface ViewWriterContext {
  readonly coordinator: Pick<Coordinator, 'log' | 'bus'>
  readonly subjects: Subjects
  readonly clock: Clock
  readonly random: Random
  readonly view: RealmView
  readonly signal: AbortSignal
}

/** Of the commit that is being decided: what a command id that is made from it needs (P15). */
export interface NextCommit {
  readonly revision: number
  readonly timeMs: number
}

export interface ViewWrite<E extends RecordedEvent> {
  readonly aggregate: AggregateWithSubject
  readonly id: string
  /** Revision that the view has folded; 0 for what is absent. */
  readonly revision: (fold: RealmFold) => number
  readonly decide: (fold: RealmFold, next: NextCommit) => Decision<E>
  readonly actor: string
  readonly epoch?: number
  readonly cause?: Cause
}

export type ViewWritten =
  /** Durable, and folded by the view. */
  | { readonly kind: 'written' }
  | { readonly kind: 'nothing'; readonly why: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'stopped' }

/** Throws `WrongIncarnation`, `MalformedTurn`, `Unavailable`, and what ends the view. */
export async function writeFromView<E extends RecordedEvent>(context: ViewWriterContext, write: ViewWrite<E>): Promise<ViewWritten> {
  const { coordinator, subjects, clock, random, view, signal } = context
  const { log, bus } = coordinator
  const subject = subjects.aggregate(write.aggregate, write.id)
  while (!signal.aborted) {
    const last = await log.last(subject)
    if (last !== undefined) await view.reached(last.position)
    // The view may have gone on since.
    if (view.state.tails.get(subject)?.position !== last?.position) continue
    const next = turnAfter(last, clock.nowMs())
    const revision = write.revision(view.state) + 1
    const decision = write.decide(view.state, { revision, timeMs: next.timeMs })
    if (decision.kind !== 'events') return decision
    const needed = missingFormat(view.state.realm.format, decision.events)
    if (needed !== undefined) return { kind: 'refused', refusal: { code: 'format-too-old', text: formatTooOld(view.state.realm.format, needed) } }
    const outcome = await appendCommit({ log, clock, random, signal }, subject, next, {
      aggregate: write.aggregate,
      id: write.id,
      revision,
      actor: write.actor,
      ...(write.epoch === undefined ? {} : { epoch: write.epoch }),
      ...(write.cause === undefined ? {} : { cause: write.cause }),
      events: decision.events,
    })
    if (outcome.kind === 'conflict') continue
    if (outcome.kind === 'stopped') return outcome
    publishOnFeed(bus, subjects, { ...outcome.turn, position: outcome.position })
    await view.reached(outcome.position)
    return { kind: 'written' }
  }
  return { kind: 'stopped' }
}
