/** Where a group stands, followed by its events alone: what it is judged by whether it goes on. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'

export interface GroupStanding {
  readonly lane: string
  sealed: boolean
  ended: boolean
  /** Nothing of it goes on by itself. */
  stands: boolean
}

export function standingOf(lane: string): GroupStanding {
  return { lane, sealed: false, ended: false, stands: false }
}

export function followStanding(group: GroupStanding, { type }: GroupEvent): void {
  switch (type) {
    case 'GroupSealed':
      group.sealed = true
      return
    case 'GroupBlocked':
    case 'GroupPaused':
      group.stands = true
      return
    case 'GroupUnblocked':
    case 'GroupResumed':
      group.stands = false
      return
    case 'GroupCompleted':
    case 'GroupCancelled':
    case 'GroupAbandoned':
    case 'GroupCompensated':
      group.ended = true
      return
    default:
  }
}
