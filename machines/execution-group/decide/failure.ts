/** What a failed job does to its group (agents.md "Execution groups"): it stops, it goes on, or what was done is undone. */
import type { GroupEvent } from '../events.ts'
import { groupTable } from '../machine.ts'
import { type GroupState, failurePolicy, runsToCancel, runsToUndo } from '../state.ts'

/** The end of a group whose last job is settled. */
export function ending(state: GroupState): GroupEvent {
  return state.compensation === null ? { type: 'GroupCompleted', data: {} } : { type: 'GroupCompensated', data: {} }
}

/** What stands in the commit behind the failure of the job at the head; `state` is that before the failure. */
export function afterFailure(state: GroupState, job: number): GroupEvent[] {
  const events: GroupEvent[] = []
  switch (failurePolicy(state)) {
    case 'stop':
      if (groupTable.can(state.phase, 'GroupBlocked')) events.push({ type: 'GroupBlocked', data: { job } })
      return events
    case 'continue':
      if (groupTable.can(state.phase, 'GroupUnblocked')) events.push({ type: 'GroupUnblocked', data: {} })
      if (state.position + 1 === state.queued) events.push(ending(state))
      return events
    case 'compensate': {
      const rest = runsToCancel(state, 1)
      if (rest.length > 0) events.push({ type: 'JobsCancelled', data: { jobs: rest } })
      const of = runsToUndo(state.undoable)
      events.push({ type: 'CompensationBegun', data: { job, of } })
      if (of.length === 0) events.push({ type: 'GroupCompensated', data: {} })
      return events
    }
  }
}
