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
  | 'paused'
  | 'compensating'
  | 'compensation-blocked'
  | 'compensation-paused'
  | 'cancelling'
  | 'completed'
  | 'compensated'
  | 'cancelled'
  | 'abandoned'
  | 'faulted'

export const groupMachine = createMachine({
  id: 'execution-group',
  initial: 'absent',
  states: {
    absent: { on: { GroupOpened: 'opening' } },
    // Parts arrive (P14); nothing is granted or reported as accepted before the last. A proposal stands before the seal.
    opening: { on: { JobsAdded: 'opening', JobsAssigned: 'opening', GroupSealed: 'running', GroupAbandoned: 'abandoned' } },
    running: {
      on: {
        JobsAssigned: 'running',
        LockGranted: 'running',
        LockReturned: 'running',
        JobSucceeded: 'running',
        JobFailed: 'running',
        JobUnknown: 'running',
        JobsCancelled: 'running',
        GroupPrioritized: 'running',
        GroupBlocked: 'blocked',
        GroupPaused: 'paused',
        CompensationBegun: 'compensating',
        GroupCancelRequested: 'cancelling',
        GroupCompleted: 'completed',
      },
    },
    // A failed job, or one whose outcome is not known, stops its group. Without order others may be in flight still.
    blocked: {
      on: {
        JobsAssigned: 'blocked',
        LockReturned: 'blocked',
        JobSucceeded: 'blocked',
        JobFailed: 'blocked',
        JobUnknown: 'blocked',
        JobResolved: 'blocked',
        JobRetried: 'blocked',
        JobsCancelled: 'blocked',
        GroupPrioritized: 'blocked',
        GroupUnblocked: 'running',
        GroupPaused: 'paused',
        CompensationBegun: 'compensating',
        GroupCancelRequested: 'cancelling',
      },
    },
    // Nothing is granted; what is in flight ends by its outcome or by I9. What stops the group meanwhile blocks it when it is resumed.
    paused: {
      on: {
        JobsAssigned: 'paused',
        LockReturned: 'paused',
        JobSucceeded: 'paused',
        JobFailed: 'paused',
        JobUnknown: 'paused',
        JobResolved: 'paused',
        JobRetried: 'paused',
        JobsCancelled: 'paused',
        GroupPrioritized: 'paused',
        GroupResumed: 'running',
        CompensationBegun: 'compensation-paused',
        GroupCancelRequested: 'cancelling',
        GroupCompleted: 'completed',
      },
    },
    // What succeeded is undone, one job after another.
    compensating: {
      on: {
        JobsAssigned: 'compensating',
        LockGranted: 'compensating',
        LockReturned: 'compensating',
        JobSucceeded: 'compensating',
        JobFailed: 'compensating',
        JobUnknown: 'compensating',
        GroupPrioritized: 'compensating',
        GroupBlocked: 'compensation-blocked',
        GroupPaused: 'compensation-paused',
        GroupCancelRequested: 'cancelling',
        GroupCompensated: 'compensated',
      },
    },
    'compensation-blocked': {
      on: {
        JobsAssigned: 'compensation-blocked',
        JobSucceeded: 'compensation-blocked',
        JobFailed: 'compensation-blocked',
        JobResolved: 'compensation-blocked',
        JobRetried: 'compensation-blocked',
        GroupPrioritized: 'compensation-blocked',
        GroupUnblocked: 'compensating',
        GroupPaused: 'compensation-paused',
        GroupCancelRequested: 'cancelling',
      },
    },
    'compensation-paused': {
      on: {
        JobsAssigned: 'compensation-paused',
        LockReturned: 'compensation-paused',
        JobSucceeded: 'compensation-paused',
        JobFailed: 'compensation-paused',
        JobUnknown: 'compensation-paused',
        JobResolved: 'compensation-paused',
        JobRetried: 'compensation-paused',
        GroupPrioritized: 'compensation-paused',
        GroupResumed: 'compensating',
        GroupCancelRequested: 'cancelling',
        GroupCompensated: 'compensated',
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
    compensated: { type: 'final' },
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
