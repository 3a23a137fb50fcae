/** Lines of a file, in order, chained; memory holds one piece of them, and which texts were written lately. */
import { decodeTurn } from '../../streams/codec.ts'
import type { TextStore } from '../../streams/ports/coordinator.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import type { FileDraft } from '../platform/line-files.ts'
import { chainOfHeader, chainOfRecord, chainOfSnapshot, chainOfText, headerLine, recordLine, snapshotLine, snapshotPieces, textLine, trailerLine, type LogFileHeader } from './format.ts'
import { fetchTexts, textsNamedBy } from './named-texts.ts'
import { LatestNames } from './latest-names.ts'
import type { Redact } from './redaction.ts'

/** Lines that are written at once, in characters. */
const pieceLength = 256 * 1024
/** Messages whose texts are fetched together. */
const sliceMessages = 256

export class RecordWriter {
  records = 0
  textsWritten = 0
  readonly missingTexts = new Set<string>()
  chain = ''
  readonly #draft: FileDraft
  readonly #texts: TextStore | undefined
  readonly #redact: Redact | undefined
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #written = new LatestNames()
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
    const named = this.#texts === undefined ? [] : messages.map((message) => textsNamedBy(message).filter((digest) => this.#written.add(digest)))
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

  /** Of an archive, behind its turns; without its newline. */
  async takeSnapshotLine(snapshot: string): Promise<void> {
    for (const piece of snapshotPieces(snapshot)) {
      this.chain = chainOfSnapshot(this.chain, piece)
      await this.#write(snapshotLine(piece, this.chain))
    }
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
