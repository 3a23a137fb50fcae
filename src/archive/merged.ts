/**
 * A log with what was archived of it: archives of lanes, and an exported file or the live log, read as the one log that they were, in the order of
 * positions (I6). A turn that is in both is read once.
 */
import { join } from 'node:path'
import { decodeTurn } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { subjectTest } from '../../streams/subject-match.ts'
import { type Subjects, parseEventSubject } from '../../streams/subjects.ts'
import type { ArchiveHeader, LogFileHeader } from '../log-file/format.ts'
import { type LogFileOptions, readLogFile, readLogFileHeader } from '../log-file/read.ts'
import { namesIn } from '../platform/folders.ts'
import { ArchiveRefused } from './errors.ts'
import { archiveFileName, parseArchiveFileName } from './file.ts'

export interface ArchiveFile {
  readonly path: string
  readonly header: LogFileHeader & { readonly archive: ArchiveHeader }
}

export interface Archives {
  readonly realm: string
  readonly incarnation: number
  /** By lane, in the order of their turns, without a gap. */
  readonly lanes: ReadonlyMap<string, readonly ArchiveFile[]>
  /** Position of the last turn in them. */
  readonly until: number
}

export interface NamedFiles {
  readonly exported: { readonly path: string; readonly header: LogFileHeader } | undefined
  readonly archives: Archives | undefined
}

/** Files and folders as a person names them: of a folder the archives in it. Throws `ArchiveRefused`, `MalformedLogFile`, `UnreadableLogFile`. */
export async function namedFiles(paths: readonly { readonly path: string; readonly isFolder: boolean }[]): Promise<NamedFiles> {
  const files = new Set<string>()
  for (const { path, isFolder } of paths) {
    if (!isFolder) files.add(path)
    else {
      const inside = (await namesIn(path)).filter((name) => parseArchiveFileName(name) !== undefined)
      if (inside.length === 0) throw new ArchiveRefused(`there is no archive in ${path}: "reeve log archive --to DIR" writes them`)
      for (const name of inside) files.add(join(path, name))
    }
  }
  let exported: NamedFiles['exported']
  const archives: ArchiveFile[] = []
  for (const path of files) {
    const header = await readLogFileHeader(path)
    const { archive } = header
    if (archive !== undefined) archives.push({ path, header: { ...header, archive } })
    else if (exported === undefined) exported = { path, header }
    else throw new ArchiveRefused(`${exported.path} and ${path} are both exported files: name one of them, and archives`)
  }
  return { exported, archives: archives.length === 0 ? undefined : joined(archives) }
}

function joined(files: readonly ArchiveFile[]): Archives {
  const [{ header: first }] = files as readonly [ArchiveFile]
  const other = files.find(({ header }) => header.realm !== first.realm || header.incarnation !== first.incarnation)
  if (other !== undefined) throw new ArchiveRefused(`${files[0]!.path} is of incarnation ${first.incarnation} of realm ${first.realm}, ${other.path} of incarnation ${other.header.incarnation} of ${other.header.realm}: name archives of one`)
  const lanes = new Map<string, ArchiveFile[]>()
  // Of two that begin with the same turn the longer one holds the other: an attempt that was never recorded.
  for (const file of [...files].sort((a, b) => a.header.archive.from - b.header.archive.from || b.header.archive.number - a.header.archive.number)) {
    const { lane, from, number, previous } = file.header.archive
    const before = lanes.get(lane) ?? []
    lanes.set(lane, before)
    const last = before.at(-1)?.header.archive
    if (last !== undefined && number <= last.number) continue
    if (from > (last?.number ?? 0) + 1) throw missing(first, lane, (last?.number ?? 0) + 1, from - 1)
    if (last !== undefined && from === last.number + 1 && previous !== last.turn) throw new ArchiveRefused(`${file.path} does not go on from ${before.at(-1)!.path}: one of the two is of another log`)
    before.push(file)
  }
  return { realm: first.realm, incarnation: first.incarnation, lanes, until: Math.max(...files.map(({ header }) => header.until)) }
}

function missing({ realm, incarnation }: { readonly realm: string; readonly incarnation: number }, lane: string, from: number, number: number): ArchiveRefused {
  return new ArchiveRefused(`turns ${from} to ${number} of lane ${lane} are in no file that was named: ${archiveFileName({ realm, incarnation, lane, from, number })}, or several that cover it, is missing`)
}

type LogNamed = Pick<LogFileHeader, 'realm' | 'incarnation'>

export function isOf(archives: Archives, log: LogNamed): boolean {
  return archives.realm === log.realm && archives.incarnation === log.incarnation
}

/** Throws `ArchiveRefused` where the archives are not of this log. */
export function demandSameLog(archives: Archives, log: LogNamed, name: string): void {
  if (isOf(archives, log)) return
  throw new ArchiveRefused(`the archives are of incarnation ${archives.incarnation} of realm ${archives.realm}, ${name} is of incarnation ${log.incarnation} of realm ${log.realm}: an import or a restore took the turns of older archives over`)
}

export type Read = (options: LogFileOptions & { readonly subjects: readonly string[]; readonly from: number; readonly signal?: AbortSignal }) => AsyncIterable<readonly StoredMessage[]>

/** Throws, while it is read, `ArchiveRefused` where turns of a lane are in none of them, and what the sources throw. */
export function withArchives(archives: Archives, subjects: Subjects, rest: Read): Read {
  return (options) => merged(archives, subjects, rest, options)
}

const batchLength = 1_000

async function* merged(archives: Archives, subjects: Subjects, rest: Read, options: Parameters<Read>[0]): AsyncGenerator<readonly StoredMessage[]> {
  const wanted = subjectTest(options.subjects)
  const lanes = [...archives.lanes].filter(([lane]) => wanted(subjects.lane(lane)))
  const sources = [...lanes.map(([, files]) => new Source(archived(files, options))), new Source(goingOn(rest(options), archives, subjects, options.from))]
  let out: StoredMessage[] = []
  let last = 0
  try {
    for (const source of sources) await source.advance()
    for (;;) {
      let least: Source | undefined
      let next = Infinity
      for (const source of sources) {
        const { position } = source
        if (least === undefined || position < least.position) {
          next = least?.position ?? next
          least = source
        } else next = Math.min(next, position)
      }
      if (least === undefined || least.position === Infinity) break
      while (least.position <= next && least.position < Infinity) {
        // In an archive and still in the log: the archive was read against the log before it was recorded.
        if (least.position > last) out.push(least.message!)
        last = Math.max(last, least.position)
        if (!least.step()) await least.advance()
        if (out.length >= batchLength) {
          yield out
          out = []
        }
      }
    }
    if (out.length > 0) yield out
  } finally {
    for (const source of sources) await source.end()
  }
}

/** One of the logs, message by message, without a promise for each. */
class Source {
  readonly #batches: AsyncGenerator<readonly StoredMessage[]>
  #batch: readonly StoredMessage[] = []
  #at = 0

  constructor(batches: AsyncGenerator<readonly StoredMessage[]>) {
    this.#batches = batches
  }

  get message(): StoredMessage | undefined {
    return this.#batch[this.#at]
  }

  get position(): number {
    return this.#batch[this.#at]?.position ?? Infinity
  }

  /** False where the next batch is to be waited for. */
  step(): boolean {
    this.#at += 1
    return this.#at < this.#batch.length
  }

  async advance(): Promise<void> {
    const next = await this.#batches.next()
    this.#at = 0
    this.#batch = next.done === true ? [] : next.value
  }

  async end(): Promise<void> {
    await this.#batches.return(undefined)
  }
}

async function* archived(files: readonly ArchiveFile[], { from, until = Infinity }: Parameters<Read>[0]): AsyncGenerator<readonly StoredMessage[]> {
  for (const { path, header } of files) {
    if (header.until < from || header.from > until) continue
    yield* readLogFile(path, { from, until: Math.min(until, header.until) })
  }
}

/** What is left of each lane goes on from its last archive. */
async function* goingOn(rest: AsyncIterable<readonly StoredMessage[]>, archives: Archives, subjects: Subjects, from: number): AsyncGenerator<readonly StoredMessage[]> {
  const seen = new Set<string>()
  for await (const batch of rest) {
    for (const { subject, position, bytes } of batch) {
      if (seen.has(subject)) continue
      seen.add(subject)
      const at = parseEventSubject(subjects.realm, subject)
      const last = at?.kind === 'lane' ? archives.lanes.get(at.lane)?.at(-1)?.header : undefined
      if (at?.kind !== 'lane' || last === undefined || from > last.until || position <= last.until) continue
      const turn = decodeTurn(bytes)
      if (turn.number > last.archive.number + 1) throw missing(archives, at.lane, last.archive.number + 1, turn.number - 1)
      if (turn.number === last.archive.number + 1 && turn.previous !== last.archive.turn) throw new ArchiveRefused(`lane ${at.lane} does not go on from the archive that ends with its turn ${last.archive.number}: they are of different logs`)
    }
    yield batch
  }
}
