/** Messages handed over from thread to thread are the messages that were read. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { inPieces, packed, unpacked } from '../../src/log-reading/packed.ts'

const message = fc.record<StoredMessage>({
  subject: fc.constantFrom('reeve.event.lane.here-1', 'reeve.event.lane.here-2', 'reeve.event.realm.realm'),
  position: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  bytes: fc.uint8Array({ maxLength: 40 }),
  storedMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
})

test('packed, handed over and unpacked: each message as it was (property)', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
      const piece = packed(messages)
      const there = structuredClone(piece, { transfer: [piece.bytes, piece.numbers.buffer] })
      expect(unpacked(there).map((one) => ({ ...one, bytes: [...one.bytes] }))).toEqual(messages.map((one) => ({ ...one, bytes: [...one.bytes] })))
    }),
  )
})

test('a batch in pieces: all of it in order, none empty, each large enough but the last (property)', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 30 }), fc.integer({ min: 1, max: 100 }), (messages, pieceBytes) => {
      const pieces = [...inPieces(messages, pieceBytes)]
      expect(pieces.flat()).toEqual(messages)
      for (const [index, piece] of pieces.entries()) {
        const sizes = piece.map(({ bytes }) => bytes.length)
        const size = sizes.reduce((sum, one) => sum + one, 0)
        expect(piece.length).toBeGreaterThan(0)
        if (index < pieces.length - 1) expect(size).toBeGreaterThanOrEqual(pieceBytes)
        expect(size - sizes.at(-1)!).toBeLessThan(pieceBytes)
      }
    }),
  )
})
