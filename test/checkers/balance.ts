/**
 * Lanes are balanced by load (docs/lanes.md), judged in a world in which nothing goes wrong and everybody stays: what stays uneven, and lanes
 * that go back and forth. Work is counted anew, from the log, in slices of a second.
 */
import { type ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export interface BalanceExpected {
  readonly lanes: readonly string[]
  /** What the leader goes by. */
  readonly leastWork: number
  /** Over which it measures, milliseconds of its own clock. */
  readonly measuredMs: number
  /** By what part a clock may run too fast. */
  readonly drift: number
  /** Until then everybody comes, and lanes move for that. Milliseconds since the Unix epoch. */
  readonly fromMs: number
}

const sliceMs = 1_000
/** What it measures over, a round of the leader, a handing over, and what slices do not show. */
const graceMs = 5_000
/** Clearer than the leader wants it, by figures that are not cut as its own. */
const clearGain = 0.4
const clearWork = 3
/** Changes of hands, a lane: while its groups come and go some are right. */
const mostMovesALane = 3

interface Slice {
  readonly work: Map<string, number>
  readonly holders: ReadonlyMap<string, string>
  moved: boolean
}

export function checkBalance(log: ReadLog, expected: BalanceExpected): Violation[] {
  const { fromMs, lanes, measuredMs, drift } = expected
  const violations: Violation[] = []
  const slices: Slice[] = []
  const holders = new Map<string, string>()
  const movedMs = new Map<string, number>()
  let moves = 0
  let firstMs: number | undefined
  for (const { turn, lane, message } of log.turns) {
    if (lane === undefined) continue
    const { storedMs, position } = message
    firstMs ??= storedMs
    const index = Math.floor((storedMs - firstMs) / sliceMs)
    while (slices.length <= index) slices.push({ work: new Map(), holders: new Map(holders), moved: false })
    const slice = slices[index]!
    const events = turn.commits.flatMap((commit) => commit.events)
    const settled = events.filter(({ type }) => type === 'JobSucceeded' || type === 'JobFailed' || type === 'JobUnknown').length
    slice.work.set(lane, (slice.work.get(lane) ?? 0) + settled + 6)
    const taken = events.find(({ type }) => type === 'LaneTaken')?.data as { readonly agent: string } | undefined
    if (taken === undefined) continue
    slice.moved = true
    const former = holders.get(lane)
    holders.set(lane, taken.agent)
    if (storedMs < fromMs || former === undefined || former === taken.agent) continue
    moves += 1
    const sinceMs = storedMs - (movedMs.get(lane) ?? -Infinity)
    // A leader whose clock runs too fast has measured so much sooner by the server's; a millisecond is lost where stamps are cut.
    if (sinceMs < measuredMs / (1 + drift) - 1) violations.push({ rule: 'balance', what: `lane ${lane} moves again after ${sinceMs} ms`, position })
    movedMs.set(lane, storedMs)
  }
  const most = mostMovesALane * lanes.length
  if (moves > most) violations.push({ rule: 'balance', what: `lanes moved ${moves} times, ${most} at most are right: they go back and forth`, position: undefined })
  const uneven = longestUneven(slices, expected)
  if (uneven.ms > measuredMs + graceMs) violations.push({ rule: 'balance', what: `${uneven.what} for ${uneven.ms} ms`, position: undefined })
  return violations
}

/** The longest time in which no lane moved, and one agent could all the while have been helped by the same move. */
function longestUneven(slices: readonly Slice[], { leastWork }: BalanceExpected): { readonly ms: number; readonly what: string } {
  let longest = { ms: 0, what: '' }
  let lasting = new Map<string, number>()
  for (const slice of slices) {
    const now = new Map<string, number>()
    for (const what of slice.moved ? [] : clearMoves(slice, leastWork)) now.set(what, (lasting.get(what) ?? 0) + sliceMs)
    for (const [what, ms] of now) if (ms > longest.ms) longest = { ms, what }
    lasting = now
  }
  return longest
}

/** As people read it. A lane changes places with one that does nothing. */
function* clearMoves({ work, holders }: Slice, leastWork: number): Iterable<string> {
  const lanes = [...holders].map(([lane, holder]) => ({ lane, holder, work: (work.get(lane) ?? 0) * (1_000 / sliceMs) }))
  const workOf = (agent: string) => lanes.reduce((sum, one) => sum + (one.holder === agent ? one.work : 0), 0)
  for (const one of lanes) {
    const given = workOf(one.holder)
    if (given < clearWork * leastWork) continue
    for (const idle of lanes) {
      if (idle.holder === one.holder || idle.work > 0) continue
      const peak = Math.max(given - one.work, workOf(idle.holder) + one.work)
      if (given - peak >= clearGain * given) yield `${one.lane} of ${one.holder}, which does much, could have changed places with the idle ${idle.lane} of ${idle.holder}`
    }
  }
}
