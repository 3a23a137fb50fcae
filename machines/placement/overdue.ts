/**
 * Open grants of which no word comes although their executor is present (I9). Pure: times are the leader's monotonic clock, milliseconds.
 * An executor ends every call by its own clock; so one that keeps a grant for longer, or whose word does not reach the holder, is asked
 * to abort, and where it does not say that it stopped its presence is ended, which closes the grant by the waits of P18.
 */
import { waitMargin } from './expiry.ts'

/** A call, and the read of the site that settles one whose outcome is not known. */
const deadlinesPerJob = 2
/** A lane may stand still for as long: a stuck holder is replaced, a stream elects its leader. */
export const quietLaneMs = 15_000
/** What the answer and a late start of its timer may take. */
const answerMarginMs = 2_000

export interface OpenGrant {
  /** Jobs of it that are not settled. */
  readonly left: number
  readonly callDeadlineMs: number
}

/** `sinceMs`: when the leader saw the grant opened, or the last job of it settled. */
export function overdueAtMs({ left, callDeadlineMs }: OpenGrant, sinceMs: number): number {
  return sinceMs + waitMargin * deadlinesPerJob * left * callDeadlineMs + quietLaneMs
}

/** To the question to abort: `none` where nothing came in time. */
export type AbortSaid = 'stopped' | 'running' | 'none'
export type AbortStep = 'expire' | 'ask-again' | 'end-presence'

/** `askedMs`: for how long it has been asked. "Stopped" is a proof (P19); else it has the time of a call to come to an end. */
export function stepAfter(said: AbortSaid, askedMs: number, { callDeadlineMs }: OpenGrant): AbortStep {
  if (said === 'stopped') return 'expire'
  return askedMs < waitMargin * callDeadlineMs + answerMarginMs ? 'ask-again' : 'end-presence'
}
