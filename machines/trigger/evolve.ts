/**
 * State of one trigger, folded from its events. Total: what it cannot accept puts it into `faulted`.
 *
 * 1. `decidedMs` rises: every nominal time up to it is decided, by one `TriggerDue` or by a definition that came later.
 * 2. At most one run goes on: `running` is the last that was started; whether it has ended, its group says.
 * 3. Bounded: at most `waitingLimit` wait, the last `recentLimit` nominal times are remembered.
 */
import type { Monitoring, TriggerDefinition, TriggeredChange } from './definition.ts'
import type { Reported, TriggerEvent, Verdict, VerdictCause } from './events.ts'
import { type TriggerPhase, triggerTable } from './machine.ts'

/** By the definition of its own nominal time, whatever became of the trigger since. */
export interface RunTerms {
  readonly atMs: number
  readonly name: string
  readonly change: TriggeredChange
  readonly priority: number
  readonly monitoring: Monitoring | null
}

export interface TriggerRun extends RunTerms {
  readonly command: string
  /** Revision of the event that holds the command: the cause of the run. */
  readonly cause: number
  readonly startedMs: number
  reported: readonly Reported[]
  /** Revision and time of the `TriggerDue` that replaces it: the cause of its cancelling. */
  replaced: { readonly cause: number; readonly timeMs: number } | null
}

export interface DecidedTime {
  readonly atMs: number
  readonly verdict: Verdict
  readonly why: VerdictCause | null
  /** Of its run, once it was started. */
  command: string | null
  reported: readonly { readonly what: Reported; readonly text: string | null }[]
}

export interface TriggerState {
  readonly trigger: string
  revision: number
  phase: TriggerPhase
  definition: TriggerDefinition | null
  decidedMs: number
  running: TriggerRun | null
  waiting: readonly RunTerms[]
  /** The latest last. */
  recent: readonly DecidedTime[]
  fault: { readonly revision: number; readonly event: string } | null
}

export const recentLimit = 50

export function absentTrigger(trigger: string): TriggerState {
  return { trigger, revision: 0, phase: 'absent', definition: null, decidedMs: 0, running: null, waiting: [], recent: [], fault: null }
}

/** It is active, and some time is still to come, or a run waits. */
export function mayRun({ phase, definition, decidedMs, waiting }: TriggerState): boolean {
  if (phase !== 'active' || definition === null) return false
  const { atMs = [], cron } = definition.when
  return cron !== undefined || waiting.length > 0 || atMs.some((time) => time > decidedMs)
}

/** In place. `timeMs` is that of the turn. Never throws for what stands in a log. */
export function foldTrigger(state: TriggerState, event: TriggerEvent, timeMs: number): void {
  state.revision += 1
  const next = triggerTable.next(state.phase, event.type)
  if (next === undefined) return breakOff(state, event)
  try {
    apply(state, event, timeMs, next)
  } catch (error) {
    // What cannot even be read.
    if (!(error instanceof TypeError)) throw error
    breakOff(state, event)
  }
}

function apply(state: TriggerState, event: TriggerEvent, timeMs: number, next: TriggerPhase): void {
  switch (event.type) {
    case 'TriggerDefined': {
      const { sinceMs, ...definition } = event.data
      state.definition = definition
      state.decidedMs = Math.max(state.decidedMs, sinceMs)
      break
    }
    case 'TriggerRemoved':
      state.definition = null
      state.waiting = []
      state.fault = null
      break
    case 'TriggerSuspended':
      break
    case 'TriggerResumed':
      state.decidedMs = Math.max(state.decidedMs, event.data.sinceMs)
      break
    case 'TriggerDue':
      if (!takeDue(state, event.data, timeMs)) return breakOff(state, event)
      break
    case 'TriggerRunStarted': {
      const { atMs, command } = event.data
      const terms = state.waiting.find((waiting) => waiting.atMs === atMs)
      if (terms === undefined) return breakOff(state, event)
      state.waiting = state.waiting.filter((waiting) => waiting !== terms)
      state.running = startedRun(state, terms, command, timeMs)
      state.recent = state.recent.map((decided) => (decided.atMs === atMs ? { ...decided, command } : decided))
      break
    }
    case 'TriggerReported': {
      const { atMs, what, text } = event.data
      if (state.running?.atMs === atMs) state.running = { ...state.running, reported: [...state.running.reported, what] }
      state.recent = state.recent.map((decided) =>
        decided.atMs === atMs ? { ...decided, reported: [...decided.reported, { what, text: text ?? null }] } : decided,
      )
      break
    }
    default: {
      const unknown: never = event
      return breakOff(state, unknown)
    }
  }
  state.phase = next
}

function takeDue(state: TriggerState, due: Extract<TriggerEvent, { type: 'TriggerDue' }>['data'], timeMs: number): boolean {
  const { atMs, verdict, why, command } = due
  const { definition } = state
  if (definition === null || atMs <= state.decidedMs) return false
  const alternate = verdict === 'alternate' || due.alternate === true
  const change = alternate ? definition.missed.change : definition.change
  const starts = verdict === 'run' || verdict === 'alternate'
  if (starts !== (command !== undefined) || change === undefined) return false
  const { name, priority = 0, monitoring = null } = definition
  const terms: RunTerms = { atMs, name, change, priority, monitoring }
  if (verdict === 'queue') state.waiting = [...state.waiting, terms]
  if (verdict === 'replace') {
    state.waiting = [terms]
    if (state.running !== null) state.running = { ...state.running, replaced: state.running.replaced ?? { cause: state.revision, timeMs } }
  }
  if (command !== undefined) state.running = startedRun(state, terms, command, timeMs)
  state.decidedMs = atMs
  state.recent = [...state.recent.slice(1 - recentLimit), { atMs, verdict, why: why ?? null, command: command ?? null, reported: [] }]
  return true
}

function startedRun(state: TriggerState, terms: RunTerms, command: string, startedMs: number): TriggerRun {
  return { ...terms, command, cause: state.revision, startedMs, reported: [], replaced: null }
}

function breakOff(state: TriggerState, event: { readonly type: string }): void {
  state.fault ??= { revision: state.revision, event: event.type }
  state.phase = 'faulted'
}

/** Ended without a group: it could not be opened, or there was nothing to do. */
export function endedWithoutGroup(run: TriggerRun): boolean {
  return run.reported.includes('refused') || run.reported.includes('unchanged')
}
