/** Changes of a trigger's definition, by people through a service (DESIGN §5 "Triggers"). */
import { type Decision, nothing } from '../../machines/decision.ts'
import type { TriggerEvent } from '../../machines/trigger/events.ts'
import { type TriggerState, absentTrigger, foldTrigger } from '../../machines/trigger/evolve.ts'
import { type AggregateWritten, writeAggregate } from '../realm/aggregate-writer.ts'
import { type TriggerWriting, decideDueTimes, dueAfter } from './due.ts'

/** More than a definition's change leaves due in any sensible time: who asks is told to repeat it. */
const decisionsInARow = 100_000

export interface DefinitionChange {
  readonly trigger: string
  /** `nowMs`: the time from which the change counts. */
  readonly decide: (state: TriggerState, nowMs: number) => Decision<TriggerEvent>
  /** Who asked; what is due before is decided by the actor of `TriggerWriting`. */
  readonly actor: string
  readonly command?: string | undefined
}

/**
 * What is due by the definition as it stands is decided first, up to the very time from which the change counts: no nominal time is
 * lost to it, and none is decided twice. Throws as `writeAggregate`.
 */
export async function writeDefinition(writing: TriggerWriting, { trigger, decide, actor, command }: DefinitionChange): Promise<AggregateWritten<TriggerState>> {
  const { coordinator, clock, random, subjects, view, signal } = writing
  for (;;) {
    await view.current()
    const nowMs = clock.nowMs()
    if (await decideDueTimes(writing, trigger, nowMs, decisionsInARow)) {
      return { kind: 'refused', refusal: { code: 'stale', text: `trigger ${trigger} has too many nominal times to decide; ask again` } }
    }
    let changedBetween = false
    const written = await writeAggregate<TriggerState, TriggerEvent>(
      { log: coordinator.log, clock, random, signal },
      {
        subject: subjects.aggregate('trigger', trigger),
        aggregate: 'trigger',
        id: trigger,
        empty: absentTrigger(trigger),
        fold: foldTrigger,
        decide: (state) => {
          const dueMs = dueAfter(state)
          changedBetween = dueMs !== undefined && dueMs <= nowMs
          return changedBetween ? nothing('somebody else changed it, and left times that are due') : decide(state, nowMs)
        },
        actor,
        format: view.state.realm.format,
        command,
      },
    )
    if (!changedBetween) return written
  }
}
