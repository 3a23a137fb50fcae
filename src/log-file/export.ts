/** Writes a part of the log into a portable file; constant memory, in its place only when it is whole. */
import { decodeTurn } from '../../streams/codec.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { EventLog, StoredMessage } from '../../streams/ports/event-log.ts'
import { type FileDraft, beginFile } from '../platform/line-files.ts'
import {
  chainOfHeader, chainOfRecord, chainOfText, headerLine, logFileFormat, logFileVersion, recordLine, textLine, trailerLine, type LogFileHeader,
} from './format.ts'
import { fetchTexts, textsNamedBy } from './named-texts.ts'
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
  readonly redacted: boolean
}

/** The export was stopped; no file was written. */
export class ExportStopped extends Error {
  override readonly name = 'ExportStopped'
  readonly retryable = true
}

/** Throws `Unavailable`, `ExportStopped`, the system's own errors; then nothing stands at `file` that was not there before. */
export async function exportLog(log: EventLog, texts: TextStore, request: ExportRequest): Promise<Exported> {
  const { file, realm, from = 1, selection, redact, signal } = request
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
    digest: 'sha256-chain-1',
  }
  const draft = await beginFile(file)
  try {
    const writer = new RecordWriter(draft, redact === undefined ? texts : undefined, redact)
    await writer.begin(header)
    if (until >= from) {
      for await (const batch of log.read({ subjects, from, until, aheadBytes, ...(signal === undefined ? {} : { signal }) })) {
        await writer.take(selection === undefined ? batch : batch.filter((message) => selection.takes(message)))
        request.onProgress?.(writer.records, batch.at(-1)!.position)
      }
    }
    if (signal?.aborted) throw new ExportStopped(`the export was stopped before it was whole: ${file} was not written`)
    await writer.end()
    await draft.finish()
    const { records, textsWritten, missingTexts, chain } = writer
    return { file, records, texts: textsWritten, missingTexts: [...missingTexts], from, until, chain, redacted: header.redacted }
  } finally {
    await draft.abandon()
  }
}

const everything: Pick<Selection, 'subjects' | 'aggregates'> = { subjects: [] }

/** Read ahead of what is written: the memory of an export is bounded, and writing is slower than reading. */
const aheadBytes = 4 * 1024 * 1024
/** Lines that are written at once, in characters. */
const pieceLength = 256 * 1024
/** Messages whose texts are fetched together. */
const sliceMessages = 256

/** Lines of a file, in order, chained; memory holds one piece of them. */
class RecordWriter {
  records = 0
  textsWritten = 0
  readonly missingTexts = new Set<string>()
  chain = ''
  readonly #draft: FileDraft
  readonly #texts: TextStore | undefined
  readonly #redact: Redact | undefined
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  /** 32 characters each, about 100 bytes: of a million texts, 100 MB. */
  readonly #named = new Set<string>()
  #lines: string[] = []
  #length = 0

  constructor(draft: FileDraft, texts: TextStore | undefined, redact: Redact | undefined) {
    this.#draft = draft
    this.#texts = texts
    this.#redact = redact
  }

  async begin(header: LogFileHeader): Promise<void> {
    const line = headerLine(header)
    this.chain = chainOfHeader(line)
    await this.#write(line)
  }

  async take(messages: readonly StoredMessage[]): Promise<void> {
    for (let at = 0; at < messages.length; at += sliceMessages) await this.#takeSlice(messages.slice(at, at + sliceMessages))
  }

  async #takeSlice(messages: readonly StoredMessage[]): Promise<void> {
    const named = this.#texts === undefined ? [] : messages.map((message) => textsNamedBy(message).filter((digest) => this.#isNew(digest)))
    const wanted = named.flat()
    const texts = wanted.length === 0 ? undefined : await fetchTexts(this.#texts!, wanted)
    for (const [index, { position, subject, storedMs, bytes }] of messages.entries()) {
      for (const digest of named[index] ?? []) {
        const found = texts!.get(digest)
        if (found === undefined) {
          this.missingTexts.add(digest)
          continue
        }
        const text = { text: digest, payload: this.#decoder.decode(found) }
        this.chain = chainOfText(this.chain, text)
        this.textsWritten += 1
        await this.#write(textLine(text, this.chain))
      }
      const record = { position, subject, storedMs, payload: this.#redact === undefined ? this.#decoder.decode(bytes) : this.#redact(decodeTurn(bytes)) }
      this.chain = chainOfRecord(this.chain, record)
      this.records += 1
      const writing = this.#write(recordLine(record, this.chain))
      if (writing !== undefined) await writing
    }
  }

  /** Named for the first time in this file. */
  #isNew(digest: string): boolean {
    const before = this.#named.size
    this.#named.add(Buffer.from(digest, 'hex').toString('latin1'))
    return this.#named.size > before
  }

  async end(): Promise<void> {
    await this.#write(trailerLine({ records: this.records, texts: this.textsWritten, chain: this.chain }))
    await this.#flush()
  }

  /** Undefined where there was nothing to wait for. */
  #write(line: string): Promise<void> | undefined {
    this.#lines.push(line, '\n')
    this.#length += line.length
    return this.#length >= pieceLength ? this.#flush() : undefined
  }

  async #flush(): Promise<void> {
    const text = this.#lines.join('')
    this.#lines = []
    this.#length = 0
    await this.#draft.write(text)
  }
}
