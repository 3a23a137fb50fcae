/**
 * What goes into a turn, in bytes at most, found without making its JSON wherever that is easily said: a turn is full by these (P16). Ids and
 * actors are plain characters, but those of a command, which are of whoever sent it.
 */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { mostBytes, sizeBytes } from '../../machines/execution-group/limits.ts'
import type { LaneCommand } from '../../streams/lane-protocol.ts'

/** What a commit of a command takes without its events, generously; only names that no program of ours makes take more. */
export const commandBytes = 700
/** Without actor, cause and correlation. */
const unnamedBytes = 300

export function commandCommitBytes({ actor, cause, correlation }: Pick<LaneCommand, 'actor' | 'cause' | 'correlation'>): number {
  return Math.max(commandBytes, unnamedBytes + mostBytes(actor) + mostBytes(cause) + mostBytes(correlation))
}

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
