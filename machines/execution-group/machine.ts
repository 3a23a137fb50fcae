/**
 * Life cycle of an execution group. Its events are facts of the log; `evolve.ts` follows this table and nothing else, and
 * `decide/` asks it what is possible. What has no transition here puts the group into `faulted`.
 */
import { createMachine } from 'xstate'
import { tableOf } from '../transition-table.ts'
import type { GroupEventType } from './events.ts'

export type GroupPhase =
  | 'absent'
  | 'opening'
  | 'running'
  | 'blocked'
  | 'cancelling'
  | 'completed'
  | 'cancelled'
  | 'abandoned'
  | 'faulted'

export const groupMachine = createMachine({
  id: 'execution-group',
  initial: 'absent',
  states: {
    absent: { on: { GroupOpened: 'opening' } },
    // Parts arrive (P14); nothing is granted or reported as accepted before the last.
    opening: { on: { JobsAdded: 'opening', GroupSealed: 'running', GroupAbandoned: 'abandoned' } },
    running: {
      on: {
        JobsAssigned: 'running',
        LockGranted: 'running',
        LockReturned: 'running',
        JobSucceeded: 'running',
        JobFailed: 'running',
        JobUnknown: 'running',
        GroupBlocked: 'blocked',
        GroupCancelRequested: 'cancelling',
        GroupCompleted: 'completed',
      },
    },
    // A failed job, or one whose outcome is not known, stops its group.
    blocked: {
      on: {
        JobsAssigned: 'blocked',
        JobSucceeded: 'blocked',
        JobFailed: 'blocked',
        JobResolved: 'blocked',
        JobRetried: 'blocked',
        GroupUnblocked: 'running',
        GroupCancelRequested: 'cancelling',
      },
    },
    // Pending jobs are cancelled at once; the one in flight ends by its outcome or by I9 (P25).
    cancelling: {
      on: {
        JobsCancelled: 'cancelling',
        JobSucceeded: 'cancelling',
        JobFailed: 'cancelling',
        JobUnknown: 'cancelling',
        LockReturned: 'cancelling',
        GroupCancelled: 'cancelled',
      },
    },
    completed: { type: 'final' },
    cancelled: { type: 'final' },
    abandoned: { type: 'final' },
    // The log broke the order; only a cancel is taken, and it ends the group as it stands.
    faulted: { meta: { enteredBy: 'fault (an event that is not possible there)' }, on: { GroupCancelled: 'cancelled' } },
  },
})

export const groupTable = tableOf<GroupPhase, GroupEventType>(groupMachine)

const sealedPhases = phasesFrom(groupTable.next('opening', 'GroupSealed')!)

/** The group was opened whole (P14), whatever became of it since. */
export function wasSealed(phase: GroupPhase): boolean {
  return sealedPhases.has(phase)
}

function phasesFrom(first: GroupPhase): ReadonlySet<GroupPhase> {
  const phases = new Set([first])
  // A set that grows while it is walked is walked to its new end.
  for (const phase of phases) {
    for (const event of groupTable.events) {
      const next = groupTable.next(phase, event)
      if (next !== undefined) phases.add(next)
    }
  }
  return phases
}
