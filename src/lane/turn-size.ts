/**
 * What goes into a turn, in bytes at most, found without making its JSON wherever that is easily said: a turn is full by these (P16). Ids and
 * actors are plain characters.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { sizeBytes } from '../../machines/execution-group/limits.ts'

/** What a commit that no command led to takes beside its events. */
export function bareCommitBytes(group: string, actor: string): number {
  return 100 + group.length + actor.length
}

export function eventsBytes(events: readonly GroupEvent[]): number {
  let bytes = 0
  for (const event of events) bytes += eventBytes(event)
  return bytes
}

function eventBytes(event: GroupEvent): number {
  switch (event.type) {
    case 'JobSucceeded':
      return (event.data.already === true ? 70 : 56) + numberBytes(event.data.job) + numberBytes(event.data.grant)
    case 'LockGranted': {
      const { jobs, agent, instance, callDeadlineMs } = event.data
      let bytes = 92 + agent.length + instance.length + numberBytes(callDeadlineMs)
      for (const [first, last] of jobs) bytes += 4 + numberBytes(first) + numberBytes(last)
      return bytes
    }
    default:
      return sizeBytes(event) + 1
  }
}

/** Of a whole number from 0 on. */
function numberBytes(value: number): number {
  return value < 1_000_000 ? 6 : 16
}
