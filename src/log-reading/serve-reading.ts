/**
 * The far side of a reading thread: reads the log, and hands it over piece by piece. It says `ready` once it could begin, and begins
 * when it is told from where.
 *
 * At most `piecesAhead` pieces are handed over that were not taken: what the two sides hold does not depend on the length of the log.
 */
import type { EventLog } from '../../streams/ports/event-log.ts'
import type { ThreadChannel } from '../platform/worker.ts'
import { type Packed, inPieces, packed } from './packed.ts'

export type ToReader =
  | { readonly kind: 'read'; readonly subjects: readonly string[]; readonly from: number; readonly until: number }
  /** A piece was taken: one more may come. */
  | { readonly kind: 'taken' }

export type FromReader =
  | { readonly kind: 'ready' }
  | { readonly kind: 'piece'; readonly piece: Packed }
  /** All up to `until` was handed over. */
  | { readonly kind: 'end' }

const pieceBytes = 512 * 1024
const piecesAhead = 4
/** What was read and not packed yet is held besides. */
const aheadBytes = 2 * 1024 * 1024

/** Rejects with what the log throws. */
export function serveReading(log: Pick<EventLog, 'read'>, channel: ThreadChannel): Promise<void> {
  let room = piecesAhead
  let wake = () => {}
  const reading = Promise.withResolvers<void>()
  const read = async ({ subjects, from, until }: Extract<ToReader, { kind: 'read' }>) => {
    for await (const batch of log.read({ subjects, from, until, aheadBytes })) {
      for (const messages of inPieces(batch, pieceBytes)) {
        while (room === 0) await new Promise<void>((resolve) => (wake = resolve))
        room -= 1
        const piece = packed(messages)
        channel.send({ kind: 'piece', piece } satisfies FromReader, [piece.bytes, piece.numbers.buffer])
      }
    }
    channel.send({ kind: 'end' } satisfies FromReader)
  }
  channel.onMessage((message) => {
    const told = message as ToReader
    if (told.kind === 'read') return void read(told).then(reading.resolve, reading.reject)
    room += 1
    wake()
  })
  channel.send({ kind: 'ready' } satisfies FromReader)
  return reading.promise
}
