/**
 * A long bounded read of the log that goes on in a thread of its own, so that whoever folds has its processor for that: taking a log from the
 * socket is a quarter of the time of a replay. The messages, their order and what is thrown are those of the log's own read.
 *
 * Owns the reader of this read, until the read ends in whatever way. Invariants:
 * 1. Each message comes once: the reader begins behind the last message that was yielded, and nothing of this side's own read is used after that.
 * 2. A reader that fails is left; this side reads on by itself behind the last message that was yielded, and throws what there is to throw.
 */
import type { EventLog, ReadOptions, StoredMessage } from '../../streams/ports/event-log.ts'
import type { Thread } from '../platform/worker.ts'
import { unpacked } from './packed.ts'
import type { FromReader, ToReader } from './serve-reading.ts'

/** Begins a thread that serves this one read. */
export type StartReader = () => Thread

/** From when on a thread is worth it. */
export interface ReadingLimits {
  /** Read by this side before a reader is begun, bytes: how large messages are is known from them. */
  readonly sampleBytes?: number
  /** A reader is begun where about so many bytes are left then. To begin one takes as long as to read a fifth of it. */
  readonly leastBytes?: number
}

export interface ReadOnOptions extends ReadingLimits {
  readonly startReader: StartReader
}

/** What this side has asked for when the reader begins is read in vain: little, therefore. */
const aheadBytes = 4 * 1024 * 1024

export function readingOn(log: Pick<EventLog, 'read'>, options: ReadOnOptions): (read: ReadOptions) => AsyncIterable<readonly StoredMessage[]> {
  return (read) => (read.until === undefined || read.signal !== undefined ? log.read(read) : readOn(log, { ...read, until: read.until }, options))
}

async function* readOn(log: Pick<EventLog, 'read'>, read: ReadOptions & { readonly until: number }, options: ReadOnOptions): AsyncGenerator<readonly StoredMessage[]> {
  const { startReader, sampleBytes = 2 * 1024 * 1024, leastBytes = 64 * 1024 * 1024 } = options
  const { subjects, until } = read
  let from = read.from
  let bytes = 0
  let reader: Reader | undefined
  let handOver: Reader | undefined
  try {
    for await (const batch of log.read({ aheadBytes, ...read })) {
      yield batch
      const last = batch.at(-1)!.position
      if (reader === undefined && bytes < sampleBytes) {
        for (const message of batch) bytes += message.bytes.length
        if (bytes >= sampleBytes && (bytes * (until - last)) / (last + 1 - read.from) >= leastBytes) reader = new Reader(startReader())
      }
      from = last + 1
      if (reader?.isReady === true) {
        handOver = reader
        break
      }
    }
    if (handOver === undefined) return
    for await (const piece of handOver.read({ subjects, from, until })) {
      yield piece
      from = piece.at(-1)!.position + 1
    }
    if (!handOver.failed) return
  } finally {
    await reader?.end()
  }
  yield* log.read({ ...read, from })
}

class Reader {
  readonly #thread: Thread
  #pieces: StoredMessage[][] = []
  #ended = false
  #wake = () => {}
  isReady = false
  failed = false

  constructor(thread: Thread) {
    this.#thread = thread
    thread.onMessage((message) => this.#hear(message as FromReader))
    thread.onFailure(() => {
      this.failed = true
      this.isReady = false
      this.#wake()
    })
  }

  #hear(told: FromReader): void {
    if (told.kind === 'ready') this.isReady = !this.failed
    else if (told.kind === 'piece') this.#pieces.push(unpacked(told.piece))
    else this.#ended = true
    this.#wake()
  }

  /** Ends where the read does, and where the thread has failed. */
  async *read(read: Omit<Extract<ToReader, { kind: 'read' }>, 'kind'>): AsyncGenerator<readonly StoredMessage[]> {
    this.#tell({ kind: 'read', ...read })
    while (true) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) {
        yield piece
        this.#tell({ kind: 'taken' })
      } else if (this.#ended || this.failed) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  #tell(told: ToReader): void {
    this.#thread.send(told)
  }

  end(): Promise<void> {
    return this.#thread.end()
  }
}
