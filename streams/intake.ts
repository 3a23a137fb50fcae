/**
 * Whether the log takes what this program appends, judged by what became of its own attempts. A program that cannot append starts nothing new,
 * by itself; this is for saying so, once when it begins and once when it is over.
 *
 * 1. `full` is said at once, for a server that says it has no room means it. Silence, and a stream without a leader, are said only after
 *    `patienceMs`: a stream's own change of leader takes 4 to 8 s and is nothing to be told of.
 * 2. What says nothing of the server (not connected) changes nothing here.
 */
import type { Clock } from './ports/clock.ts'
import type { AppendOutcome, Intake } from './ports/event-log.ts'

export type IntakeSaid =
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'silent'; readonly reason: string; readonly sinceMs: number }
  /** `afterMs`: how long nothing was taken. */
  | { readonly kind: 'taken'; readonly afterMs: number }

const patienceMs = 10_000
/** A refusal counts for so long: longer than the longest wait between two attempts. */
const refusalMs = 10_000

export class IntakeWatch implements Intake {
  readonly #clock: Clock
  readonly #say: (said: IntakeSaid) => void
  #failingSinceMs: number | undefined
  #refusedMs = -Infinity
  #said: IntakeSaid['kind'] = 'taken'

  constructor(clock: Clock, say: (said: IntakeSaid) => void) {
    this.#clock = clock
    this.#say = say
  }

  get full(): boolean {
    return this.#said === 'full' && this.#clock.monotonicMs() - this.#refusedMs < refusalMs
  }

  note(outcome: AppendOutcome): void {
    const nowMs = this.#clock.monotonicMs()
    switch (outcome.kind) {
      case 'landed':
      case 'conflict':
        if (this.#said !== 'taken') this.#tell({ kind: 'taken', afterMs: Math.round(nowMs - this.#failingSinceMs!) })
        this.#failingSinceMs = undefined
        return
      case 'unavailable':
      case 'indeterminate': {
        if (outcome.about === 'connection') return
        this.#failingSinceMs ??= nowMs
        const { reason } = outcome
        if (outcome.about === 'room') {
          this.#refusedMs = nowMs
          if (this.#said !== 'full') this.#tell({ kind: 'full', reason })
        } else if (this.#said === 'taken' && nowMs - this.#failingSinceMs >= patienceMs) {
          this.#tell({ kind: 'silent', reason, sinceMs: Math.round(nowMs - this.#failingSinceMs) })
        }
        return
      }
      // Another's write is on its way, or this program has to end.
      case 'busy':
      case 'wrong-incarnation':
        return
      default:
        outcome satisfies never
    }
  }

  #tell(said: IntakeSaid): void {
    this.#said = said.kind
    this.#say(said)
  }
}

export interface SayingLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** One line in the log of a program. */
export function sayIntake(logger: SayingLogger, said: IntakeSaid): void {
  const { kind, ...fields } = said
  if (kind === 'taken') logger.info(fields, textOf[kind])
  else logger.warn(fields, textOf[kind])
}

const textOf = {
  full: 'the store of the log is full: nothing new is started until there is space; "reeve doctor" says where',
  silent: 'the log acknowledges nothing: nothing new is started until it does; "reeve doctor" says more, a server whose disk was full has to be started again',
  taken: 'the log takes appends again',
} as const satisfies Record<IntakeSaid['kind'], string>
