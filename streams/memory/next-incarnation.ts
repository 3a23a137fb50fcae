/** A log that is being made, in memory. */
import type { Clock } from '../ports/clock.ts'
import type { StoredMessage } from '../ports/event-log.ts'
import type { NextIncarnation, NextMessage } from '../ports/incarnations.ts'
import { StoredLog } from './event-log.ts'

export class MemoryNextIncarnation implements NextIncarnation {
  readonly incarnation: number
  readonly log = { read: (options: { readonly from: number; readonly until?: number }) => this.#read(options.from, options.until) }
  readonly #stored: StoredLog
  readonly #enter: (stored: StoredLog, formerEnd: number) => void

  constructor(clock: Clock, incarnation: number, enter: (stored: StoredLog, formerEnd: number) => void) {
    this.incarnation = incarnation
    this.#stored = new StoredLog(clock, incarnation)
    this.#enter = enter
  }

  async write(messages: readonly NextMessage[]): Promise<void> {
    for (const { subject, bytes } of messages) this.#stored.append({ subject, bytes, expectedLast: this.#stored.lastPosition(subject) }, this.incarnation)
  }

  async settle(): Promise<number> {
    return this.#stored.end()
  }

  async enter(formerEnd: number): Promise<void> {
    this.#enter(this.#stored, formerEnd)
  }

  async abandon(): Promise<void> {}

  async *#read(from: number, until = this.#stored.end()): AsyncGenerator<readonly StoredMessage[]> {
    for (let position = from; position <= Math.min(until, this.#stored.end()); position++) yield [this.#stored.at(position)!]
  }
}
