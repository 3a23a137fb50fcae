/** I6: the log, folded, is what a living holder has in memory, to the byte of its canonical JSON. */
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import { canonicalJson } from '../../streams/codec.ts'
import type { ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export interface LiveLane {
  readonly lane: string
  readonly holder: string
  readonly state: LaneState
  /** Lane number with which it ends, where it does not go on (a snapshot). */
  readonly upTo?: number
}

export function checkReplay(log: ReadLog, live: readonly LiveLane[]): Violation[] {
  const violations: Violation[] = []
  for (const { lane, holder, state, upTo } of live) {
    const folded = emptyLane(lane)
    const further = log.turns.filter((stored) => stored.lane === lane && stored.turn.number > (upTo ?? state.number))
    // One that was replaced and has not written since does not know it yet; what it holds is the log up to its own last turn (I4).
    const replaced = further[0]?.turn.commits.some(({ events }) => events[0]?.type === 'LaneTaken') === true
    const last = upTo ?? (replaced ? state.number : Infinity)
    for (const stored of log.turns) if (stored.lane === lane && stored.turn.number <= last) foldTurn(folded, stored.turn)
    if (upTo === undefined && !replaced && further.length === 1) {
      // It has decided that turn, and was not told yet that it landed: its answer is late, or lost.
      folded.number = state.number
      folded.timeMs = state.timeMs
    }
    const expected = plain(folded)
    const found = plain(state)
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const difference = firstDifference(expected[key], found[key], key)
      if (difference !== undefined) violations.push({ rule: 'I6', what: `lane ${lane} as ${holder} has it differs from the log at ${difference}`, position: undefined })
    }
  }
  return violations
}

function plain(state: LaneState): Record<string, unknown> {
  return { ...state, groups: Object.fromEntries(state.groups), commands: Object.fromEntries(state.commands) }
}

function firstDifference(expected: unknown, found: unknown, path: string): string | undefined {
  if (isObject(expected) && isObject(found)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const difference = firstDifference(expected[key], found[key], `${path}.${key}`)
      if (difference !== undefined) return difference
    }
    return undefined
  }
  const left = expected === undefined ? 'nothing' : canonicalJson(expected)
  const right = found === undefined ? 'nothing' : canonicalJson(found)
  return left === right ? undefined : `${path}: the log says ${left}, it has ${right}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
