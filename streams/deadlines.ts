/**
 * Times that are nearly never reached: of requests that are answered long before. To set a timer of the runtime for each and to take it
 * back costs as much as all else that has to be kept of a request. Here those of one length wait in one list, whose timer is armed for
 * the first of them, and left armed when that is taken back.
 */
import type { Clock, Timer } from './ports/clock.ts'

/** So much later than asked for at most, milliseconds, so that a process at rest wakes for it together with other things. */
const slackMs = 500
/** Shorter ones are set by themselves: a timer that is left armed would wake a process at rest too often. */
const leastMs = 2_000

interface List {
  readonly lengthMs: number
  first: Waiting | undefined
  last: Waiting | undefined
  timer: Timer | undefined
}

class Waiting implements Timer {
  readonly atMs: number
  task: (() => void) | undefined
  before: Waiting | undefined
  next: Waiting | undefined
  readonly #list: List

  constructor(list: List, atMs: number, task: () => void) {
    this.#list = list
    this.atMs = atMs
    this.task = task
    this.before = list.last
    if (list.last === undefined) list.first = this
    else list.last.next = this
    list.last = this
  }

  cancel(): void {
    if (this.task === undefined) return
    this.task = undefined
    if (this.before === undefined) this.#list.first = this.next
    else this.before.next = this.next
    if (this.next === undefined) this.#list.last = this.before
    else this.next.before = this.before
    // One that is old already would keep those that came after it (`passing.ts`).
    this.before = undefined
    this.next = undefined
  }
}

export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, List>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Runs `task` once, `lengthMs` milliseconds from now; of 2 s and more up to half a second later. */
  after(lengthMs: number, task: () => void): Timer {
    if (lengthMs < leastMs) return this.#clock.after(lengthMs, task)
    let list = this.#lists.get(lengthMs)
    if (list === undefined) this.#lists.set(lengthMs, (list = { lengthMs, first: undefined, last: undefined, timer: undefined }))
    const waiting = new Waiting(list, this.#clock.monotonicMs() + lengthMs, task)
    if (list.timer === undefined) this.#arm(list, lengthMs)
    return waiting
  }

  /** Once nothing waits: no timer is left that would keep the process from ending. */
  stop(): void {
    for (const { timer } of this.#lists.values()) timer?.cancel()
    this.#lists.clear()
  }

  #arm(list: List, delayMs: number): void {
    list.timer = this.#clock.after(delayMs + slackMs / 2, () => this.#look(list), slackMs / 2)
  }

  /** It counts as armed meanwhile: a task that asks for another time does not put off those that wait already. */
  #look(list: List): void {
    const nowMs = this.#clock.monotonicMs()
    while (list.first !== undefined && list.first.atMs <= nowMs) {
      const { first } = list
      const { task } = first
      first.cancel()
      task?.()
    }
    if (list.first === undefined) this.#lists.delete(list.lengthMs)
    else this.#arm(list, list.first.atMs - nowMs)
  }
}
