/**
 * I7: while nobody leads, every held lane runs on; only placing, expiring and due triggers wait. Judged of a lane that has, from the
 * beginning of such a time on, some group whose jobs are all assigned: something of a group has to be written there every `mostMs`,
 * or, since the jobs of one grant run one after another and are reported together, as much later as the grants of each such group let it be.
 */
import { type GroupEvent } from '../../machines/execution-group/events.ts'
import { countOf } from '../../machines/execution-group/state.ts'
import { type GroupStanding, followStanding, standingOf } from './group-standing.ts'
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

interface Followed extends GroupStanding {
  jobs: number
  /** Of its job numbers: in whose queue. */
  readonly assigned: Set<number>
  /** Of its largest grant so far, the calls behind the first, each at its slowest. */
  furtherCallsMs: number
}

export interface LeaderlessTime {
  /** On the server's clock, milliseconds since the Unix epoch. */
  readonly fromMs: number
  readonly untilMs: number
  readonly mostMs: number
}

export function checkLeaderless(log: ReadLog, { fromMs, untilMs, mostMs }: LeaderlessTime): Violation[] {
  const violations: Violation[] = []
  const groups = new Map<string, Followed>()
  /** By lane: since when something could have gone on, and nothing did; and how long that may last. */
  const waits = new Map<string, { readonly sinceMs: number; readonly mostMs: number }>()
  const goesOn = (group: Followed) => group.sealed && !group.stands && !group.ended && group.assigned.size >= group.jobs
  const judge = (lane: string, atMs: number) => {
    const wait = waits.get(lane)
    if (wait === undefined) return
    const waitedMs = Math.min(atMs, untilMs) - Math.max(wait.sinceMs, fromMs)
    if (waitedMs > wait.mostMs) violations.push({ rule: 'I7', what: `lane ${lane} had work that was assigned, and stood still for ${waitedMs} ms while nobody led`, position: undefined })
  }
  for (const { stored, commit } of commitsOf(log, 'group')) {
    const { lane, message } = stored
    if (lane === undefined) continue
    judge(lane, message.storedMs)
    const group = groups.get(commit.id) ?? { ...standingOf(lane), jobs: 0, assigned: new Set(), furtherCallsMs: 0 }
    groups.set(commit.id, group)
    for (const event of commit.events as readonly GroupEvent[]) apply(group, event)
    const going = [...groups.values()].filter((one) => one.lane === lane && goesOn(one))
    if (going.length === 0) waits.delete(lane)
    else waits.set(lane, { sinceMs: message.storedMs, mostMs: mostMs + Math.min(...going.map((one) => one.furtherCallsMs)) })
  }
  for (const lane of waits.keys()) judge(lane, Infinity)
  return violations
}

function apply(group: Followed, event: GroupEvent): void {
  followStanding(group, event)
  switch (event.type) {
    case 'GroupOpened':
      group.jobs = event.data.jobs
      return
    case 'JobsAssigned':
      for (const { first, last } of event.data.assignments) for (let job = first; job <= last; job++) group.assigned.add(job)
      return
    case 'JobRetried':
      group.jobs += 1
      return
    case 'CompensationBegun':
      // New jobs, which nobody has been given.
      group.jobs = Infinity
      return
    case 'LockReturned':
      // What was lost or handed back may wait for a leader.
      group.stands = event.data.why === 'lost'
      return
    case 'LockGranted':
      group.stands = false
      group.furtherCallsMs = Math.max(group.furtherCallsMs, (countOf(event.data.jobs) - 1) * event.data.callDeadlineMs)
      return
    default:
  }
}
