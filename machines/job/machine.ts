/**
 * Life cycle of one job of an execution group. A job's events are events of its group (DESIGN §2); this machine says what
 * each of them does to the job. Exactly one terminal event ends a job (I3).
 */
import { createMachine } from 'xstate'
import { tableOf } from '../transition-table.ts'

export type JobPhase = 'pending' | 'granted' | 'unknown' | 'succeeded' | 'failed' | 'cancelled'

/** What a group's event means for one of its jobs. */
export type JobSignal = 'Granted' | 'Returned' | 'Succeeded' | 'Failed' | 'BecameUnknown' | 'Cancelled'

export const jobMachine = createMachine({
  id: 'job',
  initial: 'pending',
  states: {
    pending: {
      on: {
        Granted: 'granted',
        Cancelled: 'cancelled',
        // The truth of a grant that was closed already may still arrive (P24).
        Succeeded: 'succeeded',
        Failed: 'failed',
      },
    },
    granted: {
      on: { Succeeded: 'succeeded', Failed: 'failed', BecameUnknown: 'unknown', Returned: 'pending' },
    },
    // Not terminal: blocks its group until a late outcome (P24), a person's decision or a cancel (I3).
    unknown: {
      on: { Succeeded: 'succeeded', Failed: 'failed', Cancelled: 'cancelled' },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
  },
})

export const jobTable = tableOf<JobPhase, JobSignal>(jobMachine)
