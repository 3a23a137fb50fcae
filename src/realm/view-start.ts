/**
 * Where a view of the realm begins that does not need every turn: each lane from its snapshot, everything else from the beginning.
 * For the agents' views; a service makes projections of every turn, and reads them all.
 */
import { type BeginningContext, beginningOf, laneBeginning } from '../lane/beginning.ts'
import { type FoldedLane, foldOn } from '../lane/fold.ts'
import { type SnapshotContext, foldFromSnapshot } from '../lane/snapshot.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { pause } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { aggregatesWithSubject } from '../../streams/subjects.ts'
import { type ArchivedLanes, type RealmFold, type ViewStart, foldBehind } from './view.ts'

/** `lanes`: those that the realm had when it was joined. Where none has a snapshot the view begins with the first turn. */
export function startFromSnapshots(context: SnapshotContext, lanes: readonly string[]): ViewStart {
  return async (fold, signal) => {
    const { coordinator, subjects, clock } = context
    const { log } = coordinator
    const begun: FoldedLane[] = []
    let until: number
    try {
      for (const lane of lanes) {
        const folded = await foldFromSnapshot(context, lane, signal)
        if (folded !== undefined) begun.push(folded)
      }
      if (begun.length === 0) return fromTheBeginning
      until = await log.end()
      for (const folded of begun) await foldOn(log, clock, subjects.lane(folded.state.lane), folded, signal, beginningOf(context, folded.state.lane))
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      // Nothing is in the view yet; following the log heals by itself.
      return fromTheBeginning
    }
    const has = (lane: string) => begun.some(({ state }) => state.lane === lane)
    const others = lanes.filter((lane) => !has(lane)).map((lane) => subjects.lane(lane))
    await foldInto(context, fold, [...aggregatesWithSubject.map((aggregate) => subjects.allOf(aggregate)), ...others], until, signal)
    // Lanes that came since the realm was joined.
    const later = fold.realm.lanes.filter(({ lane }) => !lanes.includes(lane)).map(({ lane }) => subjects.lane(lane))
    if (later.length > 0) await foldInto(context, fold, later, until, signal)
    for (const { state, tail } of begun) {
      fold.lanes.set(state.lane, state)
      fold.tails.set(subjects.lane(state.lane), { number: state.number, position: tail.position })
    }
    fold.position = until
    return { from: until + 1, folded: new Map(begun.map(({ state, tail }) => [subjects.lane(state.lane), tail.position])) }
  }
}

const fromTheBeginning = { from: 1, folded: new Map<string, number>() }

const askAgainMs = { first: 50, longest: 2_000 } as const

/** What a view of the whole realm needs of lanes whose older turns are in archives. Asks until there is an answer, as the reading of the log does. */
export function archivedLanes(context: Omit<BeginningContext, 'constants'>): ArchivedLanes {
  return async (lane, missing, { constants }, signal) => {
    for (let waitMs: number = askAgainMs.first; !signal.aborted; waitMs = Math.min(2 * waitMs, askAgainMs.longest)) {
      try {
        return await laneBeginning({ ...context, constants }, lane, missing, signal)
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        await pause(context.clock, waitMs, signal)
      }
    }
    return undefined
  }
}

async function foldInto(context: SnapshotContext, fold: RealmFold, subjects: readonly string[], until: number, signal: AbortSignal): Promise<void> {
  const archived = archivedLanes(context)
  for await (const batch of context.coordinator.log.read({ subjects, from: 1, until, signal })) {
    for (const message of batch) await foldBehind(fold, { turn: decodeTurn(message.bytes), subject: message.subject, position: message.position }, archived, signal)
  }
}
