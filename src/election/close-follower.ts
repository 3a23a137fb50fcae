/**
 * Which follower watches the leader closely, as the leader itself says it in its answers to pings: one of them often enough that a death is found at once,
 * all others less often. Who may be it is whoever asks; the log and the lease know nothing of it.
 *
 * Owns who it is, while one leads. A follower that has not asked for `lostRounds` of its periods is it no more, and the next one that asks is: where leader and close follower
 * die together, the others find the leader's death by their own pings.
 */
import type { Clock } from '../../streams/ports/clock.ts'
import type { ConnectionEnds } from '../../streams/ports/ends.ts'

/** Between two pings, milliseconds: of the close follower, of it where the coordinator tells of the leader's end, and of the others. */
export const closeMs = 250
export const toldMs = 500
export const distantMs = 1_000
/** Two of its pings are lost, or late. */
const lostRounds = 3

export class CloseFollower {
  readonly #clock: Clock
  readonly #ends: Pick<ConnectionEnds, 'isShown'> | undefined
  #follower: string | undefined
  /** Monotonic. */
  #heardMs = -Infinity

  /** `ends`: of the leader's own connection. */
  constructor(clock: Clock, ends?: Pick<ConnectionEnds, 'isShown'>) {
    this.#clock = clock
    this.#ends = ends
  }

  /** When this follower is to ask again, milliseconds from now. */
  againMs(follower: string): number {
    const nowMs = this.#clock.monotonicMs()
    const periodMs = this.#ends?.isShown === true ? toldMs : closeMs
    if (follower !== this.#follower && nowMs - this.#heardMs < lostRounds * periodMs) return distantMs
    this.#follower = follower
    this.#heardMs = nowMs
    return periodMs
  }
}

/** What a leader may ask for: a follower that believed any number might never find its death, or ask without end. */
export function acceptedPaceMs(againMs: unknown): number | undefined {
  return typeof againMs === 'number' && Number.isFinite(againMs) ? Math.min(distantMs, Math.max(closeMs, againMs)) : undefined
}
