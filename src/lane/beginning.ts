/**
 * Where what is left of a lane in the log begins, after an archive: with the snapshot that the archive carries, which lies among the texts
 * (docs/wire.md "Archives"). Unlike other snapshots it cannot be made anew from the log.
 *
 * 1. A gap is passed over only where a `LaneArchived` of this incarnation reaches over it.
 * 2. The snapshot has the digest that is on record, and is of this build's schema, or it is not used: then one line says what to do.
 */
import { laneSchema, restoredLane } from '../../machines/lane/snapshot.ts'
import type { LaneArchive } from '../../machines/lane/machine.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type LaneShown, renewedIn, renewedKey } from '../../streams/lane-snapshot.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { type Coordinator, Damaged } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { BeginningOf, FoldedLane } from './fold.ts'
import { readSnapshot } from './snapshot-lines.ts'

export interface BeginningContext {
  readonly coordinator: Pick<Coordinator, 'log' | 'texts' | 'mappings'>
  readonly subjects: Subjects
  readonly clock: Clock
  readonly constants: RealmConstants
}

export interface LaneBeginning extends Pick<FoldedLane, 'state' | 'tail'> {
  readonly archive: LaneArchive
  readonly shown: LaneShown
}

/** The older turns of a lane are in an archive, and the snapshot that is to stand for them cannot be used. */
export class LaneBeginsLater extends Error {
  override readonly name = 'LaneBeginsLater'
  readonly retryable = false
  readonly lane: string
  readonly archive: LaneArchive
  constructor(lane: string, archive: LaneArchive, why: string) {
    super(`turns 1 to ${archive.number} of lane ${lane} are in archives, and their snapshot ${why}: "reeve log archive --renew --to DIR", DIR the folder of the archives, makes it anew`)
    this.lane = lane
    this.archive = archive
  }
}

export function beginningOf(context: BeginningContext, lane: string): BeginningOf {
  return (missing, signal) => laneBeginning(context, lane, missing, signal)
}

/** Undefined where no archive reaches over turn `missing`. Throws `LaneBeginsLater`, `Unavailable`. */
export async function laneBeginning(context: BeginningContext, lane: string, missing: number, signal: AbortSignal): Promise<LaneBeginning | undefined> {
  const { coordinator, subjects, clock, constants } = context
  const { log, texts } = coordinator
  const archive = await archiveOver(log, subjects.lane(lane), missing, signal)
  if (archive === undefined || signal.aborted) return undefined
  const fail = (why: string) => new LaneBeginsLater(lane, archive, why)
  const digest = await snapshotDigest(context, lane, archive)
  let bytes: Uint8Array | undefined
  try {
    bytes = await texts.get(digest)
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
    throw fail(`(${digest}) is damaged`)
  }
  if (bytes === undefined) throw fail(`(${digest}) is not there`)
  const read = await readSnapshot(bytes, clock, signal)
  if (signal.aborted) return undefined
  if (typeof read === 'string') throw fail(`(${digest}) cannot be read (${read})`)
  const { head, plain, shown } = read
  if (head.schema !== laneSchema) throw fail(`is of schema ${head.schema}, this build reads ${laneSchema}`)
  if (head.lane !== lane || head.incarnation !== log.incarnation || head.number !== archive.number || head.turn !== archive.turn) throw fail(`(${digest}) is of something else`)
  return { archive, state: restoredLane(plain, constants), tail: { position: head.position, digest: head.turn }, shown }
}

/** One that was made anew for this build, else that of the archive. */
async function snapshotDigest({ coordinator }: BeginningContext, lane: string, archive: LaneArchive): Promise<string> {
  const entry = await coordinator.mappings.get(renewedKey(lane))
  const renewed = entry === undefined ? undefined : renewedIn(entry.value)
  const fits = renewed !== undefined && renewed.incarnation === coordinator.log.incarnation && renewed.schema === laneSchema && renewed.number === archive.number && renewed.turn === archive.turn
  return fits ? renewed.digest : archive.snapshot
}

const archivedType = Buffer.from('"LaneArchived"')

/** The data of each `LaneArchived` of this incarnation that a turn holds; most turns are not even parsed. */
export function archivesIn(bytes: Uint8Array, incarnation: number): readonly LaneArchive[] {
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(archivedType)) return []
  const turn = decodeTurn(bytes)
  if (turn.incarnation !== incarnation) return []
  return turn.commits.flatMap(({ aggregate, events }) => (aggregate === 'lane' ? events.flatMap((event) => (event.type === 'LaneArchived' ? [event.data as LaneArchive] : [])) : []))
}

/** The first `LaneArchived` in what is left of the lane that reaches over turn `missing`. */
async function archiveOver(log: EventLog, subject: string, missing: number, signal: AbortSignal): Promise<LaneArchive | undefined> {
  const last = await log.last(subject)
  if (last === undefined) return undefined
  for await (const batch of log.read({ subjects: [subject], from: 1, until: last.position, signal })) {
    for (const { bytes } of batch) {
      const found = archivesIn(bytes, log.incarnation).find(({ number }) => number >= missing)
      if (found !== undefined) return found
    }
  }
  return undefined
}
