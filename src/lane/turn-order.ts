/** P10: in a turn, outcomes and expiries come first, then pauses and cancels, then other commands. */
import type { LaneCommand } from '../../streams/lane-protocol.ts'

const urgency = (kind: LaneCommand['body']['kind']): number => (kind === 'expire' ? 0 : isUrgent(kind) ? 1 : 2)

/** A turn always has room for it, whatever else waits. */
export function isUrgent(kind: LaneCommand['body']['kind']): boolean {
  return kind === 'expire' || kind === 'pause' || kind === 'cancel'
}

/** Those of one rank as they came. */
export function inTurnOrder<T extends { readonly command: LaneCommand }>(waiting: readonly T[]): readonly T[] {
  if (waiting.length < 2) return waiting
  return [...waiting].sort((left, right) => urgency(left.command.body.kind) - urgency(right.command.body.kind))
}
