/** What may be recorded of a trigger: people define it, the leader decides its nominal times and reports on its runs. */
import { cutText, textLimitBytes } from '../execution-group/limits.ts'
import { type Decision, happened, nothing, refused } from '../decision.ts'
import { type TriggerDefinition, definitionFault } from './definition.ts'
import type { Reported, TriggerEvent, Verdict, VerdictCause } from './events.ts'
import type { TriggerState } from './evolve.ts'
import { triggerTable } from './machine.ts'

/**
 * Also changes what is defined. `sinceMs`: from when on its nominal times count, the clock of who asks; what was due by the definition
 * before, up to then, has been decided (`decideDue`).
 */
export function defineTrigger(state: TriggerState, definition: TriggerDefinition, sinceMs: number): Decision<TriggerEvent> {
  if (!triggerTable.can(state.phase, 'TriggerDefined')) return refused('wrong-state', faulted(state))
  const fault = definitionFault(definition)
  if (fault !== undefined) return refused('malformed', fault)
  if (state.definition !== null && JSON.stringify(state.definition) === JSON.stringify(definition)) return nothing(`trigger ${state.trigger} is defined so already`)
  const known = new Set(state.definition?.when.atMs)
  const past = definition.when.atMs?.find((atMs) => atMs <= sinceMs && !known.has(atMs))
  if (past !== undefined) return refused('malformed', `the once-at time ${past} lies ${sinceMs - past} ms in the past: give one that is still to come`)
  return happened({ type: 'TriggerDefined', data: { ...definition, sinceMs } })
}

/** What waits is dropped with it; a run that was started goes on. */
export function removeTrigger(state: TriggerState): Decision<TriggerEvent> {
  if (!triggerTable.can(state.phase, 'TriggerRemoved')) return unknown(state)
  return happened({ type: 'TriggerRemoved', data: {} })
}

export function suspendTrigger(state: TriggerState): Decision<TriggerEvent> {
  if (triggerTable.can(state.phase, 'TriggerSuspended')) return happened({ type: 'TriggerSuspended', data: {} })
  return triggerTable.can(state.phase, 'TriggerResumed') ? nothing(`trigger ${state.trigger} is suspended already`) : unknown(state)
}

export function resumeTrigger(state: TriggerState, sinceMs: number): Decision<TriggerEvent> {
  if (triggerTable.can(state.phase, 'TriggerResumed')) return happened({ type: 'TriggerResumed', data: { sinceMs } })
  return triggerTable.can(state.phase, 'TriggerSuspended') ? nothing(`trigger ${state.trigger} is not suspended`) : unknown(state)
}

export interface DueTime {
  /** Nominal: of the definition. */
  readonly atMs: number
  readonly nowMs: number
  /** The run that was started last has not ended, as far as who decides has seen. */
  readonly going: boolean
  /** Made from the event that this decision would be (P15). */
  readonly command: string
}

/** One event a nominal time, whoever decides it and how often: what is decided is `nothing` for everybody else. */
export function decideDue(state: TriggerState, { atMs, nowMs, going, command }: DueTime): Decision<TriggerEvent> {
  const { definition } = state
  if (definition === null || !triggerTable.can(state.phase, 'TriggerDue')) return nothing(`trigger ${state.trigger} is ${state.phase}`)
  if (atMs <= state.decidedMs) return nothing(`trigger ${state.trigger} decided ${atMs} before`)
  const due = (verdict: Verdict, why?: VerdictCause, more: { readonly alternate?: true; readonly command?: string } = {}) =>
    happened<TriggerEvent>({ type: 'TriggerDue', data: { atMs, verdict, ...(why === undefined ? {} : { why }), ...more } })
  const { missed, overlap } = definition
  const late = nowMs - atMs > missed.graceMs
  if (late && (missed.action === 'skip' || missed.action === 'fail')) return due(missed.action, 'missed')
  const alternate = late && missed.action === 'alternate'
  if (!going && state.waiting.length === 0) return due(alternate ? 'alternate' : 'run', late ? 'missed' : undefined, { command })
  switch (overlap.action) {
    case 'skip':
      return due('skip', 'overlap')
    case 'queue':
      if (state.waiting.length >= (overlap.limit ?? 0)) return due('skip', 'full')
      return due('queue', 'overlap', alternate ? { alternate } : {})
    case 'replace':
      return due('replace', 'overlap', alternate ? { alternate } : {})
  }
}

/** The first that waits starts when the run before has ended. */
export function startWaiting(state: TriggerState, { going, command }: Pick<DueTime, 'going' | 'command'>): Decision<TriggerEvent> {
  const [first] = state.waiting
  if (first === undefined || going || !triggerTable.can(state.phase, 'TriggerRunStarted')) return nothing(`trigger ${state.trigger} has nothing to start`)
  return happened({ type: 'TriggerRunStarted', data: { atMs: first.atMs, command } })
}

/** Each once a run, and only of the run that was started last. */
export function reportRun(state: TriggerState, command: string, what: Reported, text?: string): Decision<TriggerEvent> {
  const { running } = state
  if (running === null || running.command !== command || running.reported.includes(what)) return nothing(`nothing to report of ${command}`)
  if (!triggerTable.can(state.phase, 'TriggerReported')) return nothing(`trigger ${state.trigger} is ${state.phase}`)
  return happened({ type: 'TriggerReported', data: { atMs: running.atMs, what, ...(text === undefined ? {} : { text: cutText(text, textLimitBytes) }) } })
}

function unknown(state: TriggerState): Decision<TriggerEvent> {
  return refused('unknown-trigger', `there is no trigger ${state.trigger}; "reeve trigger list" shows those that are`)
}

function faulted(state: TriggerState): string {
  return `trigger ${state.trigger} is faulted at revision ${state.fault?.revision} (${state.fault?.event}): remove it, then define it anew`
}
