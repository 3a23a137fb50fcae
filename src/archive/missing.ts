/** Which archives of a log nobody named, though the log needs them to be whole. */
import type { LaneArchive } from '../../machines/lane/machine.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { archivesIn } from '../lane/beginning.ts'
import type { ArchivedLane } from '../log-file/format.ts'
import { ArchiveRefused } from './errors.ts'
import { archiveFileName } from './file.ts'
import type { Archives, Read } from './merged.ts'

/**
 * `later` are the lanes whose older turns are not in what `read` gives up to `until`. Of each that says itself that they were archived, the
 * archives are there up to where it begins; turns of which no record says so were removed, which is for a verification to find. Throws
 * `ArchiveRefused`, which names all files that are missing, and what `read` throws.
 */
export async function demandNoneMissing(archives: Archives, later: readonly ArchivedLane[], subjects: Subjects, read: Read, until: number, signal?: AbortSignal): Promise<void> {
  const files: string[] = []
  for (const { lane, number } of later) {
    const have = archives.lanes.get(lane)?.at(-1)?.header.archive.number ?? 0
    if (have >= number) continue
    const records = await recordsOf(read, subjects.lane(lane), archives.incarnation, until, signal)
    if (signal?.aborted) return
    for (const { from, number: last } of rangesMissing(have, number, records)) files.push(archiveFileName({ ...archives, lane, from, number: last }))
  }
  if (files.length === 0) return
  const [are, them] = files.length === 1 ? ['archive', 'is missing: name the folder that has it'] : ['archives', 'are missing: name the folders that have them']
  throw new ArchiveRefused(`${are} ${files.join(', ')} ${them} with --archive too, or bring back what is lost from a backup`)
}

/** Of turns `have` + 1 to `number`: those on record by the files they were written to; what is before the first record, as one. */
function rangesMissing(have: number, number: number, records: readonly LaneArchive[]): readonly Pick<LaneArchive, 'from' | 'number'>[] {
  const ranges: { from: number; number: number }[] = []
  let reached = have
  for (const { from, number: last } of records) {
    if (last <= reached || reached >= number) continue
    if (from > reached + 1) ranges.push({ from: reached + 1, number: Math.min(from - 1, number) })
    if (from <= number) ranges.push({ from, number: last })
    reached = last
  }
  return ranges
}

/** In order, from what is left of the lane. */
async function recordsOf(read: Read, subject: string, incarnation: number, until: number, signal: AbortSignal | undefined): Promise<readonly LaneArchive[]> {
  const records: LaneArchive[] = []
  for await (const batch of read({ subjects: [subject], from: 1, until, ...(signal === undefined ? {} : { signal }) })) {
    for (const { bytes } of batch) records.push(...archivesIn(bytes, incarnation))
  }
  return records
}
