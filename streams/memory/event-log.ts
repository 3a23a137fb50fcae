/** The event log in memory. */
import type { Clock } from '../ports/clock.ts'
import { pause } from '../ports/clock.ts'
import type { AppendOutcome, AppendRequest, EventLog, ReadOptions, StoredMessage } from '../ports/event-log.ts'
import { LogMissing, Unavailable } from '../ports/event-log.ts'
import { subjectTest } from '../subject-match.ts'
import { exchange } from './exchange.ts'
import type { MemoryLink } from './realm.ts'

/** Most messages of one batch of a read. */
const batchLimit = 1_000

/** What the server stores. Owns positions; index = position - 1, a hole where a message was purged. */
export class StoredLog {
  readonly #clock: Clock
  readonly #messages: (StoredMessage | undefined)[] = []
  readonly #last = new Map<string, number>()
  readonly #growth = new Set<() => void>()
  incarnation: number

  constructor(clock: Clock, incarnation: number) {
    this.#clock = clock
    this.incarnation = incarnation
  }

  append(request: AppendRequest, incarnation: number): AppendOutcome {
    if (incarnation !== this.incarnation) return { kind: 'wrong-incarnation' }
    if (this.lastPosition(request.subject) !== request.expectedLast) return { kind: 'conflict' }
    const position = this.#messages.length + 1
    const message = { subject: request.subject, position, bytes: new Uint8Array(request.bytes), storedMs: this.#clock.nowMs() }
    this.#messages.push(message)
    this.#last.set(request.subject, position)
    this.#grown()
    return { kind: 'landed', position }
  }

  firstOf(subject: string): StoredMessage | undefined {
    return this.#messages.find((message) => message?.subject === subject)
  }

  lastPosition(subject: string): number {
    return this.#last.get(subject) ?? 0
  }

  at(position: number): StoredMessage | undefined {
    return this.#messages[position - 1]
  }

  end(): number {
    return this.#messages.length
  }

  raiseIncarnation(): number {
    this.incarnation += 1
    this.#grown()
    return this.incarnation
  }

  /** Becomes another log, of a later incarnation. */
  become(next: StoredLog): void {
    this.#messages.splice(0, Infinity)
    for (const message of next.#messages) this.#messages.push(message)
    this.#last.clear()
    for (const [subject, position] of next.#last) this.#last.set(subject, position)
    this.incarnation = next.incarnation
    this.#grown()
  }

  replace(position: number, bytes: Uint8Array): void {
    const former = this.#messages[position - 1]
    if (former === undefined) throw new Error(`there is no message at position ${position}`)
    this.#messages[position - 1] = { ...former, bytes: new Uint8Array(bytes) }
  }

  purge(subject: string, upTo: number): void {
    for (let position = 1; position <= Math.min(upTo, this.end()); position++) {
      if (this.at(position)?.subject === subject) this.#messages[position - 1] = undefined
    }
    if (this.lastPosition(subject) <= upTo) this.#last.delete(subject)
  }

  #grown(): void {
    for (const listener of [...this.#growth]) listener()
  }

  /** Also when the incarnation has risen. Returns how to stop. */
  onGrowth(listener: () => void): () => void {
    this.#growth.add(listener)
    return () => this.#growth.delete(listener)
  }
}

export class MemoryEventLog implements EventLog {
  readonly incarnation: number
  readonly #link: MemoryLink
  readonly #stored: StoredLog

  constructor(link: MemoryLink, stored: StoredLog) {
    this.#link = link
    this.#stored = stored
    this.incarnation = stored.incarnation
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    const link = this.#link
    const bytes = new Uint8Array(request.bytes)
    const fault = link.network.faults.append?.({ client: link.name, ...request })
    const answered = await exchange<AppendOutcome>(link, fault, () => {
      switch (fault?.refuse) {
        case 'busy':
          return { kind: 'busy' }
        case 'conflict':
          return { kind: 'conflict' }
        case 'unavailable':
          return { kind: 'unavailable', reason: 'the realm in memory was told to refuse' }
        case undefined:
          return this.#stored.append({ ...request, bytes }, this.incarnation)
      }
    })
    switch (answered.kind) {
      case 'answer':
        return answered.value
      case 'offline':
        return { kind: 'unavailable', reason: 'not connected' }
      case 'lost':
        return { kind: 'indeterminate', reason: answered.reason }
    }
  }

  last(subject: string): Promise<StoredMessage | undefined> {
    return this.#ask(() => this.#stored.at(this.#stored.lastPosition(subject)))
  }

  first(subject: string): Promise<StoredMessage | undefined> {
    return this.#ask(() => this.#stored.firstOf(subject))
  }

  async purge(subject: string, upTo: number): Promise<void> {
    const link = this.#link
    const answered = await exchange(link, link.network.faults.purge?.({ client: link.name, subject }), () => {
      if (this.#isFormer) return false
      this.#stored.purge(subject, Math.min(upTo, this.#stored.lastPosition(subject) - 1))
      return true
    })
    if (answered.kind === 'answer') {
      if (!answered.value) throw new LogMissing(`of incarnation ${this.incarnation}`)
      return
    }
    throw new Unavailable(`the log did not answer ${link.name}: ${answered.kind === 'lost' ? answered.reason : 'not connected'}`)
  }

  at(position: number): Promise<StoredMessage | undefined> {
    return this.#ask(() => this.#stored.at(position))
  }

  end(): Promise<number> {
    return this.#ask(() => this.#stored.end())
  }

  async #ask<T>(perform: () => T): Promise<T> {
    const link = this.#link
    const { lose, ...delays } = link.network.faults.logRead?.({ client: link.name }) ?? {}
    const answered = await exchange(link, lose ? { ...delays, lose: 'request' } : delays, perform)
    if (answered.kind === 'answer') {
      if (this.#isFormer) throw new LogMissing(`of incarnation ${this.incarnation}`)
      return answered.value
    }
    throw new Unavailable(`the log did not answer ${link.name}: ${answered.kind === 'lost' ? answered.reason : 'not connected'}`)
  }

  get #isFormer(): boolean {
    return this.#stored.incarnation !== this.incarnation
  }

  async *read(options: ReadOptions): AsyncGenerator<readonly StoredMessage[]> {
    const { subjects, until = Infinity, signal } = options
    const link = this.#link
    const fits = subjectTest(subjects)
    let next = Math.max(1, options.from)
    let seen = this.#stored.end()
    let wake = () => {}
    const ring = () => wake()
    const stop = [this.#stored.onGrowth(ring), link.onChange(ring)]
    signal?.addEventListener('abort', ring)
    try {
      while (next <= until && !signal?.aborted && !link.closed) {
        if (this.#isFormer && link.reach() === 'connected') {
          // A reader hears of it late, as of everything else.
          await pause(link.network.clock, link.network.faults.readLag?.({ client: link.name }) ?? 0, signal)
          if (!signal?.aborted && !link.closed) throw new LogMissing(`of incarnation ${this.incarnation}`)
          continue
        }
        if (link.reach() === 'connected' && next <= this.#stored.end()) {
          if (this.#stored.end() > seen) {
            seen = this.#stored.end()
            const lagMs = link.network.faults.readLag?.({ client: link.name }) ?? 0
            if (lagMs > 0) await pause(link.network.clock, lagMs, signal)
            continue
          }
          const batch: StoredMessage[] = []
          const end = Math.min(until, this.#stored.end())
          for (; next <= end && batch.length < batchLimit; next++) {
            const message = this.#stored.at(next)
            if (message !== undefined && fits(message.subject)) batch.push(message)
          }
          if (batch.length > 0) yield batch
          continue
        }
        await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      for (const each of stop) each()
      signal?.removeEventListener('abort', ring)
    }
  }
}
