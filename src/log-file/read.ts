/** Reads a portable file of a log; every line is checked before anything of it is handed on. */
import { hash } from 'node:crypto'
import { counted } from '../../machines/counted.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectTest } from '../../streams/subject-match.ts'
import { UnreadableLine, readLines } from '../platform/line-files.ts'
import { systemErrorCode } from '../platform/folders.ts'
import {
  MalformedLogFile, chainOfHeader, chainOfRecord, chainOfSnapshot, chainOfText, lineLimitBytes, logFileFormat, logFileVersion, type LogFileHeader, type LogFileRecord, type LogFileSnapshot, type LogFileText,
} from './format.ts'

export interface LogFileOptions {
  /** Exact subjects or patterns; empty means every subject. */
  readonly subjects?: readonly string[]
  readonly from?: number
  readonly until?: number
}

/** The file cannot be opened or read. */
export class UnreadableLogFile extends Error {
  override readonly name: string = 'UnreadableLogFile'
  readonly retryable = false
}

/** What was named is not there, or no file. */
export class NoLogFile extends UnreadableLogFile {
  override readonly name = 'NoLogFile'
}

/** Only the first line. Throws `MalformedLogFile`, `UnreadableLogFile`. */
export async function readLogFileHeader(file: string): Promise<LogFileHeader> {
  for await (const lines of linesOf(file)) return headerOf(file, lines[0]!)
  throw new MalformedLogFile(file, 1, 'the file is empty: a file written by "reeve log export" was expected')
}

/**
 * Messages in the order of the log. The whole chain is checked, also of what is filtered out, and the trailer at the end: a
 * reader that ends early has checked what it was given. Throws `MalformedLogFile`, `UnreadableLogFile`.
 */
export async function* readLogFile(file: string, options: LogFileOptions = {}): AsyncGenerator<readonly StoredMessage[]> {
  for await (const { messages } of readLogFileWithTexts(file, options)) if (messages.length > 0) yield messages
}

export interface LogFileBatch {
  readonly messages: readonly StoredMessage[]
  /** Each stands before the turn that names it, in this batch or a former one. */
  readonly texts: readonly LogFileText[]
  /** Of an archive: lines of its snapshot, behind all turns. */
  readonly snapshot: readonly string[]
  /** Digest of the file up to the end of this batch. */
  readonly chain: string
}

/** As `readLogFile`, with the texts (P16), which are not filtered. */
export async function* readLogFileWithTexts(file: string, options: LogFileOptions = {}): AsyncGenerator<LogFileBatch> {
  const wanted = subjectTest(options.subjects ?? [])
  const { from = 1, until = Number.MAX_SAFE_INTEGER } = options
  const encoder = new TextEncoder()
  let header: LogFileHeader | undefined
  let chain = ''
  let records = 0
  let texts = 0
  let line = 0
  let last = 0
  let ended = false
  /** Of a line of the snapshot that goes on. */
  const pieces: string[] = []
  for await (const lines of linesOf(file)) {
    const batch: StoredMessage[] = []
    const batchTexts: LogFileText[] = []
    const snapshot: string[] = []
    try {
      for (const text of lines) {
        line += 1
        if (header === undefined) {
          header = headerOf(file, text)
          chain = chainOfHeader(text)
          continue
        }
        if (ended) throw new MalformedLogFile(file, line, 'something stands after the last line')
        const value = objectOf(file, line, text)
        if ('text' in value) {
          const named = textOf(file, line, value)
          chain = chainOfText(chain, named)
          if (value['chain'] !== chain) throw wrongDigest(file, line, `the digest of text ${named.text} is wrong`)
          texts += 1
          batchTexts.push(named)
          continue
        }
        if ('snapshot' in value && header.archive !== undefined) {
          const piece = snapshotOf(file, line, value)
          chain = chainOfSnapshot(chain, piece)
          if (value['chain'] !== chain) throw wrongDigest(file, line, 'the digest of a line of the snapshot is wrong')
          pieces.push(piece.snapshot)
          if (!piece.more) snapshot.push(pieces.splice(0).join(''))
          continue
        }
        if (pieces.length > 0) throw new MalformedLogFile(file, line, 'a line of the snapshot does not go on: the file was changed or is damaged')
        if (!('position' in value)) {
          if (value['records'] !== records || value['texts'] !== texts || value['chain'] !== chain) {
            throw wrongDigest(file, line, `the last line does not fit the ${counted(records, 'record')} before it`)
          }
          ended = true
          continue
        }
        const record = recordOf(file, line, value)
        chain = chainOfRecord(chain, record)
        if (value['chain'] !== chain) throw wrongDigest(file, line, `the digest of position ${record.position} is wrong`)
        if (record.position <= last) throw new MalformedLogFile(file, line, `position ${record.position} does not follow ${last}`)
        last = record.position
        records += 1
        if (record.position < from || record.position > until || !wanted(record.subject)) continue
        batch.push({ subject: record.subject, position: record.position, bytes: encoder.encode(record.payload), storedMs: record.storedMs })
      }
    } catch (error) {
      // What stands before it was checked.
      yield { messages: batch, texts: batchTexts, snapshot, chain }
      throw error
    }
    yield { messages: batch, texts: batchTexts, snapshot, chain }
  }
  if (header === undefined) throw new MalformedLogFile(file, 1, 'the file is empty: a file written by "reeve log export" was expected')
  if (!ended) throw new MalformedLogFile(file, line + 1, 'the last line is missing: the file was cut off')
}

/** Each digest is over what stands before, but nothing before the first one says that the header is as it was written. */
function wrongDigest(file: string, line: number, what: string): MalformedLogFile {
  return new MalformedLogFile(file, line, `${what}: the file was changed or is damaged`, line === 2 ? 'line 1 or 2' : undefined)
}

async function* linesOf(file: string): AsyncGenerator<readonly string[]> {
  try {
    yield* readLines(file, lineLimitBytes)
  } catch (error) {
    if (error instanceof UnreadableLine) throw new MalformedLogFile(file, error.line, error.message)
    const code = systemErrorCode(error)
    if (code === undefined) throw error
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new NoLogFile(`there is no file or folder ${file}: check the path`, { cause: error })
    if (code === 'EISDIR') throw new NoLogFile(`${file} is a folder: name a file in it that "reeve log export" wrote`, { cause: error })
    throw new UnreadableLogFile(`the file ${file} cannot be read (${code})`, { cause: error })
  }
}

function objectOf(file: string, line: number, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new MalformedLogFile(file, line, `is not JSON: ${line === 1 ? 'a file written by "reeve log export", or one of an archive, was expected' : 'the file is damaged or was cut off'}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new MalformedLogFile(file, line, 'is not a JSON object')
  return value as Record<string, unknown>
}

function headerOf(file: string, text: string): LogFileHeader {
  const value = objectOf(file, 1, text)
  if (value['format'] !== logFileFormat) {
    throw new MalformedLogFile(file, 1, `is not the header of an exported log (no "format": "${logFileFormat}")`)
  }
  if (value['version'] !== logFileVersion || value['digest'] !== 'sha256-chain-1') {
    throw new MalformedLogFile(file, 1, `has version ${JSON.stringify(value['version'])}, this build reads ${logFileVersion}: use a newer build`)
  }
  const whole = (key: string) => Number.isSafeInteger(value[key])
  if (typeof value['realm'] !== 'string' || !whole('incarnation') || !whole('from') || !whole('until') || (value['end'] !== undefined && !whole('end')) || !Array.isArray(value['subjects'])) {
    throw new MalformedLogFile(file, 1, 'the header is not complete')
  }
  if (!isListOf(value['archived'], isArchivedLane) || !(value['archive'] === undefined || isArchive(value['archive']))) throw new MalformedLogFile(file, 1, 'the header is not complete')
  return value as unknown as LogFileHeader
}

function isListOf(value: unknown, fits: (item: Record<string, unknown>) => boolean): boolean {
  return value === undefined || (Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && fits(item as Record<string, unknown>)))
}

function isArchivedLane({ lane, number, turn }: Record<string, unknown>): boolean {
  return typeof lane === 'string' && Number.isSafeInteger(number) && typeof turn === 'string'
}

function isArchive(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { from, previous, snapshot, ...rest } = value as Record<string, unknown>
  return isArchivedLane(rest) && Number.isSafeInteger(from) && typeof previous === 'string' && typeof snapshot === 'string'
}

function snapshotOf(file: string, line: number, { snapshot, more = false }: Record<string, unknown>): LogFileSnapshot {
  if (typeof snapshot !== 'string' || typeof more !== 'boolean') throw new MalformedLogFile(file, line, 'is not a line of a snapshot')
  return { snapshot, more }
}

function recordOf(file: string, line: number, value: Record<string, unknown>): LogFileRecord {
  const { position, subject, storedMs, payload } = value
  if (!Number.isSafeInteger(position) || typeof subject !== 'string' || !Number.isSafeInteger(storedMs) || typeof payload !== 'string') {
    throw new MalformedLogFile(file, line, 'is not a record: position, subject, storedMs and payload were expected')
  }
  return value as unknown as LogFileRecord
}

function textOf(file: string, line: number, value: Record<string, unknown>): LogFileText {
  const { text, payload } = value
  if (typeof text !== 'string' || typeof payload !== 'string' || hash('sha256', payload) !== text) {
    throw new MalformedLogFile(file, line, 'is not a text with its digest')
  }
  return { text, payload }
}
