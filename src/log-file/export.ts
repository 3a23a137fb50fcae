/** Writes a part of the log into a portable file; constant memory, in its place only when it is whole. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { decodeTurn } from '../../streams/codec.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { beginFile } from '../platform/line-files.ts'
import {
  chainOfHeader, chainOfRecord, chainOfText, headerLine, logFileFormat, logFileVersion, recordLine, textLine, trailerLine, type LogFileHeader,
} from './format.ts'

export interface ExportRequest {
  readonly file: string
  readonly realm: string
  /** Default 1. */
  readonly from?: number
  /** Default: the end of the log as it is now. */
  readonly until?: number
  /** Default: everything. */
  readonly subjects?: readonly string[]
  readonly signal?: AbortSignal
  /** After each batch: records so far, and the position reached. */
  readonly onProgress?: (records: number, position: number) => void
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
}

/** The export was stopped; no file was written. */
export class ExportStopped extends Error {
  override readonly name = 'ExportStopped'
  readonly retryable = true
}

/** Throws `Unavailable`, `ExportStopped`, the system's own errors; then nothing stands at `file` that was not there before. */
export async function exportLog(log: EventLog, texts: TextStore, request: ExportRequest): Promise<Exported> {
  const { file, realm, from = 1, subjects = [], signal } = request
  const end = await log.end()
  const until = Math.min(request.until ?? end, end)
  const header: LogFileHeader = {
    format: logFileFormat,
    version: logFileVersion,
    realm,
    incarnation: log.incarnation,
    from,
    until,
    subjects,
    redacted: false,
    digest: 'sha256-chain-1',
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const draft = await beginFile(file)
  try {
    const first = headerLine(header)
    await draft.write(`${first}\n`)
    let chain = chainOfHeader(first)
    let records = 0
    let textsWritten = 0
    const missingTexts: string[] = []
    if (until >= from) {
      for await (const batch of log.read({ subjects, from, until, ...(signal === undefined ? {} : { signal }) })) {
        let text = ''
        for (const message of batch) {
          for (const digest of textsNamedBy(message)) {
            const bytes = await texts.get(digest)
            if (bytes === undefined) {
              missingTexts.push(digest)
              continue
            }
            const named = { text: digest, payload: decoder.decode(bytes) }
            chain = chainOfText(chain, named)
            text += `${textLine(named, chain)}\n`
            textsWritten += 1
          }
          const record = {
            position: message.position,
            subject: message.subject,
            storedMs: message.storedMs,
            payload: decoder.decode(message.bytes),
          }
          chain = chainOfRecord(chain, record)
          text += `${recordLine(record, chain)}\n`
          records += 1
        }
        await draft.write(text)
        request.onProgress?.(records, batch.at(-1)!.position)
      }
    }
    if (signal?.aborted) throw new ExportStopped(`the export was stopped before it was whole: ${file} was not written`)
    await draft.write(`${trailerLine({ records, texts: textsWritten, chain })}\n`)
    await draft.finish()
    return { file, records, texts: textsWritten, missingTexts, from, until, chain }
  } finally {
    await draft.abandon()
  }
}

/** P16: the plan of a group that is opened, and what a reason says at length. */
function textsNamedBy(message: StoredMessage): readonly string[] {
  const { buffer, byteOffset, byteLength } = message.bytes
  const stored = Buffer.from(buffer, byteOffset, byteLength)
  if (!stored.includes('"GroupOpened"') && !stored.includes('"full":')) return []
  return decodeTurn(message.bytes)
    .commits.filter((commit) => commit.aggregate === 'group')
    .flatMap((commit) => (commit.events as readonly GroupEvent[]).flatMap(textsOfEvent))
}

function textsOfEvent(event: GroupEvent): readonly string[] {
  if (event.type === 'GroupOpened') return [event.data.plan]
  if ((event.type === 'JobFailed' || event.type === 'JobUnknown') && event.data.reason.full !== undefined) return [event.data.reason.full]
  return []
}
