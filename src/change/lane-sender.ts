/**
 * Commands to the holder of a lane, repeated until somebody answers or the time is over. Repeating is harmless: a command is
 * known by its id, a part by its number, a seal by the plan (P14, P15).
 */
import type { LaneCommand, LaneCommandAnswer } from '../../streams/lane-protocol.ts'
import { type Clock, pause } from '../../streams/ports/clock.ts'
import type { LaneClient } from '../lane/client.ts'
import type { RealmView } from '../realm/view.ts'

const firstPauseMs = 20
const longestPauseMs = 500
/** A holder that is replaced drops what it was asked (P2): the first attempts are short, later ones leave time to a slow one. */
const attemptMs = { first: 500, longest: 5_000 } as const

export type SentAnswer = Exclude<LaneCommandAnswer, { kind: 'not-the-holder' }> | { readonly kind: 'no-answer'; readonly received: 'perhaps' | 'never' }

export interface LaneSenderOptions {
  readonly lanes: LaneClient
  readonly view: RealmView
  readonly incarnation: number
  readonly clock: Clock
  readonly answerMs: number
  readonly signal: AbortSignal
}

export class LaneSender {
  readonly #options: LaneSenderOptions
  /** Highest lane number that an answer named: later requests build on it (P5). */
  readonly #numbers = new Map<string, number>()

  constructor(options: LaneSenderOptions) {
    this.#options = options
  }

  /** `never`: no attempt was heard by anybody, so it did not happen. */
  async send(lane: string, command: Omit<LaneCommand, 'builtOn'>): Promise<SentAnswer> {
    const { lanes, view, incarnation, clock, answerMs, signal } = this.#options
    const endMs = clock.monotonicMs() + answerMs
    let pauseMs = firstPauseMs
    let waitMs: number = attemptMs.first
    let received: 'perhaps' | 'never' = 'never'
    for (;;) {
      const number = Math.max(view.state.lanes.get(lane)?.number ?? 0, this.#numbers.get(lane) ?? 0)
      const leftMs = endMs - clock.monotonicMs()
      if (leftMs <= 0 || signal.aborted) return { kind: 'no-answer', received }
      const answer = await lanes.send(lane, { ...command, builtOn: { incarnation, number } }, Math.min(leftMs, waitMs))
      if (answer.kind === 'done') {
        this.#numbers.set(lane, Math.max(number, answer.number))
        return answer
      }
      if (answer.kind === 'refused') return answer
      if (answer.kind === 'no-answer' && answer.why === 'timeout') {
        received = 'perhaps'
        waitMs = Math.min(waitMs * 2, attemptMs.longest)
      }
      await pause(clock, Math.min(pauseMs, Math.max(0, endMs - clock.monotonicMs())), signal)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }
}
