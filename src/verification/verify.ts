/** Verifying a log: the live one, an exported file, or one against the other. Reads only; constant memory but for what lives. */
import { counted } from '../../machines/counted.ts'
import type { LaneArchive } from '../../machines/lane/machine.ts'
import { MalformedTurn, decodeTurn } from '../../streams/codec.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { ArchiveRefused } from '../archive/errors.ts'
import { DamagedArchive, verifyArchive } from '../archive/file.ts'
import { type Archives, type Read, demandSameLog, isOf, withArchives } from '../archive/merged.ts'
import { lanesBegunLater, realmOf } from '../archive/lanes.ts'
import { demandNoneMissing } from '../archive/missing.ts'
import { archivesIn } from '../lane/beginning.ts'
import { type ArchivedLane, type LogFileHeader, MalformedLogFile } from '../log-file/format.ts'
import { readLogFile, readLogFileHeader } from '../log-file/read.ts'
import { ChainCheck } from './chain.ts'
import type { Finding } from './finding.ts'

export interface VerifyOptions {
  readonly signal?: AbortSignal
  readonly onFinding: (finding: Finding) => void
  /** After each batch: turns so far, and the position reached. */
  readonly onProgress?: (turns: number, position: number) => void
}

export interface Verified {
  readonly turns: number
  readonly events: number
  readonly findings: number
  /** First and last position that were looked at. */
  readonly from: number
  readonly until: number
}

const whatToDo = 'find out who may write to the server, compare with an exported file ("reeve log verify --against FILE"), and restore a backup'

export interface VerifiedLog extends Verified {
  /** Turns that are in archives, which were not looked at. */
  readonly archived: number
}

/**
 * The live log up to its present end; with `archives`, together with those: every position then has its turn, the files are those on record, and
 * none of them is missing. Without them as many positions may be empty as turns are archived. Throws `Unavailable`, `ArchiveRefused`.
 */
export async function verifyLog(log: EventLog, realm: string, options: VerifyOptions, archives?: Archives): Promise<VerifiedLog> {
  const until = await log.end()
  const later = await lanesLater(log, realm)
  const lacks = archives === undefined && later.length > 0
  const check = new ChainCheck({ realm, incarnation: log.incarnation, fromBeginning: true, archives: lacks, onFinding: options.onFinding })
  const read: Read = (how) => log.read({ ...how, ...signalOf(options) })
  if (archives !== undefined) await demandNoneMissing(archives, later, subjectsOf(realm), read, until, options.signal)
  const whole = archives === undefined ? read : withArchives(archives, subjectsOf(realm), read)
  let findings = 0
  let expected = 1
  let empty = 0
  const records = new Map<string, LaneArchive>()
  const missing = (first: number, last: number) => {
    empty += last - first + 1
    // Where an archived turn stood the log does not say: only how many there were.
    if (lacks) return
    findings += 1
    const text = first === last ? 'no turn stands here: it was removed' : `no turns stand here up to position ${last}: they were removed`
    options.onFinding({ kind: 'missing-position', position: first, subject: null, text: `${text}; ${whatToDo}` })
  }
  let damaged = false
  try {
    for await (const batch of until > 0 ? whole({ subjects: [], from: 1, until }) : none()) {
      for (const message of batch) {
        for (const archive of archivesIn(message.bytes, log.incarnation)) records.set(`${message.subject} ${archive.from}-${archive.number}`, archive)
        if (message.position > expected) missing(expected, message.position - 1)
        expected = message.position + 1
        check.take(message)
      }
      options.onProgress?.(check.turns, expected - 1)
    }
    if (expected <= until && !options.signal?.aborted) missing(expected, until)
  } catch (error) {
    // Of an archive: what is wrong with it is said when it is verified by itself.
    if (!(error instanceof MalformedLogFile)) throw error
    damaged = true
  }
  if (!options.signal?.aborted && !damaged) check.finish()
  if (lacks && empty !== check.archivedTurns && !options.signal?.aborted) {
    findings += 1
    const text = `${counted(empty, 'position')} have no turn, and ${counted(check.archivedTurns, 'turn')} are on record as archived: "reeve log verify --archive DIR" says which are missing`
    options.onFinding({ kind: 'missing-position', position: null, subject: null, text: `${text}; ${whatToDo}` })
  }
  if (archives !== undefined) findings += await verifyFiles(archives, records, realm, options)
  return { turns: check.turns, events: check.events, findings: findings + check.findings, from: 1, until, archived: check.archivedTurns }
}

/** Lanes whose first turn that is there is not the first; none where that cannot be read, which is found anyhow. */
async function lanesLater(log: EventLog, realm: string): Promise<readonly ArchivedLane[]> {
  const subjects = subjectsOf(realm)
  try {
    return await lanesBegunLater(log, subjects, (await realmOf(log, subjects)).lanes.map(({ lane }) => lane))
  } catch (error) {
    if (!(error instanceof MalformedTurn)) throw error
    return []
  }
}

/** Each archive by itself, and those on record by their digests. */
async function verifyFiles(archives: Archives, records: ReadonlyMap<string, LaneArchive>, realm: string, { onFinding, signal }: VerifyOptions): Promise<number> {
  let findings = 0
  for (const [lane, files] of archives.lanes) {
    for (const { path, header } of files) {
      if (signal?.aborted) return findings
      const subject = subjectsOf(realm).lane(lane)
      const record = records.get(`${subject} ${header.archive.from}-${header.archive.number}`)
      const found = (text: string) => {
        findings += 1
        onFinding({ kind: 'file', position: null, subject, text })
      }
      try {
        const { file } = await verifyArchive(path)
        if (record !== undefined && record.file !== file) found(`${path} is not the file that is on record (SHA-256 ${record.file}): take another copy of it`)
      } catch (error) {
        if (!(error instanceof DamagedArchive)) throw error
        found(error.message)
      }
    }
  }
  return findings
}

/**
 * A file: its own chain, and that of the turns in it, so that one whose chain was made anew is found too. With `archives`, together with
 * those, which are verified too. Throws `UnreadableLogFile`, `ArchiveRefused`.
 */
export async function verifyFile(file: string, options: VerifyOptions, archives?: Archives): Promise<Verified & { readonly header: LogFileHeader | null }> {
  let header: LogFileHeader | null = null
  let check: ChainCheck | undefined
  let findings = 0
  let last = 0
  const records = new Map<string, LaneArchive>()
  try {
    header = await readLogFileHeader(file)
    const { realm, incarnation, from, aggregates, redacted, archived, archive } = header
    check = new ChainCheck({ realm, incarnation, fromBeginning: archive === undefined ? from === 1 : archive.from === 1, archives: archived !== undefined, gaps: aggregates !== undefined, redacted, onFinding: options.onFinding })
    if (archives !== undefined) demandJoinable(file, header, archives)
    const read: Read = (how) => readLogFile(file, how)
    if (archives !== undefined) await demandNoneMissing(archives, archived ?? [], subjectsOf(realm), read, header.until, options.signal)
    const turns = archives === undefined ? readLogFile(file) : withArchives(archives, subjectsOf(realm), read)({ subjects: header.subjects, from, until: header.until })
    for await (const batch of turns) {
      if (options.signal?.aborted) break
      for (const message of batch) {
        if (archives !== undefined) for (const one of archivesIn(message.bytes, incarnation)) records.set(`${message.subject} ${one.from}-${one.number}`, one)
        check.take(message)
      }
      last = batch.at(-1)!.position
      options.onProgress?.(check.turns, last)
    }
    check.finish()
    if (archive !== undefined && !options.signal?.aborted) await verifyArchive(file)
  } catch (error) {
    if (error instanceof DamagedArchive) {
      findings += 1
      options.onFinding({ kind: 'file', position: null, subject: null, text: error.message })
    } else if (!(error instanceof MalformedLogFile)) throw error
    else if (error.file === file) {
      findings += 1
      options.onFinding({ kind: 'file', position: null, subject: null, text: `${error.message}; ${error.line > 2 ? 'what stands before that line is as it was written: ' : ''}take another copy of the file, or export again` })
    }
  }
  if (archives !== undefined && header !== null) findings += await verifyFiles(archives, records, header.realm, options)
  return { turns: check?.turns ?? 0, events: check?.events ?? 0, findings: findings + (check?.findings ?? 0), from: header?.from ?? 1, until: last, header }
}

function demandJoinable(file: string, header: LogFileHeader, archives: Archives): void {
  if (header.archive !== undefined) throw new ArchiveRefused(`${file} is an archive itself: verify it without --archive, or all archives with the live log or an exported file`)
  if (header.redacted || header.aggregates !== undefined) throw new ArchiveRefused(`${file} ${header.redacted ? 'is redacted' : 'holds only some turns of its lanes'}, and does not go on from archives: verify it without --archive`)
  demandSameLog(archives, header, file)
}

/** A file that nothing can be compared with. */
export class NotComparable extends Error {
  override readonly name = 'NotComparable'
  readonly retryable = false
}

export interface Compared extends Verified {
  /** Of the file: where the log it came from had archived turns that were compared with nothing, since nobody named those archives. */
  readonly without: readonly ArchivedLane[]
}

/**
 * The live log against a file that was exported from it, or that it was imported from: every turn of the file stands in the log, in the same order
 * and to the byte, and none between them that the file should have. Turns that the file says it lacks, and those that were archived from the log
 * since, are passed over by their numbers. `archives` are those of the log, or of the file where it is of another incarnation: then both are
 * what is compared. Finds what the log cannot show by itself: turns removed at the end of a subject, and a chain that was made anew. Throws
 * `NotComparable`, `ArchiveRefused`, `MalformedLogFile`, `UnreadableLogFile`, `Unavailable`.
 */
export async function compareWithFile(log: EventLog, realm: string, file: string, options: VerifyOptions, archives?: Archives): Promise<Compared> {
  const header = await readLogFileHeader(file)
  if (header.redacted) throw new NotComparable(`${file} is redacted: its payloads are not the stored bytes; name one that was exported without --redact`)
  if (header.incarnation > log.incarnation) throw new NotComparable(`${file} was exported from incarnation ${header.incarnation}, the realm has ${log.incarnation}: it is not of this log, or this log is an older one`)
  // An import gives other positions, and perhaps another prefix; a part of a log cannot be imported.
  const same = header.incarnation === log.incarnation && header.realm === realm
  const part = header.subjects.length > 0 || header.aggregates !== undefined || header.from > 1
  if (!same && part) throw new NotComparable(`${file} is a part of the log of incarnation ${header.incarnation}, the realm has ${log.incarnation}: only a whole file can be compared with what was made of it`)
  const end = await log.end()
  let findings = 0
  const found = (position: number | null, subject: string | null, text: string) => {
    findings += 1
    options.onFinding({ kind: 'differs', position, subject, text })
  }
  const until = same ? Math.min(header.until, end) : end
  const inRealm = (subject: string) => (header.realm === realm ? subject : `${realm}${subject.slice(header.realm.length)}`)
  const subjects = subjectsOf(realm)
  const read: Read = (how) => log.read({ ...how, ...signalOf(options) })
  const ofLog = archives !== undefined && isOf(archives, { realm, incarnation: log.incarnation })
  if (archives !== undefined && !ofLog) demandSameLog(archives, header, file)
  const whole = ofLog ? withArchives(archives, subjects, read) : read
  const live = until < header.from ? none() : whole({ subjects: header.subjects, from: same ? header.from : 1, until })
  // What is archived of a lane is not to be found in the log, or in the file.
  const gone = new LanesBegunLater(ofLog ? [] : await lanesLater(log, realm), (lane) => subjects.lane(lane))
  const ofFile = archives === undefined || ofLog ? undefined : archives
  const without = (header.archived ?? []).filter(({ lane }) => ofFile?.lanes.has(lane) !== true)
  const lacking = new LanesBegunLater(without, (lane) => subjects.lane(lane))
  if (ofFile !== undefined) {
    // Their snapshots too, of which the log says nothing.
    const damaged = await verifyFiles(ofFile, new Map(), header.realm, options)
    if (damaged > 0) return { turns: 0, events: 0, findings: damaged, from: header.from, until: header.until, without }
  }
  const expected = ofFile === undefined ? readLogFile(file) : withArchives(ofFile, subjectsOf(header.realm), (how) => readLogFile(file, how))({ subjects: [], from: 1, until: header.until })
  const ours = oneByOne(live, ({ subject, bytes }) => !lacking.has(subject, bytes))
  let turns = 0
  let removed: { first: StoredMessage; last: StoredMessage; count: number } | undefined
  const sayRemoved = () => {
    if (removed === undefined) return
    const { first, last, count } = removed
    removed = undefined
    if (first === last) return found(first.position, inRealm(first.subject), `this turn of the file is not in the log: it was removed; ${restore}`)
    found(first.position, null, `${counted(count, 'turn')} of the file, up to position ${last.position}, are not in the log: they were removed; ${restore}`)
  }
  try {
    let next = await ours.next()
    for await (const batch of expected) {
      if (options.signal?.aborted) break
      for (const theirs of batch) {
        turns += 1
        if (gone.has(inRealm(theirs.subject), theirs.bytes)) continue
        while (same && !next.done && next.value.position < theirs.position) {
          if (header.aggregates === undefined) found(next.value.position, next.value.subject, 'this turn is not in the file: it was put into the log; find out who may write to the server')
          next = await ours.next()
        }
        if (next.done || (same && next.value.position > theirs.position)) {
          removed = removed === undefined ? { first: theirs, last: theirs, count: 1 } : { ...removed, last: theirs, count: removed.count + 1 }
          continue
        }
        sayRemoved()
        const { subject, bytes, position } = next.value
        if (subject !== inRealm(theirs.subject)) found(position, subject, `the file has a turn of ${theirs.subject} here: the order was changed; ${restore}`)
        else if (Buffer.compare(bytes, theirs.bytes) !== 0) found(position, subject, `this turn is another one than in the file: it was changed; ${restore}`)
        next = await ours.next()
      }
      options.onProgress?.(turns, batch.at(-1)!.position)
    }
    sayRemoved()
    for (; same && header.aggregates === undefined && !next.done && !options.signal?.aborted; next = await ours.next()) {
      found(next.value.position, next.value.subject, 'this turn is not in the file: it was put into the log; find out who may write to the server')
    }
  } catch (error) {
    if (!(error instanceof MalformedLogFile) || error.file === file) throw error
    findings += 1
    options.onFinding({ kind: 'file', position: null, subject: null, text: `${error.message}; what comes behind that was not compared: take another copy of it` })
  } finally {
    await ours.return(undefined)
  }
  return { turns, events: 0, findings, from: header.from, until: header.until, without: same ? [] : without }
}

/** Which turns of lanes a log or a file lacks, by their numbers. */
class LanesBegunLater {
  readonly #numbers: Map<string, number>

  constructor(lanes: readonly ArchivedLane[], subjectOf: (lane: string) => string) {
    this.#numbers = new Map(lanes.map(({ lane, number }) => [subjectOf(lane), number]))
  }

  /** What is no turn is compared as it stands: that it is none, the verification of the log says. */
  has(subject: string, bytes: Uint8Array): boolean {
    const number = this.#numbers.get(subject)
    if (number === undefined) return false
    try {
      return decodeTurn(bytes).number <= number
    } catch (error) {
      if (!(error instanceof MalformedTurn)) throw error
      return false
    }
  }
}

const restore = 'find out who may write to the server, and restore a backup'

async function* none(): AsyncGenerator<readonly StoredMessage[]> {}

async function* oneByOne(batches: AsyncIterable<readonly StoredMessage[]>, takes: (message: StoredMessage) => boolean): AsyncGenerator<StoredMessage, undefined> {
  for await (const batch of batches) for (const message of batch) if (takes(message)) yield message
  return undefined
}

function signalOf({ signal }: VerifyOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
