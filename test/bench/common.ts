/** What several benchmarks share: who executes, what of the log they read, and the judging of it. */
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { checkRun } from '../checkers/all.ts'
import { type ReadLog, readLog } from '../checkers/read.ts'
import { type BenchWorld, benchRealm } from './world.ts'

/** Agents that execute; the leader is a fifth process. */
export const workers = ['w1', 'w2', 'w3', 'w4'] as const

/** Of an odd number of rounds the one in the middle by what `by` says. */
export function middleOf<T>(rounds: readonly T[], by: (round: T) => number): T {
  return [...rounds].sort((left, right) => by(left) - by(right))[Math.floor(rounds.length / 2)]!
}

export async function readTurns(world: BenchWorld, from: number, subject = world.subjects.allLanes): Promise<ReadLog> {
  const { log } = world.coordinator
  const messages: StoredMessage[] = []
  const until = await log.end()
  if (from > until) return { turns: [] }
  for await (const batch of log.read({ subjects: [subject], from, until })) messages.push(...batch)
  return readLog(messages, benchRealm)
}

/**
 * The whole log by the checkers of the simulation: order, exactly once, the digest chain, holders and leaders; elections too, which epochs are compared
 * with. A broken rule ends the benchmark. `ended`: every group must have.
 */
export async function judged(world: BenchWorld, { ended }: { readonly ended: boolean }): Promise<ReadLog> {
  const log = await readTurns(world, 1, world.subjects.allEvents)
  const violations = checkRun(log, { ended })
  if (violations.length > 0) throw new Error(`the log breaks ${violations.length} rules, first ${violations[0]!.rule}: ${violations[0]!.what}`)
  return log
}
