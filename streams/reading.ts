/**
 * Whether what lies in the streams can be read: the log, and the buckets that are watched. A reader that cannot begin tries again for as long as it takes;
 * this is for saying so, once when that has lasted longer than a change of leader (4 to 9 s), and once when it is over.
 *
 * 1. It is over when no reader fails any more: one that has begun, or has ended.
 * 2. A lost connection is not told of here: nothing is tried meanwhile.
 */
import type { SayingLogger } from './intake.ts'
import type { Clock } from './ports/clock.ts'

export type ReadingSaid =
  | { readonly kind: 'silent'; readonly reason: string; readonly sinceMs: number }
  /** `afterMs`: how long something could not be read. */
  | { readonly kind: 'read'; readonly afterMs: number }

const patienceMs = 10_000

export class ReadingWatch {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #say: (said: ReadingSaid) => void
  readonly #failing = new Set<object>()
  /** Of the first that failed of those that fail. */
  #sinceMs = 0
  #said = false

  constructor(clock: Pick<Clock, 'monotonicMs'>, say: (said: ReadingSaid) => void) {
    this.#clock = clock
    this.#say = say
  }

  /** At each attempt of `reader` that came to nothing. */
  fails(reader: object, reason: string): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#failing.size === 0) this.#sinceMs = nowMs
    this.#failing.add(reader)
    const sinceMs = Math.round(nowMs - this.#sinceMs)
    if (this.#said || sinceMs < patienceMs) return
    this.#said = true
    this.#say({ kind: 'silent', reason, sinceMs })
  }

  /** It has begun, or ends. */
  ends(reader: object): void {
    if (!this.#failing.delete(reader) || this.#failing.size > 0 || !this.#said) return
    this.#said = false
    this.#say({ kind: 'read', afterMs: Math.round(this.#clock.monotonicMs() - this.#sinceMs) })
  }
}

export const readingText = {
  silent: 'the log or a bucket cannot be read: it is tried until it can be; "reeve doctor" says more, servers choose their leaders within some 10 s',
  read: 'all can be read again',
} as const satisfies Record<ReadingSaid['kind'], string>

/** One line in the log of a program. */
export function sayReading(logger: SayingLogger, said: ReadingSaid): void {
  const { kind, ...fields } = said
  if (kind === 'read') logger.info(fields, readingText[kind])
  else logger.warn(fields, readingText[kind])
}
