/** Events of a trigger, as they stand in the log: for ever (docs/wire.md "Triggers"). Since format 2. */
import type { ReportedOnWish, TriggerDefinition } from './definition.ts'

export type Verdict = 'run' | 'alternate' | 'skip' | 'fail' | 'queue' | 'replace'
/** missed: decided later than its grace. overlap: the run before had not ended. full: as many waited as may. */
export type VerdictCause = 'missed' | 'overlap' | 'full'
/** `refused` and `unchanged` end a run that has no group. */
export type Reported = ReportedOnWish | 'refused' | 'unchanged'

export type TriggerEvent =
  /** Nominal times at or before `sinceMs` are not due by it. */
  | { readonly type: 'TriggerDefined'; readonly data: TriggerDefinition & { readonly sinceMs: number } }
  | { readonly type: 'TriggerRemoved'; readonly data: Record<string, never> }
  | { readonly type: 'TriggerSuspended'; readonly data: Record<string, never> }
  | { readonly type: 'TriggerResumed'; readonly data: { readonly sinceMs: number } }
  /** What becomes of one nominal time; `atMs` rises strictly. */
  | {
      readonly type: 'TriggerDue'
      readonly data: {
        readonly atMs: number
        readonly verdict: Verdict
        readonly why?: VerdictCause
        readonly alternate?: true
        /** Of the run, made from this very event (P15); with `run` and `alternate`. */
        readonly command?: string
      }
    }
  | { readonly type: 'TriggerRunStarted'; readonly data: { readonly atMs: number; readonly command: string } }
  | { readonly type: 'TriggerReported'; readonly data: { readonly atMs: number; readonly what: Reported; readonly text?: string } }

export type TriggerEventType = TriggerEvent['type']
