/** Where the turns of a realm are taken from: a file, or the stream that a backup of the server was put back into. */
import { digestOf } from '../../streams/codec.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import type { WholeLog } from '../../streams/ports/incarnations.ts'
import { type LogFileText, partText } from '../log-file/format.ts'
import { readLogFileHeader, readLogFileWithTexts } from '../log-file/read.ts'
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

/** Throws `RestoreRefused` for a part of a log, `MalformedLogFile`, `UnreadableLogFile`. */
export async function fileSource(file: string): Promise<RestoreSource> {
  const header = await readLogFileHeader(file)
  const part = partText(header)
  if (part !== undefined) throw new RestoreRefused(`${file} is not a whole log (${part}) and cannot be imported: name one that was exported without --from, --until, --lane, --only and --redact`)
  return { how: 'import', name: file, realm: header.realm, incarnation: header.incarnation, until: header.until, read: () => readLogFileWithTexts(file) }
}

export async function streamSource(whole: WholeLog, realm: string): Promise<RestoreSource> {
  const until = await whole.log.end()
  return {
    how: 'restore',
    name: `incarnation ${whole.incarnation}`,
    realm,
    incarnation: whole.incarnation,
    until,
    async *read(signal) {
      if (until === 0) return
      for await (const messages of whole.log.read({ subjects: [], from: 1, until, ...(signal === undefined ? {} : { signal }) })) yield { messages, texts: [], chain: digestOf(messages.at(-1)!.bytes) }
    },
  }
}
