/** Which lanes of a log begin later, since older turns of them were archived. */
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type Subjects, singletons } from '../../streams/subjects.ts'
import type { ArchivedLane } from '../log-file/format.ts'

/** As its own events say at this moment. Throws `MalformedTurn`, `Unavailable`. */
export async function realmOf(log: EventLog, subjects: Subjects): Promise<RealmState> {
  const realm = emptyRealm()
  const subject = subjects.aggregate('realm', singletons.realm)
  const last = await log.last(subject)
  if (last === undefined) return realm
  for await (const batch of log.read({ subjects: [subject], from: 1, until: last.position })) {
    for (const { bytes } of batch) for (const { events } of decodeTurn(bytes).commits) for (const event of events) foldRealm(realm, event as RealmEvent)
  }
  return realm
}

/** By the first turn of each lane, where that stands behind position `after`: what is before it was archived, or somebody removed it. Throws `MalformedTurn`, `Unavailable`. */
export async function lanesBegunLater(log: EventLog, subjects: Subjects, lanes: readonly string[], after = 0): Promise<readonly ArchivedLane[]> {
  const later: ArchivedLane[] = []
  for (const lane of lanes) {
    const first = await log.first(subjects.lane(lane))
    if (first === undefined || first.position <= after) continue
    const { number, previous } = decodeTurn(first.bytes)
    if (number > 1) later.push({ lane, number: number - 1, turn: previous })
  }
  return later
}
