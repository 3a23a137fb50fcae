/** Writes of the handlers to aggregates that have a subject of their own, and what their askers are told of them. */
import type { RecordedEvent } from '../../machines/events.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import type { AggregateWithSubject } from '../../streams/subjects.ts'
import { type AggregateWrite, type AggregateWritten, writeAggregate } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import type { ServiceContext } from './context.ts'

export interface AskedWrite<State, E extends RecordedEvent> extends Omit<AggregateWrite<State, E>, 'subject' | 'format'> {
  readonly aggregate: AggregateWithSubject
}

export interface Told<State> {
  readonly state: State
  /** False where it was so already, or this very command had been carried out before. */
  readonly changed: boolean
  /** 0 where nothing was changed. */
  readonly position: number
  readonly revision: number
}

/** `look`: how its asker sees whether it happened, if it is not known. Throws as `told` and `writeAggregate`. */
export async function writeAsked<State, E extends RecordedEvent>(context: ServiceContext, write: AskedWrite<State, E>, look: string): Promise<Told<State>> {
  const { coordinator, clock, random, subjects, view, signal } = context
  const written = await writeAggregate<State, E>(
    { log: coordinator.log, clock, random, signal },
    { ...write, subject: subjects.aggregate(write.aggregate, write.id), format: view.state.realm.format },
  )
  return told(context, written, look)
}

/** Durable, on the feed and folded by the view when it resolves. Throws `ApiFailure` (what it was refused for, `may-still-happen`), and what ends the view. */
export async function told<State>({ coordinator, subjects, view }: ServiceContext, written: AggregateWritten<State>, look: string): Promise<Told<State>> {
  switch (written.kind) {
    case 'refused':
      throw new ApiFailure(errorCodeOf(written.refusal.code), written.refusal.text)
    case 'stopped':
      throw new ApiFailure('may-still-happen', `the service was stopped while it wrote; ${look}, else ask again`)
    case 'nothing':
      return { state: written.state, changed: false, position: 0, revision: written.revision }
    case 'written':
      feedWritten(coordinator.bus, subjects, written)
      await view.reached(written.position)
      return { state: written.state, changed: true, position: written.position, revision: written.revision }
  }
}
