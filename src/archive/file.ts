/** The file of an archive: written, and read back against what stands in the log. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import { decodeTurn, digestOf } from '../../streams/codec.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { MalformedLogFile, type ArchiveHeader, type LogFileHeader, logFileFormat, logFileVersion } from '../log-file/format.ts'
import { UnreadableLogFile, readLogFileHeader, readLogFileWithTexts } from '../log-file/read.ts'
import { RecordWriter } from '../log-file/record-writer.ts'
import { fileDigest, namesIn, readTextEnd, removeFile } from '../platform/folders.ts'
import { beginFile } from '../platform/line-files.ts'
import { ArchiveRefused } from './errors.ts'

/** Read ahead of what is written. */
const aheadBytes = 4 * 1024 * 1024
const trailerAtMostBytes = 256

export interface ArchiveName {
  readonly realm: string
  readonly incarnation: number
  readonly lane: string
  readonly from: number
  readonly number: number
}

export function archiveFileName({ realm, incarnation, lane, from, number }: ArchiveName): string {
  return `${realm}.${incarnation}.${lane}.${from}-${number}.ndjson`
}

const namePattern = /^([A-Za-z0-9_-]+)\.(\d{1,9})\.([A-Za-z0-9_-]+)\.(\d{1,15})-(\d{1,15})\.ndjson$/

/** Undefined for a file that is no archive by its name. */
export function parseArchiveFileName(name: string): ArchiveName | undefined {
  const [, realm, incarnation, lane, from, number] = namePattern.exec(name) ?? []
  if (realm === undefined) return undefined
  return { realm, incarnation: Number(incarnation), lane: lane!, from: Number(from), number: Number(number) }
}

/** All of this lane and incarnation in the folder, by their names, in order. */
export async function archivesOfLane(folder: string, of: Pick<ArchiveName, 'realm' | 'incarnation' | 'lane'>): Promise<readonly ArchiveName[]> {
  return (await namesIn(folder))
    .flatMap((name) => parseArchiveFileName(name) ?? [])
    .filter(({ realm, incarnation, lane }) => realm === of.realm && incarnation === of.incarnation && lane === of.lane)
    .sort((a, b) => a.from - b.from || a.number - b.number)
}

/** Who reads a folder takes all archives in it for those of one log. Throws `ArchiveRefused`. */
export async function demandOwnFolder(folder: string, of: Pick<ArchiveName, 'realm' | 'incarnation'>): Promise<void> {
  for (const name of await namesIn(folder)) {
    const other = parseArchiveFileName(name)
    if (other === undefined || (other.realm === of.realm && other.incarnation === of.incarnation)) continue
    throw new ArchiveRefused(`${folder} holds archives of incarnation ${other.incarnation} of realm ${other.realm} (${name}), and this is incarnation ${of.incarnation} of ${of.realm}: name another folder`)
  }
}

/** What an attempt that was killed left of files of this lane. */
export async function removeDrafts(folder: string, of: Pick<ArchiveName, 'realm' | 'incarnation' | 'lane'>): Promise<void> {
  const begins = `${of.realm}.${of.incarnation}.${of.lane}.`
  for (const name of await namesIn(folder)) if (name.startsWith(begins) && /\.ndjson\.[0-9a-f]{12}\.new$/.test(name)) await removeFile(join(folder, name))
}

export interface ArchiveToWrite extends ArchiveHeader {
  readonly realm: string
  readonly subject: string
  /** Of its first and of its last turn. */
  readonly fromPosition: number
  readonly untilPosition: number
  readonly bytes: Uint8Array
}

/**
 * In its place only when it is whole and on the disk; written again of the same turns it is the same, to the byte. Throws `ArchiveRefused` where turns are
 * purged meanwhile, `Unavailable`, the system's own errors.
 */
export async function writeArchive(log: EventLog, texts: TextStore, path: string, archive: ArchiveToWrite, signal: AbortSignal): Promise<void> {
  const { lane, from, number, previous, turn, snapshot, realm, subject, fromPosition, untilPosition } = archive
  const header: LogFileHeader = {
    format: logFileFormat, version: logFileVersion, realm, incarnation: log.incarnation, from: fromPosition, until: untilPosition, subjects: [subject], redacted: false,
    archive: { lane, from, number, previous, turn, snapshot },
    digest: 'sha256-chain-1',
  }
  const draft = await beginFile(path)
  try {
    const writer = new RecordWriter(draft, texts, undefined)
    await writer.begin(header)
    let records = 0
    for await (const batch of log.read({ subjects: [subject], from: fromPosition, until: untilPosition, aheadBytes, signal })) {
      await writer.take(batch)
      records += batch.length
    }
    if (signal.aborted) return
    // It would stand before the whole one of another who archives at the same time.
    if (records !== number - from + 1) throw new ArchiveRefused(`turns ${from} to ${number} of lane ${lane} left the log while they were written to a file: somebody else archives it; repeat this when that is done`)
    for (const line of linesIn(archive.bytes)) await writer.takeSnapshotLine(line)
    await writer.end()
    await draft.finish()
  } finally {
    await draft.abandon()
  }
}

function* linesIn(bytes: Uint8Array): Generator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const newline = 0x0a
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(newline, from)
    yield decoder.decode(bytes.subarray(from, end))
    from = end + 1
  }
}

export interface VerifiedArchive {
  readonly path: string
  readonly header: LogFileHeader & { readonly archive: ArchiveHeader }
  /** SHA-256 of the file. */
  readonly file: string
  readonly turns: number
}

/** The file is not a whole archive, or not of what it says. */
export class DamagedArchive extends Error {
  override readonly name = 'DamagedArchive'
  readonly retryable = false
  /** What is wrong, without what to do. */
  readonly fault: string
  constructor(path: string, why: string) {
    const fault = `${path} cannot be used as an archive: ${why}`
    super(`${fault}; take another copy of it`)
    this.fault = fault
  }
}

/**
 * The file by itself: its own chain, the chain of its turns from the one before to the last, the digest of its snapshot. `onTurn` hears each turn,
 * in order. Throws `DamagedArchive`, and what `onTurn` throws.
 */
export async function verifyArchive(path: string, onTurn: (message: StoredMessage) => void | Promise<void> = () => {}): Promise<VerifiedArchive> {
  try {
    const header = await readLogFileHeader(path)
    const { archive } = header
    if (archive === undefined) throw new DamagedArchive(path, 'it is an exported file, and no archive')
    const snapshot = createHash('sha256')
    let number = archive.from - 1
    let digest = archive.previous
    let last = 0
    for await (const batch of readLogFileWithTexts(path)) {
      for (const message of batch.messages) {
        const turn = decodeTurn(message.bytes)
        if (turn.number !== number + 1 || turn.previous !== digest) throw new DamagedArchive(path, `turn ${turn.number} does not follow turn ${number}`)
        number = turn.number
        digest = digestOf(message.bytes)
        last = message.position
        await onTurn(message)
      }
      for (const line of batch.snapshot) snapshot.update(`${line}\n`)
    }
    if (number !== archive.number || digest !== archive.turn || last !== header.until) throw new DamagedArchive(path, `its last turn is not turn ${archive.number}`)
    if (snapshot.digest('hex') !== archive.snapshot) throw new DamagedArchive(path, 'its snapshot does not have its digest')
    return { path, header: { ...header, archive }, file: await fileDigest(path), turns: archive.number - archive.from + 1 }
  } catch (error) {
    if (error instanceof MalformedLogFile || error instanceof UnreadableLogFile) throw new DamagedArchive(path, error.message)
    throw error
  }
}

/** It ends with the trailer of an archive of so many turns; nothing else of it is read. */
export async function endsWhole(path: string, { from, number }: Pick<ArchiveName, 'from' | 'number'>): Promise<boolean> {
  const end = await readTextEnd(path, trailerAtMostBytes)
  return /\{"records":(\d+),"texts":\d+,"chain":"[0-9a-f]{64}"\}\n$/.exec(end)?.[1] === String(number - from + 1)
}

/** As `verifyArchive`, and every turn of it that is still in the log stands there, to the byte. Throws `DamagedArchive`, `ArchiveRefused`, `Unavailable`. */
export async function verifyArchiveAgainst(log: EventLog, path: string): Promise<VerifiedArchive> {
  const { from, until, subjects } = await headerOf(path)
  const live = oneByOne(log.read({ subjects, from, until, aheadBytes }))
  let next = await live.next()
  const differs = (position: number) => new ArchiveRefused(`${path} is not what stands in the log at position ${position}: nothing is purged by it; take another copy of it, or move it away`)
  try {
    const verified = await verifyArchive(path, async ({ position, bytes }) => {
      if (next.done || next.value.position > position) return
      if (next.value.position < position || Buffer.compare(next.value.bytes, bytes) !== 0) throw differs(next.value.position)
      next = await live.next()
    })
    if (!next.done) throw differs(next.value.position)
    return verified
  } finally {
    await live.return(undefined)
  }
}

async function headerOf(path: string): Promise<LogFileHeader> {
  try {
    return await readLogFileHeader(path)
  } catch (error) {
    if (error instanceof MalformedLogFile || error instanceof UnreadableLogFile) throw new DamagedArchive(path, error.message)
    throw error
  }
}

async function* oneByOne(batches: AsyncIterable<readonly StoredMessage[]>): AsyncGenerator<StoredMessage, undefined> {
  for await (const batch of batches) yield* batch
  return undefined
}
