/** The snapshot that a lane begins with, made anew from its archives: for a build of another schema, or where it was lost. */
import { toBytes } from '../../streams/coordination.ts'
import { type RenewedSnapshot, renewedKey } from '../../streams/lane-snapshot.ts'
import { laneSchema } from '../../machines/lane/snapshot.ts'
import type { BeginningContext } from '../lane/beginning.ts'
import { ArchiveRefused, ArchiveStopped } from './errors.ts'
import { verifyArchive } from './file.ts'
import { type Archives, demandSameLog } from './merged.ts'
import { ArchiveFold } from './snapshot.ts'
import { surveyLane } from './survey.ts'

/** Up to which turn, null where nothing of the lane was archived. Throws `ArchiveRefused`, `ArchiveStopped`, `DamagedArchive`, `Unavailable`. */
export async function renewLane(context: BeginningContext, lane: string, archives: Archives, signal: AbortSignal): Promise<number | null> {
  const { coordinator, subjects } = context
  const { log, texts, mappings } = coordinator
  demandSameLog(archives, { realm: subjects.realm, incarnation: log.incarnation }, 'the log')
  const survey = await surveyLane(log, subjects.lane(lane), signal)
  if (signal.aborted) throw new ArchiveStopped()
  const archive = survey?.archive
  if (archive === undefined) return null
  const fold = new ArchiveFold(context, lane, undefined)
  let position = 0
  for (const { path } of archives.lanes.get(lane) ?? []) {
    if (fold.number >= archive.number) break
    await verifyArchive(path, (message) => {
      if (message.position <= position) return
      if (fold.number >= archive.number) return
      fold.take(message)
      position = message.position
    })
    if (signal.aborted) throw new ArchiveStopped()
  }
  if (fold.number !== archive.number) throw new ArchiveRefused(`turns ${fold.number + 1} to ${archive.number} of lane ${lane} are in no file of that folder: name the one that holds all archives of the lane`)
  const { bytes, digest } = await fold.snapshot({ number: archive.number, position, digest: archive.turn }, signal)
  if (signal.aborted) throw new ArchiveStopped()
  await texts.put(bytes)
  const renewed: RenewedSnapshot = { incarnation: log.incarnation, number: archive.number, turn: archive.turn, schema: laneSchema, digest }
  await mappings.put(renewedKey(lane), toBytes(renewed))
  return archive.number
}
