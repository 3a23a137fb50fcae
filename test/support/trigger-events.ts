/** Short names for events of a trigger in specifications. */
import type { TriggerDefinition } from '../../machines/trigger/definition.ts'
import type { Reported, TriggerEvent, Verdict, VerdictCause } from '../../machines/trigger/events.ts'
import { absentTrigger, foldTrigger } from '../../machines/trigger/evolve.ts'
import { specification } from './decider-specification.ts'

/** Time of every turn in specifications. */
export const turnMs = 5_000

export const given = specification({
  empty: () => absentTrigger('nightly'),
  fold: (state, event: TriggerEvent) => foldTrigger(state, event, turnMs),
  fault: (state) => state.fault ?? undefined,
})

export const change = { selector: { sites: ['east'] }, operation: { name: 'start' as const } }
export const otherChange = { selector: { sites: ['east'] }, operation: { name: 'maintenance-on' as const } }

export const definition = {
  name: 'a trigger',
  change,
  when: { cron: { pattern: '0 2 * * *', zone: 'Europe/Berlin' } },
  missed: { action: 'run-now', graceMs: 1_000 },
  overlap: { action: 'skip' },
} as const satisfies TriggerDefinition

export const defined = (more: Partial<TriggerDefinition> = {}, sinceMs = 0): TriggerEvent => ({ type: 'TriggerDefined', data: { ...definition, ...more, sinceMs } })
export const removed: TriggerEvent = { type: 'TriggerRemoved', data: {} }
export const suspended: TriggerEvent = { type: 'TriggerSuspended', data: {} }
export const resumed = (sinceMs: number): TriggerEvent => ({ type: 'TriggerResumed', data: { sinceMs } })
export const due = (atMs: number, verdict: Verdict, more: { why?: VerdictCause; alternate?: true; command?: string } = {}): TriggerEvent => ({
  type: 'TriggerDue',
  data: { atMs, verdict, ...more },
})
export const started = (atMs: number, command: string): TriggerEvent => ({ type: 'TriggerRunStarted', data: { atMs, command } })
export const reported = (atMs: number, what: Reported, text?: string): TriggerEvent => ({
  type: 'TriggerReported',
  data: { atMs, what, ...(text === undefined ? {} : { text }) },
})
