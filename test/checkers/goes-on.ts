/**
 * For loads whose grants are of one job each. What goes on by itself after a repair, judged by the log's own stamps: every group that stood open then is written to again, soon where
 * all that it needs is alive; where a killed agent held something of it, after the waits for that agent (P18, I9).
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { type GroupStanding, followStanding, standingOf } from './group-standing.ts'
import { commitsOf, type ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export interface Repair {
  /** Of the last repair, on the clock of the log's stamps, milliseconds since the Unix epoch. */
  readonly atMs: number
  readonly killed: ReadonlySet<string>
  /** Most that may pass where no killed agent held anything, and where one did. */
  readonly livingMs: number
  readonly heldMs: number
}

export interface GoesOn {
  readonly violations: readonly Violation[]
  /** Groups that stood open at the repair, and how long the last of each kind waited. */
  readonly living: { readonly groups: number; readonly longestMs: number }
  readonly held: { readonly groups: number; readonly longestMs: number }
}

interface Standing extends GroupStanding {
  readonly assigned: Set<string>
  holder: string | undefined
  wroteMs: number | undefined
}

export function checkGoesOn(log: ReadLog, { atMs, killed, livingMs, heldMs }: Repair): GoesOn {
  const groups = new Map<string, Standing>()
  const lanes = new Map<string, string>()
  for (const { turn, lane, message } of log.turns) {
    if (lane === undefined) continue
    const isAfter = message.storedMs > atMs
    for (const { aggregate, id, events } of turn.commits) {
      if (aggregate === 'lane' && !isAfter) {
        for (const { type, data } of events) {
          if (type === 'LaneTaken') lanes.set(lane, (data as { readonly agent: string }).agent)
          else if (type === 'LaneReleased') lanes.delete(lane)
        }
      }
      if (aggregate !== 'group') continue
      const group = groups.get(id)
      if (isAfter) {
        if (group !== undefined) group.wroteMs ??= message.storedMs
        continue
      }
      const standing = group ?? { ...standingOf(lane), assigned: new Set(), holder: undefined, wroteMs: undefined }
      groups.set(id, standing)
      for (const event of events as readonly GroupEvent[]) apply(standing, event)
    }
  }
  const violations: Violation[] = []
  const waits = { living: { groups: 0, longestMs: 0 }, held: { groups: 0, longestMs: 0 } }
  for (const [id, group] of groups) {
    if (!group.sealed || group.ended || group.stands) continue
    const touched = [group.holder, lanes.get(group.lane), ...(group.holder === undefined ? group.assigned : [])]
    const kind = touched.some((agent) => agent !== undefined && killed.has(agent)) ? 'held' : 'living'
    const waitedMs = (group.wroteMs ?? Infinity) - atMs
    waits[kind].groups += 1
    waits[kind].longestMs = Math.max(waits[kind].longestMs, waitedMs)
    const mostMs = kind === 'held' ? heldMs : livingMs
    if (waitedMs > mostMs) violations.push({ rule: 'I7', what: `group ${id} stood still for ${waitedMs} ms after the repair, ${kind === 'held' ? 'where a killed agent held something of it' : 'though all that it needs was alive'}`, position: undefined })
  }
  return { violations, ...waits }
}

function apply(group: Standing, event: GroupEvent): void {
  followStanding(group, event)
  switch (event.type) {
    case 'JobsAssigned':
      for (const { agent } of event.data.assignments) group.assigned.add(agent)
      return
    case 'LockGranted':
      group.holder = event.data.agent
      return
    // Of one job, as every grant of the loads that are judged here.
    case 'JobSucceeded':
    case 'JobFailed':
    case 'JobUnknown':
    case 'LockReturned':
      group.holder = undefined
      return
    default:
  }
}

/** Grants that stood open at that time, by agent. */
export function grantsOpenAt(log: ReadLog, atMs: number): ReadonlyMap<string, number> {
  const open = new Map<string, string>()
  for (const { stored, commit } of commitsOf(log, 'group')) {
    if (stored.message.storedMs > atMs) break
    for (const event of commit.events as readonly GroupEvent[]) {
      if (event.type === 'LockGranted') open.set(commit.id, event.data.agent)
      else if (['JobSucceeded', 'JobFailed', 'JobUnknown', 'LockReturned'].includes(event.type)) open.delete(commit.id)
    }
  }
  const held = new Map<string, number>()
  for (const agent of open.values()) held.set(agent, (held.get(agent) ?? 0) + 1)
  return held
}

/** Jobs that succeeded between two times. */
export function succeededBetween(log: ReadLog, fromMs: number, untilMs: number): number {
  let count = 0
  for (const { stored, commit } of commitsOf(log, 'group')) {
    if (stored.message.storedMs <= fromMs || stored.message.storedMs > untilMs) continue
    count += (commit.events as readonly GroupEvent[]).filter(({ type }) => type === 'JobSucceeded').length
  }
  return count
}
