/**
 * Many messages into one stream, in order and with few syncs of its disk: atomic batches (ADR-50).
 *
 * 1. Batches land in the order of `add`. Where positions are expected, each expects the one that the batch before ends at, so that
 *    nothing can stand in between, whoever else writes and whatever is lost on the way.
 * 2. At most `batchesAhead` batches of at most `batchBytes` are not acknowledged.
 * 3. After the first failure nothing more is sent.
 */
import { createInbox } from 'nats'
import { Unavailable } from '../ports/event-log.ts'
import { type Link, parseApiAnswer } from './link.ts'

/** The server takes 1,000 a batch; each batch costs a sync of its disk, whatever it holds. */
const batchMessages = 1_000
const batchBytes = 2 * 1024 * 1024
const batchesAhead = 3
/** A batch of this size on a busy disk. */
const answerMs = 30_000

interface Message {
  readonly subject: string
  readonly bytes: Uint8Array
}

export class AtomicBatches {
  /** Messages that were sent. */
  sent = 0
  readonly #link: Link
  readonly #stream: string
  readonly #expectsPositions: boolean
  /** Of ids of batches: no two writers have the same. */
  readonly #writer = createInbox('batch').slice('batch.'.length)
  #waiting: Message[] = []
  #waitingBytes = 0
  #batches = 0
  readonly #underWay = new Set<Promise<void>>()
  #failure: Error | undefined

  /** `expectsPositions`: the stream is empty, and nobody else is to write to it. */
  constructor(link: Link, stream: string, expectsPositions = false) {
    this.#link = link
    this.#stream = stream
    this.#expectsPositions = expectsPositions
  }

  /** Resolves when there is room for more. Throws `Unavailable`. */
  async add(subject: string, bytes: Uint8Array): Promise<void> {
    if (this.#waiting.length >= batchMessages || this.#waitingBytes + bytes.length > batchBytes) await this.#send()
    this.#waiting.push({ subject, bytes })
    this.#waitingBytes += bytes.length
  }

  /** Everything is durable. Throws `Unavailable`. */
  async end(): Promise<void> {
    await this.#send()
    await this.#settled()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Nothing is under way any more, and nothing more is sent. */
  async stop(): Promise<void> {
    this.#failure ??= new Unavailable('it was given up')
    await this.#settled()
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async #send(): Promise<void> {
    while (this.#underWay.size >= batchesAhead && this.#failure === undefined) await Promise.race(this.#underWay)
    if (this.#failure !== undefined) throw this.#failure
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    const expected = this.sent
    this.sent += batch.length
    const id = `${this.#writer}-${++this.#batches}`
    const under: Promise<void> = this.#exchange(batch, id, expected).then(
      () => void this.#underWay.delete(under),
      (error: unknown) => {
        this.#underWay.delete(under)
        this.#failure ??= error as Error
      },
    )
    this.#underWay.add(under)
  }

  async #exchange(batch: readonly Message[], id: string, expected: number): Promise<void> {
    const last = batch.length - 1
    for (let index = 0; index < last; index++) this.#link.publish(batch[index]!.subject, batch[index]!.bytes, this.#headers(id, index, expected))
    const headers = { ...this.#headers(id, last, expected), 'Nats-Batch-Commit': '1' }
    const exchanged = await this.#link.exchange(batch[last]!.subject, batch[last]!.bytes, { timeoutMs: answerMs, headers })
    const what = `messages ${expected + 1} to ${expected + batch.length} for stream ${this.#stream}`
    if (exchanged.kind !== 'answer') throw new Unavailable(`the server did not acknowledge ${what} (${exchanged.kind}): repeat this`)
    const answer = parseApiAnswer<{ readonly seq: number; readonly count?: number }>(exchanged.message.data)
    if (!answer.ok) throw new Unavailable(`the server did not take ${what}: ${answer.error.description} (${answer.error.err_code})`)
    const { seq, count } = answer.value
    if ((this.#expectsPositions && seq !== expected + batch.length) || (last > 0 && count !== batch.length)) throw new Unavailable(`the server has put ${what} at position ${seq}: somebody else writes there`)
  }

  #headers(id: string, index: number, expected: number): Record<string, string> {
    return {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(index + 1),
      ...(index === 0 && { 'Nats-Expected-Stream': this.#stream, ...(this.#expectsPositions && { 'Nats-Expected-Last-Sequence': String(expected) }) }),
    }
  }
}
