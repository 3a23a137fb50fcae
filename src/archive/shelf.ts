/** Where archives are kept: a folder, or what stands for one. */
import { join } from 'node:path'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { fileFacts, makeFolder } from '../platform/folders.ts'
import { type ArchiveName, type ArchiveToWrite, type VerifiedArchive, archiveFileName, archivesOfLane, demandOwnFolder, endsWhole, removeDrafts, verifyArchiveAgainst, writeArchive } from './file.ts'

export type LaneNamed = Pick<ArchiveName, 'realm' | 'incarnation' | 'lane'>

export interface ArchiveShelf {
  /** For a person. */
  pathOf(name: ArchiveName): string
  /** It is there, and nothing is left on it of attempts of this lane that were killed. Throws `ArchiveRefused` where it is that of another log. */
  prepare(of: LaneNamed): Promise<void>
  /** In the order of their turns. */
  archivesOf(of: LaneNamed): Promise<readonly ArchiveName[]>
  has(name: ArchiveName): Promise<boolean>
  /** By its end alone. */
  seemsWhole(name: ArchiveName): Promise<boolean>
  /** Whole and durable when it resolves, or not there at all; of the same turns the same, to the byte. */
  write(name: ArchiveName, archive: ArchiveToWrite, signal: AbortSignal): Promise<void>
  /** Read back: whole by itself, and what is still in the log stands there as in it. Throws `DamagedArchive`, `ArchiveRefused`, `Unavailable`. */
  verify(name: ArchiveName): Promise<VerifiedArchive>
}

export function folderShelf(folder: string, { log, texts }: { readonly log: EventLog; readonly texts: TextStore }): ArchiveShelf {
  const pathOf = (name: ArchiveName) => join(folder, archiveFileName(name))
  return {
    pathOf,
    async prepare(of) {
      await demandOwnFolder(folder, of)
      await makeFolder(folder)
      await removeDrafts(folder, of)
    },
    archivesOf: (of) => archivesOfLane(folder, of),
    has: async (name) => (await fileFacts(pathOf(name))) !== undefined,
    seemsWhole: (name) => endsWhole(pathOf(name), name),
    write: (name, archive, signal) => writeArchive(log, texts, pathOf(name), archive, signal),
    verify: (name) => verifyArchiveAgainst(log, pathOf(name)),
  }
}
