/** Messages as `STREAM.MSG.GET` answers them, read from the stream's leader (I5); by a direct get only what is never changed. */
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { RefusedByServer } from './link.ts'

export interface LeaderMessage {
  readonly subject: string
  readonly sequence: number
  readonly data: Uint8Array
  /** Raw header block, empty where there is none. */
  readonly headerText: string
  readonly storedMs: number
}

export type MessageQuery =
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj?: string }

interface GetAnswer {
  readonly message: { readonly subject: string; readonly seq: number; readonly data?: string; readonly hdrs?: string; readonly time: string }
}

/** The stream was deleted; whose bucket it is may make it anew. */
export class StreamMissing extends Unavailable {}

/** Undefined where no such message is. Throws `Unavailable`, of a stream that is not there `StreamMissing`. */
export async function messageFromLeader(link: Link, stream: string, query: MessageQuery): Promise<LeaderMessage | undefined> {
  const answer = await link.api<GetAnswer>(`STREAM.MSG.GET.${stream}`, query)
  if (!answer.ok) {
    if (answer.error.err_code === apiCodes.messageNotFound) return undefined
    if (answer.error.err_code === apiCodes.streamNotFound) throw new StreamMissing(`stream ${stream} is not there`)
    // Without a leader: what it holds cannot be known now.
    if (answer.error.code >= 500) {
      throw new Unavailable(`stream ${stream} cannot be read: ${answer.error.description}`)
    }
    throw new RefusedByServer(`read stream ${stream}`, answer.error)
  }
  const { subject, seq, data, hdrs, time } = answer.value.message
  return {
    subject,
    sequence: seq,
    data: data === undefined ? new Uint8Array(0) : new Uint8Array(Buffer.from(data, 'base64')),
    headerText: hdrs === undefined ? '' : Buffer.from(hdrs, 'base64').toString('utf8'),
    storedMs: millisecondsOf(time),
  }
}

/**
 * From whichever server of the stream answers first, as its very bytes: for what is never changed, since it may lag (I5). Undefined where that has none, where
 * nobody answers in time, and where the stream does not allow it.
 */
export async function directMessage(link: Link, stream: string, query: MessageQuery, timeoutMs: number): Promise<Pick<LeaderMessage, 'sequence' | 'data'> | undefined> {
  const exchanged = await link.exchange(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(query), { timeoutMs })
  if (exchanged.kind !== 'answer') return undefined
  const { headers, data } = exchanged.message
  const sequence = Number(headers?.get('Nats-Sequence') ?? '')
  return Number.isSafeInteger(sequence) && sequence >= 1 ? { sequence, data } : undefined
}

const timePattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z$/

/** RFC 3339 in UTC with any fraction to integer milliseconds since the Unix epoch. */
export function millisecondsOf(time: string): number {
  const match = timePattern.exec(time)
  if (match === null) throw new RangeError(`${time} is not a time as the server writes it`)
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number]
  // Days of the civil calendar, counted in years that begin in March, so that the leap day is the last.
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const days = era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  const fractionMs = Math.trunc(Number(`0.${match[7] ?? '0'}`) * 1_000 + 1e-7)
  return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fractionMs
}
