/**
 * For loads of strict groups whose grants are of one job each. What goes on by itself after a repair, judged by the log's own stamps: in every
 * group that stood open then a job is granted or ends, soon where all that its next step needs is alive; where a killed agent holds
 * something of it, after the waits for that agent (P18, I9). So it goes on until it ends, with no longer pause.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { type GroupStanding, followStanding, standingOf } from './group-standing.ts'
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

export interface Repair {
  /** Of the last repair, on the clock of the log's stamps, milliseconds since the Unix epoch. */
  readonly atMs: number
  readonly killed: ReadonlySet<string>
  /** Most that may pass where no killed agent holds anything, and, from the repair on, where one does. */
  readonly livingMs: number
  readonly heldMs: number
}

type Kind = 'living' | 'held'

export interface GoesOn {
  readonly violations: readonly Violation[]
  /** Groups that stood open at the repair, and how long the last of each kind waited. */
  readonly living: { readonly groups: number; readonly longestMs: number }
  readonly held: { readonly groups: number; readonly longestMs: number }
  /** The longest pause of any of them after that. */
  readonly laterMs: number
}

interface Wait {
  readonly kind: Kind
  readonly sinceMs: number
  readonly untilMs: number
}

interface Standing extends GroupStanding {
  /** Of each job: in whose queue it lies. */
  readonly queueOf: Map<number, string>
  /** The job whose turn it is. */
  next: number
  holder: string | undefined
  wait: Wait | undefined
}

export function checkGoesOn(log: ReadLog, { atMs, killed, livingMs, heldMs }: Repair): GoesOn {
  const groups = new Map<string, Standing>()
  const lanes = new Map<string, string>()
  const violations: Violation[] = []
  const waits = { living: { groups: 0, longestMs: 0 }, held: { groups: 0, longestMs: 0 } }
  let laterMs = 0
  let repaired = false

  const waitFrom = (group: Standing, sinceMs: number): Wait | undefined => {
    if (!group.sealed || group.ended || group.stands) return undefined
    const needed = [lanes.get(group.lane), group.holder ?? group.queueOf.get(group.next)]
    const kind = needed.some((agent) => agent !== undefined && killed.has(agent)) ? 'held' : 'living'
    return { kind, sinceMs, untilMs: Math.max(atMs + (kind === 'held' ? heldMs : livingMs), sinceMs + livingMs) }
  }
  const endWait = (id: string, { kind, sinceMs, untilMs }: Wait, nowMs: number) => {
    const waitedMs = nowMs - sinceMs
    if (sinceMs === atMs) waits[kind].longestMs = Math.max(waits[kind].longestMs, waitedMs)
    else laterMs = Math.max(laterMs, waitedMs)
    if (nowMs <= untilMs) return
    const why = kind === 'held' ? 'where a killed agent held something of it' : 'though all that it needed was alive'
    violations.push({ rule: 'I7', what: `group ${id} stood still for ${waitedMs} ms, from ${sinceMs - atMs} ms after the repair on, ${why}`, position: undefined })
  }
  const beginWaits = () => {
    repaired = true
    for (const group of groups.values()) {
      group.wait = waitFrom(group, atMs)
      if (group.wait !== undefined) waits[group.wait.kind].groups += 1
    }
  }

  for (const { turn, lane, message } of log.turns) {
    if (lane === undefined) continue
    if (!repaired && message.storedMs > atMs) beginWaits()
    for (const { aggregate, id, events } of turn.commits) {
      if (aggregate === 'lane') {
        for (const { type, data } of events) {
          if (type === 'LaneTaken') lanes.set(lane, (data as { readonly agent: string }).agent)
          else if (type === 'LaneReleased') lanes.delete(lane)
        }
      }
      if (aggregate !== 'group') continue
      let group = groups.get(id)
      if (group === undefined) groups.set(id, (group = { ...standingOf(lane), queueOf: new Map(), next: 1, holder: undefined, wait: undefined }))
      for (const event of events as readonly GroupEvent[]) apply(group, event)
      if (group.wait === undefined || !(events as readonly GroupEvent[]).some(isProgress)) continue
      endWait(id, group.wait, message.storedMs)
      group.wait = waitFrom(group, message.storedMs)
    }
  }
  if (!repaired) beginWaits()
  for (const [id, { wait }] of groups) if (wait !== undefined) endWait(id, wait, Infinity)
  return { violations, ...waits, laterMs }
}

/** That somebody was told to whom its jobs go is none. */
function isProgress({ type }: GroupEvent): boolean {
  return type === 'LockGranted' || isOutcome(type)
}

function isOutcome(type: GroupEvent['type']): boolean {
  return type === 'JobSucceeded' || type === 'JobFailed' || type === 'JobUnknown'
}

function apply(group: Standing, event: GroupEvent): void {
  followStanding(group, event)
  switch (event.type) {
    case 'JobsAssigned':
      for (const { first, last, agent } of event.data.assignments) for (let job = first; job <= last; job++) group.queueOf.set(job, agent)
      return
    case 'LockGranted':
      group.holder = event.data.agent
      return
    case 'JobSucceeded':
    case 'JobFailed':
      group.next = event.data.job + 1
      group.holder = undefined
      return
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
      else if (isOutcome(event.type) || event.type === 'LockReturned') open.delete(commit.id)
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
