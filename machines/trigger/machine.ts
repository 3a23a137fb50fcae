/** Life cycle of a trigger. `evolve.ts` follows this table, `decide.ts` asks it what is possible; what has no transition here faults the trigger. */
import { createMachine } from 'xstate'
import { tableOf } from '../transition-table.ts'
import type { TriggerEventType } from './events.ts'

export type TriggerPhase = 'absent' | 'active' | 'suspended' | 'removed' | 'faulted'

export const triggerMachine = createMachine({
  id: 'trigger',
  initial: 'absent',
  states: {
    absent: { on: { TriggerDefined: 'active' } },
    active: {
      on: {
        TriggerDefined: 'active',
        TriggerDue: 'active',
        TriggerRunStarted: 'active',
        TriggerReported: 'active',
        TriggerSuspended: 'suspended',
        TriggerRemoved: 'removed',
      },
    },
    // Its nominal times are none, and what waits goes on waiting. The run that was started goes on.
    suspended: {
      on: { TriggerDefined: 'suspended', TriggerReported: 'suspended', TriggerResumed: 'active', TriggerRemoved: 'removed' },
    },
    // May be defined again under the same id; its last run may still be going.
    removed: { on: { TriggerDefined: 'active', TriggerReported: 'removed' } },
    // The log broke its order; it can only be removed.
    faulted: { meta: { enteredBy: 'fault (an event that is not possible there)' }, on: { TriggerRemoved: 'removed' } },
  },
})

export const triggerTable = tableOf<TriggerPhase, TriggerEventType>(triggerMachine)
