/** Writes a part of the log into a portable file; constant memory, in its place only when it is whole. */
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { beginFile } from '../platform/line-files.ts'
import { type ArchivedLane, logFileFormat, logFileVersion, type LogFileHeader } from './format.ts'
import { RecordWriter } from './record-writer.ts'
import type { Redact } from './redaction.ts'
import type { Selection } from './selection.ts'

export interface ExportRequest {
  readonly file: string
  readonly realm: string
  /** Default 1. */
  readonly from?: number
  /** Default: the end of the log as it is now. */
  readonly until?: number
  /** Default: everything. */
  readonly selection?: Selection
  /** Then payloads are what it makes of the turns, and there are no texts. */
  readonly redact?: Redact
  /** Lanes that begin later in the log, since older turns of them were archived. */
  readonly archived?: readonly ArchivedLane[]
  /** Asked at the end, before the file takes its place: the same lanes as they are then. */
  readonly archivedNow?: () => Promise<readonly ArchivedLane[]>
  readonly signal?: AbortSignal
  /** After each batch: records so far, the position reached, and the last one to come. */
  readonly onProgress?: (records: number, position: number, until: number) => void
}

export interface Exported {
  readonly file: string
  readonly records: number
  /** Long texts that the records name (P16). */
  readonly texts: number
  /** Digests of texts that are named and no longer there. */
  readonly missingTexts: readonly string[]
  readonly from: number
  readonly until: number
  /** Digest at the end of the chain. */
  readonly chain: string
  readonly redacted: boolean
}

/** The export was stopped; no file was written. */
export class ExportStopped extends Error {
  override readonly name = 'ExportStopped'
  readonly retryable = true
}

/** Turns were archived while they were exported: the file would lack some without saying so. */
export class ArchivedMeanwhile extends Error {
  override readonly name = 'ArchivedMeanwhile'
  readonly retryable = true
}

/** Throws `Unavailable`, `ExportStopped`, `ArchivedMeanwhile`, the system's own errors; then nothing stands at `file` that was not there before. */
export async function exportLog(log: Pick<EventLog, 'incarnation' | 'end' | 'read'>, texts: TextStore, request: ExportRequest): Promise<Exported> {
  const { file, realm, from = 1, selection, redact, archived = [], signal } = request
  // Asked once: programs go on writing, and a file is whole that ends where the log ended then.
  const end = await log.end()
  const until = Math.min(request.until ?? end, end)
  const { subjects, aggregates } = selection ?? everything
  const header: LogFileHeader = {
    format: logFileFormat,
    version: logFileVersion,
    realm,
    incarnation: log.incarnation,
    from,
    until,
    end,
    subjects,
    ...(aggregates === undefined ? {} : { aggregates }),
    redacted: redact !== undefined,
    ...(archived.length === 0 ? {} : { archived }),
    digest: 'sha256-chain-1',
  }
  const draft = await beginFile(file)
  try {
    const writer = new RecordWriter(draft, redact === undefined ? texts : undefined, redact)
    await writer.begin(header)
    if (until >= from) {
      for await (const batch of log.read({ subjects, from, until, aheadBytes, ...(signal === undefined ? {} : { signal }) })) {
        await writer.take(selection === undefined ? batch : batch.filter((message) => selection.takes(message)))
        request.onProgress?.(writer.records, batch.at(-1)!.position, until)
      }
    }
    if (signal?.aborted) throw new ExportStopped(`the export was stopped before it was whole: ${file} was not written`)
    const now = await request.archivedNow?.()
    if (now !== undefined && beginnings(now) !== beginnings(archived)) {
      throw new ArchivedMeanwhile(`turns of ${now.map(({ lane }) => `lane ${lane}`).join(', ')} were archived while they were exported: ${file} was not written; export again when that is done`)
    }
    await writer.end()
    await draft.finish()
    const { records, textsWritten, missingTexts, chain } = writer
    return { file, records, texts: textsWritten, missingTexts: [...missingTexts], from, until, chain, redacted: header.redacted }
  } finally {
    await draft.abandon()
  }
}

function beginnings(lanes: readonly ArchivedLane[]): string {
  return lanes.map(({ lane, number }) => `${lane} ${number}`).join()
}

const everything: Pick<Selection, 'subjects' | 'aggregates'> = { subjects: [] }

/** Read ahead of what is written: the memory of an export is bounded, and writing is slower than reading. */
const aheadBytes = 4 * 1024 * 1024
