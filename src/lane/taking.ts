/** Appending `LaneTaken` (P1): it expects the last turn that was folded, so that whoever wrote in between is folded first. */
import type { LaneEvent } from '../../machines/lane/machine.ts'
import { foldTurn } from '../../machines/lane/state.ts'
import { appendTurn } from '../../streams/append.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Turn, schemaVersion } from '../../streams/envelope.ts'
import type { Clock, Random } from '../../streams/ports/clock.ts'
import type { EventLog } from '../../streams/ports/event-log.ts'
import { type FoldedLane, foldMessage } from './fold.ts'

/** P1: after so many conflicts the taker no longer starts over, but follows the lane live. */
const foldedAttempts = 3

export type TakeOutcome = 'taken' | 'conflict' | 'wrong-incarnation' | 'stopped'

export interface Taking {
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly subject: string
  readonly agent: string
  readonly instance: string
  /** Of the leader whose mapping names this agent. */
  readonly epoch: number
  readonly signal: AbortSignal
}

/** One attempt on the turn that `folded` ends with. */
export async function takeFolded(taking: Taking, folded: FoldedLane): Promise<TakeOutcome> {
  const turn = takingTurn(taking, folded)
  const { bytes, outcome } = await append(taking, turn, folded.tail.position)
  if (outcome.kind !== 'landed') return outcome.kind
  foldTurn(folded.state, turn)
  folded.tail.position = outcome.position
  folded.tail.digest = digestOf(bytes)
  // P9: whoever follows the feed is to hear of it, and reads the log then.
  folded.recent.push({ position: outcome.position, timeMs: turn.timeMs, number: turn.number, commits: turn.commits })
  return 'taken'
}

/**
 * Follows the lane turn by turn and tries again behind each one, until it succeeds: however fast another writes, everything
 * is folded that stands before the own `LaneTaken`, so that its revision and digest are right.
 */
export async function takeFollowing(taking: Taking, folded: FoldedLane): Promise<TakeOutcome> {
  const { log, subject, signal } = taking
  const first = await takeFolded(taking, folded)
  if (first !== 'conflict') return first
  for await (const batch of log.read({ subjects: [subject], from: folded.tail.position + 1, signal })) {
    for (const message of batch) foldMessage(folded, message)
    const outcome = await takeFolded(taking, folded)
    if (outcome !== 'conflict') return outcome
  }
  return 'stopped'
}

export function mustFollow(conflicts: number): boolean {
  return conflicts >= foldedAttempts
}

function takingTurn(taking: Taking, folded: FoldedLane): Turn {
  const { agent, instance, epoch, clock, random, log } = taking
  const event: LaneEvent = { type: 'LaneTaken', data: { agent, instance } }
  const lane = folded.state
  return {
    turn: newUlid(clock.nowMs(), random),
    schema: schemaVersion,
    incarnation: log.incarnation,
    number: lane.number + 1,
    timeMs: Math.max(clock.nowMs(), lane.timeMs),
    previous: folded.tail.digest,
    commits: [{ aggregate: 'lane', id: lane.lane, revision: lane.revision + 1, actor: `agent:${agent}`, epoch, events: [event] }],
  }
}

async function append(taking: Taking, turn: Turn, expectedLast: number) {
  const bytes = encodeTurn(turn)
  const { log, clock, subject, signal } = taking
  return { bytes, outcome: await appendTurn(log, clock, { subject, bytes, turn: turn.turn, expectedLast, signal }) }
}
