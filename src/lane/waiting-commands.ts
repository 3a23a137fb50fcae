/**
 * Commands that wait for a turn of their lane. Invariant: there are never more than a number of them, nor more bytes of their messages; for whom there is no
 * room is not answered, and repeats.
 */
import type { LaneCommand, LaneCommandAnswer } from '../../streams/lane-protocol.ts'

export interface WaitingCommand {
  readonly command: LaneCommand
  /** Of the message that it came in. */
  readonly sizeBytes: number
  readonly answer: (answer: LaneCommandAnswer) => void
}

export class WaitingCommands {
  readonly #most: number
  readonly #mostBytes: number
  #items: WaitingCommand[] = []
  #bytes = 0

  constructor(most: number, mostBytes: number) {
    this.#most = most
    this.#mostBytes = mostBytes
  }

  get length(): number {
    return this.#items.length
  }

  count(which: (item: WaitingCommand) => boolean): number {
    return this.#items.filter(which).length
  }

  /** False where there is no room for it. */
  add(item: WaitingCommand): boolean {
    if (this.#items.length >= this.#most || this.#bytes + item.sizeBytes > this.#mostBytes) return false
    this.#items.push(item)
    this.#bytes += item.sizeBytes
    return true
  }

  /** In the place of those that came first, as far as it needs their room. */
  addAsLast(item: WaitingCommand): void {
    while (!this.add(item)) {
      const oldest = this.#items.shift()
      if (oldest === undefined) return
      this.#bytes -= oldest.sizeBytes
    }
  }

  /** All of them; none is left. */
  takeAll(): readonly WaitingCommand[] {
    const all = this.#items
    this.#items = []
    this.#bytes = 0
    return all
  }

  /** Of what was taken, ahead of what came since: they had room. */
  putBack(items: readonly WaitingCommand[]): void {
    if (items.length === 0) return
    this.#items = [...items, ...this.#items]
    for (const { sizeBytes } of items) this.#bytes += sizeBytes
  }
}
