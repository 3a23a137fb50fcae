/**
 * A log that is being made by import or restore (docs/wire.md, "Format 2", "Realm").
 *
 * Owns the stream of the next incarnation until it is entered or abandoned. Invariants:
 * 1. The stream has no event subject before it is whole, and is not as a log is defined: no program finds a turn there, or writes one.
 * 2. Nothing but an unfinished stream of this very maker is removed, and nothing after it may have become the log of the realm.
 * 3. Turns stand in the order of `write`, from position 1 on, and nothing else.
 */
import type { NextIncarnation, NextMessage } from '../ports/incarnations.ts'
import { pause } from '../ports/clock.ts'
import { Unavailable } from '../ports/event-log.ts'
import type { Subjects } from '../subjects.ts'
import { JetStreamEventLog } from './event-log.ts'
import { AtomicBatches } from './atomic-batches.ts'
import type { Link } from './link.ts'
import { type StreamDefinition, eventsDefinition } from './streams-definition.ts'

/** Of an incarnation that is being made. Its fields differ from those of a log, so that older programs refuse it too. */
export function unfinishedDefinition(subjects: Subjects, incarnation: number): StreamDefinition {
  const { name, fields } = eventsDefinition(subjects, incarnation)
  const from = subjects.allImported(incarnation)
  return { name, fields: { ...fields, subjects: [from], allow_atomic: true, subject_transform: { src: from, dest: subjects.allEvents } } }
}

export function isUnfinished(subjects: Subjects, incarnation: number, config: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(config['subjects']) && config['subjects'][0] === subjects.allImported(incarnation)
}

/** As the server tells it. */
export interface Unfinished {
  readonly config: Readonly<Record<string, unknown>>
}

export function makerOf(config: Readonly<Record<string, unknown>>): string | undefined {
  return (config['metadata'] as Readonly<Record<string, string>> | undefined)?.[makerKey]
}

export interface Finishing {
  /** Takes the subjects from the former log, and empties what is derived. Throws `WrittenMeanwhile`, `Unavailable`. */
  makeRoom(formerEnd: number): Promise<void>
  /** The former log is that of the realm again, and what was made is removed. Throws `Unavailable`. */
  undo(): Promise<void>
  /** Nothing more is done with it. */
  over(): void
}

interface StreamInfo extends Unfinished {
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number }
}

/** Key of the stream's metadata that says who makes it. */
export const makerKey = 'reeve-import'

/** How long the server may take for a change of a stream, on a busy disk and in a cluster. */
export const slowAnswerMs = 30_000
/** How long the fate of the last step is looked for, and for one attempt more. */
const settleMs = 45_000
const lookEveryMs = 500

export class JetStreamNextIncarnation implements NextIncarnation {
  readonly incarnation: number
  readonly log: JetStreamEventLog
  readonly #link: Link
  readonly #subjects: Subjects
  readonly #maker: string
  readonly #finishing: Finishing
  readonly #batches: AtomicBatches
  #over = false

  constructor(link: Link, subjects: Subjects, incarnation: number, maker: string, finishing: Finishing) {
    this.#link = link
    this.#subjects = subjects
    this.incarnation = incarnation
    this.#maker = maker
    this.#finishing = finishing
    this.log = new JetStreamEventLog(link, subjects.streamName(incarnation), incarnation)
    this.#batches = new AtomicBatches(link, this.log.stream, true)
  }

  async write(messages: readonly NextMessage[]): Promise<void> {
    for (const { subject, bytes } of messages) await this.#batches.add(this.#subjects.imported(this.incarnation, subject), bytes)
  }

  async settle(): Promise<number> {
    await this.#batches.end()
    const { sent } = this.#batches
    const { state } = await this.#info()
    if (state.messages !== sent || state.last_seq !== sent) throw new Unavailable(`stream ${this.log.stream} ends at position ${state.last_seq} and not at ${sent}: somebody else changed it; repeat this`)
    return sent
  }

  async enter(formerEnd: number): Promise<void> {
    const { config } = await this.#info()
    if (!isUnfinished(this.#subjects, this.incarnation, config) || makerOf(config) !== this.#maker) throw new Unavailable(`stream ${this.log.stream} is being made by somebody else by now: look who, and repeat this`)
    await this.#finishing.makeRoom(formerEnd)
    await this.#become(config['num_replicas'])
    this.#end()
  }

  async abandon(): Promise<void> {
    if (this.#over) return
    this.#end()
    await this.#batches.stop()
    await this.#finishing.undo()
  }

  #end(): void {
    this.#over = true
    this.#finishing.over()
  }

  /**
   * The maker stays in the metadata: by that it is known again. An update without an answer may be done, or be done later: only the stream
   * says it, and until it does nothing is removed any more. Throws `Unavailable`.
   */
  async #become(replicas: unknown): Promise<void> {
    const { persist_mode: _, mirror: _m, sources: _s, republish: _r, subject_transform: _t, ...fields } = eventsDefinition(this.#subjects, this.incarnation).fields
    const wanted = { name: this.log.stream, ...fields, num_replicas: replicas, metadata: { [makerKey]: this.#maker } }
    const { clock } = this.#link
    let inDoubt = false
    for (const untilMs = clock.monotonicMs() + settleMs; ; await pause(clock, lookEveryMs)) {
      let failure: Unavailable
      try {
        const answer = await this.#link.api(`STREAM.UPDATE.${this.log.stream}`, wanted, slowAnswerMs)
        if (answer.ok) return
        failure = new Unavailable(`stream ${this.log.stream} cannot be made the log of the realm now: ${answer.error.description}`)
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        failure = error
        inDoubt = true
      }
      if (await this.#became()) return
      if (!inDoubt) throw failure
      if (clock.monotonicMs() < untilMs) continue
      this.#end()
      throw new Unavailable(`whether stream ${this.log.stream} has become the log of the realm is not known (${failure.message}): nothing of it was removed; repeat this`, { cause: failure })
    }
  }

  /** False also where it cannot be asked. */
  async #became(): Promise<boolean> {
    try {
      const { config } = await this.#info()
      return !isUnfinished(this.#subjects, this.incarnation, config) && makerOf(config) === this.#maker
    } catch (error) {
      if (error instanceof Unavailable) return false
      throw error
    }
  }

  async #info(): Promise<StreamInfo> {
    const answer = await this.#link.api<StreamInfo>(`STREAM.INFO.${this.log.stream}`)
    if (!answer.ok) throw new Unavailable(`stream ${this.log.stream} does not say what it holds: ${answer.error.description}`)
    return answer.value
  }
}
