/**
 * The portable file of a log: what each line is (docs/wire.md "Exported file"). For ever, as the log itself.
 *
 * The chain proves the file: each record carries SHA-256 over the chain before it and everything that the record says, the
 * header begins it and the trailer repeats its end. The live log has a chain of its own, in the turns (`previous`).
 */
import { hash } from 'node:crypto'

export const logFileFormat = 'reeve-log'
export const logFileVersion = 1
/** A payload of 256 KiB whose every byte is escaped, and the keys around it; texts may be longer. */
export const lineLimitBytes = 64 * 1024 * 1024

export interface LogFileHeader {
  readonly format: typeof logFileFormat
  readonly version: number
  /** Prefix of the realm's subjects. */
  readonly realm: string
  /** Of the realm when it was exported; turns carry that in which they were written. */
  readonly incarnation: number
  /** First and last position that were asked for. */
  readonly from: number
  readonly until: number
  /** Last position of the log when it was exported; absent in files of older builds. */
  readonly end?: number
  /** Subjects or patterns that were asked for; empty: everything. */
  readonly subjects: readonly string[]
  /** Aggregates that were asked for, `<aggregate>:<id>`: only turns that hold a commit of one; absent: all. */
  readonly aggregates?: readonly string[]
  readonly redacted: boolean
  /** Lanes that begin later in it, since older turns of them are in archives; absent: none. */
  readonly archived?: readonly ArchivedLane[]
  /** It is an archive of a lane. */
  readonly archive?: ArchiveHeader
  readonly digest: 'sha256-chain-1'
}

export interface ArchivedLane {
  readonly lane: string
  /** The last turn that is not in the file, and the digest of its stored bytes. */
  readonly number: number
  readonly turn: string
}

export interface ArchiveHeader {
  readonly lane: string
  /** First and last lane number in the file. */
  readonly from: number
  readonly number: number
  /** Digest before turn `from`, and of the stored bytes of turn `number`. */
  readonly previous: string
  readonly turn: string
  /** SHA-256 of the snapshot behind the turns: of its lines, each with its newline. */
  readonly snapshot: string
}

export interface LogFileRecord {
  readonly position: number
  readonly subject: string
  readonly storedMs: number
  /** The stored bytes, as text. */
  readonly payload: string
}

/** A long text (P16), on a line before the record that names it. No state depends on it. */
export interface LogFileText {
  /** SHA-256 of the payload's bytes. */
  readonly text: string
  readonly payload: string
}

export interface LogFileTrailer {
  readonly records: number
  readonly texts: number
  readonly chain: string
}

export function headerLine(header: LogFileHeader): string {
  const { format, version, realm, incarnation, from, until, end, subjects, aggregates, redacted, archived, archive, digest } = header
  return JSON.stringify({ format, version, realm, incarnation, from, until, end, subjects, aggregates, redacted, archived, archive, digest })
}

/** Why a file is only a part of a log, in words; undefined where it is a whole one. */
export function partText({ from, until, end, subjects, aggregates, redacted, archived, archive }: LogFileHeader): string | undefined {
  if (archive !== undefined) return `it is an archive: turns ${archive.from} to ${archive.number} of lane ${archive.lane}`
  const lacks = [
    ...(redacted ? ['it is redacted'] : []),
    ...(aggregates !== undefined ? [`it holds only turns of ${aggregates.join(', ')}`] : subjects.length > 0 ? [`it holds only ${subjects.join(', ')}`] : []),
    ...(from > 1 ? [`it begins at position ${from}`] : []),
    ...(archived !== undefined ? [archivedText(archived)] : []),
    ...(end !== undefined && until < end ? [`it ends at position ${until}, and the log went on to ${end}`] : []),
  ]
  return lacks.length === 0 ? undefined : lacks.join('; ')
}

/** Where it begins, of lanes whose older turns are in archives. */
export function archivedText(archived: readonly ArchivedLane[]): string {
  return archived.map(({ lane, number }) => `lane ${lane} begins with turn ${number + 1} in it, turns 1 to ${number} are in archives`).join('; ')
}

/** The chain begins with the digest of the header's line. */
export function chainOfHeader(line: string): string {
  return hash('sha256', line)
}

/** Over the chain before, position, subject, stamp and payload, each on a line of its own. */
export function chainOfRecord(before: string, record: LogFileRecord): string {
  return hash('sha256', `${before}\n${record.position}\n${record.subject}\n${record.storedMs}\n${record.payload}`)
}

export function recordLine(record: LogFileRecord, chain: string): string {
  const { position, subject, storedMs, payload } = record
  return JSON.stringify({ position, subject, storedMs, payload, chain })
}

export function chainOfText(before: string, text: LogFileText): string {
  return hash('sha256', `${before}\n${text.text}\n${text.payload}`)
}

export function textLine(text: LogFileText, chain: string): string {
  return JSON.stringify({ text: text.text, payload: text.payload, chain })
}

/** A line of the snapshot of an archive, without its newline, or a piece of one: a group of a million jobs takes one of 180 MB. */
export interface LogFileSnapshot {
  readonly snapshot: string
  /** The line goes on in the next record. */
  readonly more: boolean
}

const snapshotPieceLength = 1024 * 1024

/** No piece ends within a character. */
export function* snapshotPieces(line: string): Generator<LogFileSnapshot> {
  let from = 0
  while (line.length - from > snapshotPieceLength) {
    const end = from + snapshotPieceLength
    const to = isHighSurrogate(line.charCodeAt(end - 1)) ? end - 1 : end
    yield { snapshot: line.slice(from, to), more: true }
    from = to
  }
  yield { snapshot: line.slice(from), more: false }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff
}

export function chainOfSnapshot(before: string, { snapshot, more }: LogFileSnapshot): string {
  return hash('sha256', `${before}\n${snapshot}${more ? '\nmore' : ''}`)
}

export function snapshotLine({ snapshot, more }: LogFileSnapshot, chain: string): string {
  return JSON.stringify(more ? { snapshot, more, chain } : { snapshot, chain })
}

export function trailerLine(trailer: LogFileTrailer): string {
  return JSON.stringify({ records: trailer.records, texts: trailer.texts, chain: trailer.chain })
}

/** The file is not what it claims to be. `line` counts from 1; no line before the second says whether the first is as it was written. */
export class MalformedLogFile extends Error {
  override readonly name = 'MalformedLogFile'
  readonly retryable = false
  readonly file: string
  readonly line: number
  constructor(file: string, line: number, what: string, place = `line ${line}`) {
    super(`${file}, ${place}: ${what}`)
    this.file = file
    this.line = line
  }
}
