/** Where the turns of a realm are taken from: a file, or the stream that a backup of the server was put back into. */
import { digestOf } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import type { WholeLog } from '../../streams/ports/incarnations.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { lanesBegunLater, realmOf } from '../archive/lanes.ts'
import { type Archives, type Read, demandSameLog, withArchives } from '../archive/merged.ts'
import { type ArchivedLane, type LogFileText, archivedText, partText } from '../log-file/format.ts'
import { readLogFile, readLogFileHeader, readLogFileWithTexts } from '../log-file/read.ts'
import { RestoreRefused } from './refused.ts'

export interface SourceBatch {
  readonly messages: readonly StoredMessage[]
  readonly texts: readonly LogFileText[]
  /** Digest of the source up to the end of this batch. */
  readonly chain: string
}

export interface RestoreSource {
  readonly how: 'import' | 'restore'
  /** For a person. */
  readonly name: string
  /** Prefix of its subjects. */
  readonly realm: string
  readonly incarnation: number
  /** Last position, for who shows how far it is. */
  readonly until: number
  read(signal: AbortSignal | undefined): AsyncIterable<SourceBatch>
}

/**
 * With `archives`, the turns that were archived stand in their places again. Throws `RestoreRefused` for a part of a log, `ArchiveRefused`,
 * `MalformedLogFile`, `UnreadableLogFile`.
 */
export async function fileSource(file: string, archives?: Archives): Promise<RestoreSource> {
  const header = await readLogFileHeader(file)
  const { archived = [], realm, incarnation, until } = header
  const { archived: _, ...rest } = header
  const part = partText(rest)
  if (part !== undefined) throw new RestoreRefused(`${file} is not a whole log (${part}) and cannot be imported: name one that was exported without --from, --until, --lane, --only and --redact`)
  demandArchives(file, archived, archives)
  const source = { how: 'import', name: file, realm, incarnation, until } as const
  if (archives === undefined) return { ...source, read: () => readLogFileWithTexts(file) }
  demandSameLog(archives, header, file)
  return { ...source, read: () => withTextsFirst(file, archives, until) }
}

/** Archives may go on where the file ends: they are read as far as it does. */
async function* withTextsFirst(file: string, archives: Archives, until: number): AsyncGenerator<SourceBatch> {
  let chain = ''
  for (const { path } of [...[...archives.lanes.values()].flat(), { path: file }]) {
    for await (const batch of readLogFileWithTexts(path)) {
      chain = batch.chain
      if (batch.texts.length > 0) yield { messages: [], texts: batch.texts, chain }
    }
  }
  const read = withArchives(archives, subjectsOf(archives.realm), (options) => readLogFile(file, options))
  for await (const messages of read({ subjects: [], from: 1, until })) yield { messages, texts: [], chain }
}

/** Every lane that begins later goes on from an archive. */
function demandArchives(name: string, lanes: readonly ArchivedLane[], archives: Archives | undefined): void {
  if (lanes.length === 0) return
  if (archives === undefined) throw new RestoreRefused(`${name} is whole only with the archives of its lanes (${archivedText(lanes)}): name their folder with --archive DIR`)
  for (const { lane, number } of lanes) {
    const last = archives.lanes.get(lane)?.at(-1)?.header.archive.number ?? 0
    if (last < number) throw new RestoreRefused(`${name} lacks turns ${last + 1} to ${number} of lane ${lane}, and no archive that was named has them: name the folder of all archives with --archive DIR`)
  }
}

/** Throws `RestoreRefused`, `ArchiveRefused`, `MalformedTurn`, `Unavailable`. */
export async function streamSource(whole: WholeLog, realm: string, archives?: Archives): Promise<RestoreSource> {
  const { log, incarnation } = whole
  const subjects = subjectsOf(realm)
  const name = `incarnation ${incarnation}`
  demandArchives(name, await lanesBegunLater(log, subjects, (await realmOf(log, subjects)).lanes.map(({ lane }) => lane)), archives)
  if (archives !== undefined) demandSameLog(archives, { realm, incarnation }, 'the log')
  const until = await log.end()
  const live: Read = (options) => log.read(options)
  const read = archives === undefined ? live : withArchives(archives, subjects, live)
  return {
    how: 'restore',
    name,
    realm,
    incarnation,
    until,
    async *read(signal) {
      if (until === 0) return
      for await (const messages of read({ subjects: [], from: 1, until, ...(signal === undefined ? {} : { signal }) })) yield { messages, texts: [], chain: digestOf(messages.at(-1)!.bytes) }
    },
  }
}
