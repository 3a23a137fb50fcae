/** Deciding nominal times, one commit each (DESIGN §5 "Triggers"). By the leader; by a service for what is due before a change of the definition. */
import { decideDue, reportRun, startWaiting } from '../../machines/trigger/decide.ts'
import type { Reported, TriggerEvent } from '../../machines/trigger/events.ts'
import { type TriggerRun, type TriggerState, absentTrigger } from '../../machines/trigger/evolve.ts'
import { type Decision, nothing } from '../../machines/decision.ts'
import { ulidFromCause } from '../../streams/codec.ts'
import { type NextCommit, type ViewWriterContext, type ViewWritten, writeFromView } from '../realm/view-writer.ts'
import type { RealmFold } from '../realm/view.ts'
import { nextNominalTime } from './nominal-times.ts'
import { isGoing } from './run-standing.ts'

export interface TriggerWriting extends ViewWriterContext {
  readonly actor: string
  /** Of the leader, where it is the leader who writes. */
  readonly epoch?: number
}

/** Ordinals of command ids made from a cause on a trigger (P15, docs/wire.md). */
export const commandOrdinal = { run: 0, cancel: 1 } as const

/**
 * Decides every nominal time that is not later than `untilMs`, at most `limit`; true where more are left. Whoever else decides one at
 * the same time: the log takes one of the two. Throws as `writeFromView`.
 */
export async function decideDueTimes(writing: TriggerWriting, trigger: string, untilMs: number, limit: number): Promise<boolean> {
  for (let decided = 0; ; decided++) {
    const state = writing.view.state.triggers.get(trigger)
    const atMs = state === undefined ? undefined : dueAfter(state)
    if (atMs === undefined || atMs > untilMs || writing.signal.aborted) return false
    if (decided >= limit) return true
    const written = await writeTrigger(writing, trigger, (now, fold, next) => {
      // The definition may be another one since, and its next time earlier or later than what was due by the one before.
      if (dueAfter(now) !== atMs) return nothing(`trigger ${trigger} has another next nominal time`)
      return decideDue(now, { atMs, nowMs: writing.clock.nowMs(), going: isGoing(fold, now), command: runCommand(trigger, next) })
    })
    if (written.kind === 'stopped' || written.kind === 'refused') return false
  }
}

/** The next nominal time that is to be decided, past or to come; undefined where none is. */
export function dueAfter(state: TriggerState): number | undefined {
  return state.definition === null || state.phase !== 'active' ? undefined : nextNominalTime(state.definition.when, state.decidedMs)
}

/** Starts the first that waits, where the run before has ended. */
export function startNextWaiting(writing: TriggerWriting, trigger: string): Promise<ViewWritten> {
  return writeTrigger(writing, trigger, (state, fold, next) => startWaiting(state, { going: isGoing(fold, state), command: runCommand(trigger, next) }))
}

export function writeReport(writing: TriggerWriting, trigger: string, run: TriggerRun, what: Reported, text?: string): Promise<ViewWritten> {
  return writeTrigger(writing, trigger, (state) => reportRun(state, run.command, what, text))
}

function writeTrigger(
  writing: TriggerWriting,
  trigger: string,
  decide: (state: TriggerState, fold: RealmFold, next: NextCommit) => Decision<TriggerEvent>,
): Promise<ViewWritten> {
  const { actor, epoch } = writing
  return writeFromView<TriggerEvent>(writing, {
    aggregate: 'trigger',
    id: trigger,
    revision: (fold) => fold.triggers.get(trigger)?.revision ?? 0,
    decide: (fold, next) => decide(fold.triggers.get(trigger) ?? absentTrigger(trigger), fold, next),
    actor,
    ...(epoch === undefined ? {} : { epoch }),
  })
}

function runCommand(trigger: string, { timeMs, revision }: NextCommit): string {
  return ulidFromCause(timeMs, { aggregate: 'trigger', id: trigger, revision }, commandOrdinal.run)
}
