/** Messages of the log as two pieces of memory that one thread hands over to another, without a copy and without a value for each message. */
import type { StoredMessage } from '../../streams/ports/event-log.ts'

export interface Packed {
  /** All bytes, one message behind the other. */
  readonly bytes: ArrayBuffer
  /** Of each message: position, server's stamp, length in bytes, index of its subject. */
  readonly numbers: Float64Array<ArrayBuffer>
  readonly subjects: readonly string[]
}

const numbersEach = 4

export function packed(messages: readonly StoredMessage[]): Packed {
  let size = 0
  for (const { bytes } of messages) size += bytes.length
  // Not of a pool: it is handed over whole. Not zeroed: it is filled.
  const all = Buffer.allocUnsafeSlow(size)
  const numbers = new Float64Array(messages.length * numbersEach)
  const subjects = new Map<string, number>()
  let at = 0
  for (const [index, { subject, position, bytes, storedMs }] of messages.entries()) {
    all.set(bytes, at)
    at += bytes.length
    let known = subjects.get(subject)
    if (known === undefined) subjects.set(subject, (known = subjects.size))
    const first = index * numbersEach
    numbers[first] = position
    numbers[first + 1] = storedMs
    numbers[first + 2] = bytes.length
    numbers[first + 3] = known
  }
  return { bytes: all.buffer, numbers, subjects: [...subjects.keys()] }
}

/** The messages' bytes are views of the one piece. */
export function unpacked({ bytes, numbers, subjects }: Packed): StoredMessage[] {
  const messages: StoredMessage[] = []
  for (let from = 0, at = 0; from < numbers.length; from += numbersEach) {
    const length = numbers[from + 2]!
    messages.push({ subject: subjects[numbers[from + 3]!]!, position: numbers[from]!, storedMs: numbers[from + 1]!, bytes: new Uint8Array(bytes, at, length) })
    at += length
  }
  return messages
}

/** Parts of a batch that have about so many bytes each; a message is never divided. */
export function* inPieces(batch: readonly StoredMessage[], pieceBytes: number): Generator<readonly StoredMessage[]> {
  let from = 0
  let size = 0
  for (const [index, { bytes }] of batch.entries()) {
    size += bytes.length
    if (size < pieceBytes) continue
    yield batch.slice(from, index + 1)
    from = index + 1
    size = 0
  }
  if (from < batch.length) yield batch.slice(from)
}
