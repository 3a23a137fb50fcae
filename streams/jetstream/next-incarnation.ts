/**
 * A log that is being made by import or restore (docs/wire.md, "Format 2", "Realm").
 *
 * Owns the stream of the next incarnation until it is entered or abandoned. Invariants:
 * 1. The stream has no event subject before it is whole, and is not as a log is defined: no program finds a turn there, or writes one.
 * 2. Turns stand in the order of `write`, from position 1 on: they are sent in atomic batches, each of which expects the position
 *    that the one before ends at, whoever else writes to the stream and whatever is lost on the way.
 * 3. At most `batchesAhead` batches of at most `batchBytes` are not acknowledged.
 */
import type { NextIncarnation, NextMessage } from '../ports/incarnations.ts'
import { Unavailable } from '../ports/event-log.ts'
import type { Subjects } from '../subjects.ts'
import { JetStreamEventLog } from './event-log.ts'
import { type Link, headersOf, parseApiAnswer } from './link.ts'
import { type StreamDefinition, eventsDefinition } from './streams-definition.ts'

/** The server takes 1,000 a batch; each batch costs a sync of its disk, whatever it holds. */
const batchMessages = 1_000
const batchBytes = 2 * 1024 * 1024
const batchesAhead = 3
/** A batch of this size on a busy disk. */
const batchAnswerMs = 30_000

/** Of an incarnation that is being made. Its fields differ from those of a log, so that older programs refuse it too. */
export function unfinishedDefinition(subjects: Subjects, incarnation: number): StreamDefinition {
  const { name, fields } = eventsDefinition(subjects, incarnation)
  const from = subjects.allImported(incarnation)
  return { name, fields: { ...fields, subjects: [from], allow_atomic: true, subject_transform: { src: from, dest: subjects.allEvents } } }
}

export function isUnfinished(subjects: Subjects, incarnation: number, config: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(config['subjects']) && config['subjects'][0] === subjects.allImported(incarnation)
}

export interface Finishing {
  /** Empties what is derived, and takes the subjects from the former log. */
  makeRoom(): Promise<void>
  remove(): Promise<void>
}

interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>> & { readonly metadata?: Readonly<Record<string, string>> }
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number }
}

/** Key of the stream's metadata that says who makes it. */
export const makerKey = 'reeve-import'

export class JetStreamNextIncarnation implements NextIncarnation {
  readonly incarnation: number
  readonly log: JetStreamEventLog
  readonly #link: Link
  readonly #subjects: Subjects
  readonly #maker: string
  readonly #finishing: Finishing
  #waiting: NextMessage[] = []
  #waitingBytes = 0
  /** Last position that was sent. */
  #sent = 0
  #batches = 0
  readonly #underWay = new Set<Promise<void>>()
  #failure: Error | undefined
  #over = false

  constructor(link: Link, subjects: Subjects, incarnation: number, maker: string, finishing: Finishing) {
    this.#link = link
    this.#subjects = subjects
    this.incarnation = incarnation
    this.#maker = maker
    this.#finishing = finishing
    this.log = new JetStreamEventLog(link, subjects.streamName(incarnation), incarnation)
  }

  async write(messages: readonly NextMessage[]): Promise<void> {
    for (const message of messages) {
      if (this.#waiting.length >= batchMessages || this.#waitingBytes + message.bytes.length > batchBytes) await this.#send()
      this.#waiting.push(message)
      this.#waitingBytes += message.bytes.length
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async settle(): Promise<number> {
    await this.#send()
    await Promise.all(this.#underWay)
    if (this.#failure !== undefined) throw this.#failure
    const { state } = await this.#info()
    if (state.messages !== this.#sent || state.last_seq !== this.#sent) throw new Unavailable(`stream ${this.log.stream} ends at position ${state.last_seq} and not at ${this.#sent}: somebody else changed it; repeat this`)
    return this.#sent
  }

  async enter(): Promise<void> {
    const { config } = await this.#info()
    if (config.metadata?.[makerKey] !== this.#maker) throw new Unavailable(`stream ${this.log.stream} is being made by somebody else by now: look who, and repeat this`)
    await this.#finishing.makeRoom()
    const { persist_mode: _, mirror: _m, sources: _s, republish: _r, subject_transform: _t, ...fields } = eventsDefinition(this.#subjects, this.incarnation).fields
    const answer = await this.#link.api(`STREAM.UPDATE.${this.log.stream}`, { name: this.log.stream, ...fields, num_replicas: config['num_replicas'] })
    if (!answer.ok) throw new Unavailable(`stream ${this.log.stream} cannot be made the log of the realm now: ${answer.error.description}`)
    this.#over = true
  }

  async abandon(): Promise<void> {
    if (this.#over) return
    this.#over = true
    this.#failure ??= new Unavailable('it was given up')
    await Promise.all(this.#underWay)
    await this.#finishing.remove()
  }

  async #info(): Promise<StreamInfo> {
    const answer = await this.#link.api<StreamInfo>(`STREAM.INFO.${this.log.stream}`)
    if (!answer.ok) throw new Unavailable(`stream ${this.log.stream} does not say what it holds: ${answer.error.description}`)
    return answer.value
  }

  async #send(): Promise<void> {
    while (this.#underWay.size >= batchesAhead && this.#failure === undefined) await Promise.race(this.#underWay)
    if (this.#failure !== undefined) throw this.#failure
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    const expected = this.#sent
    this.#sent += batch.length
    const id = `${this.#maker}-${++this.#batches}`
    const under: Promise<void> = this.#exchange(batch, id, expected).then(
      () => void this.#underWay.delete(under),
      (error: unknown) => {
        this.#underWay.delete(under)
        this.#failure ??= error as Error
      },
    )
    this.#underWay.add(under)
  }

  async #exchange(batch: readonly NextMessage[], id: string, expected: number): Promise<void> {
    const last = batch.length - 1
    for (let index = 0; index < last; index++) {
      const { subject, bytes } = batch[index]!
      this.#link.publish(this.#subjects.imported(this.incarnation, subject), bytes, { headers: headersOf(this.#headers(id, index, expected)) })
    }
    const { subject, bytes } = batch[last]!
    const headers = headersOf({ ...this.#headers(id, last, expected), 'Nats-Batch-Commit': '1' })
    const exchanged = await this.#link.exchange(this.#subjects.imported(this.incarnation, subject), bytes, { timeoutMs: batchAnswerMs, headers })
    if (exchanged.kind !== 'answer') throw new Unavailable(`the server did not acknowledge turns up to position ${expected + batch.length} (${exchanged.kind}): repeat this`)
    const answer = parseApiAnswer<{ readonly seq: number; readonly count?: number }>(exchanged.message.data)
    if (!answer.ok) throw new Unavailable(`the server did not take turns up to position ${expected + batch.length}: ${answer.error.description} (${answer.error.err_code})`)
    if (answer.value.seq !== expected + batch.length || (last > 0 && answer.value.count !== batch.length)) {
      throw new Unavailable(`the server put turn ${expected + batch.length} at position ${answer.value.seq}: somebody else writes to stream ${this.log.stream}`)
    }
  }

  #headers(id: string, index: number, expected: number): Record<string, string> {
    return {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(index + 1),
      ...(index === 0 && { 'Nats-Expected-Stream': this.log.stream, 'Nats-Expected-Last-Sequence': String(expected) }),
    }
  }
}
