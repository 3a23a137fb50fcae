/** Appending `LaneTaken` (P1): it expects the last turn that was folded, so that whoever wrote in between is folded first. */
import type { LaneEvent } from '../../machines/lane/machine.ts'
import { foldTurn } from '../../machines/lane/state.ts'
import { appendTurn } from '../../streams/append.ts'
import { decodeTurn, digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Turn, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type FoldedLane, foldOn } from './fold.ts'

/** P1: after so many conflicts the taker no longer folds first, but follows whatever the last turn is. */
const foldedAttempts = 3

export type TakeOutcome = 'taken' | 'conflict' | 'wrong-incarnation' | 'stopped'

export interface Taking {
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly subject: string
  readonly agent: string
  readonly instance: string
  readonly signal: AbortSignal
}

/** One attempt on the turn that `folded` ends with. */
export async function takeFolded(taking: Taking, folded: FoldedLane): Promise<TakeOutcome> {
  const turn = takingTurn(taking, folded, folded.state.number + 1, folded.tail.digest, folded.state.timeMs)
  const { bytes, outcome } = await append(taking, turn, folded.tail.position)
  if (outcome.kind !== 'landed') return outcome.kind
  foldTurn(folded.state, turn)
  folded.tail.position = outcome.position
  folded.tail.digest = digestOf(bytes)
  return 'taken'
}

/** Follows whatever is last, again until it succeeds, and folds what it had not seen before it returns. */
export async function takeWhateverIsLast(taking: Taking, folded: FoldedLane): Promise<TakeOutcome> {
  const { log, clock, subject, signal } = taking
  while (!signal.aborted) {
    await foldOn(log, clock, subject, folded, signal)
    const last = await log.last(subject)
    const before = last === undefined ? undefined : decodeTurn(last.bytes)
    const turn = takingTurn(
      taking,
      folded,
      (before?.number ?? 0) + 1,
      last === undefined ? firstDigest : digestOf(last.bytes),
      before?.timeMs ?? 0,
    )
    const { outcome } = await append(taking, turn, last?.position ?? 0)
    if (outcome.kind === 'conflict') continue
    if (outcome.kind === 'landed') {
      await foldOn(log, clock, subject, folded, signal)
      return 'taken'
    }
    return outcome.kind
  }
  return 'stopped'
}

export function mustFollowBlindly(conflicts: number): boolean {
  return conflicts >= foldedAttempts
}

function takingTurn(taking: Taking, folded: FoldedLane, number: number, previous: string, notBeforeMs: number): Turn {
  const { agent, instance, clock, random, log } = taking
  const event: LaneEvent = { type: 'LaneTaken', data: { agent, instance } }
  const lane = folded.state
  return {
    turn: newUlid(clock.nowMs(), random),
    schema: schemaVersion,
    incarnation: log.incarnation,
    number,
    timeMs: Math.max(clock.nowMs(), notBeforeMs),
    previous,
    commits: [{ aggregate: 'lane', id: lane.lane, revision: lane.revision + 1, actor: `agent:${agent}`, events: [event] }],
  }
}

async function append(taking: Taking, turn: Turn, expectedLast: number) {
  const bytes = encodeTurn(turn)
  const { log, clock, subject, signal } = taking
  return { bytes, outcome: await appendTurn(log, clock, { subject, bytes, turn: turn.turn, expectedLast, signal }) }
}
