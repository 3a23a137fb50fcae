/** What has become of a run: a projection of the log (trigger, instruction, group), made anew whenever it is asked for (I11). */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { InstructionState } from '../../machines/instruction/instruction.ts'
import { type TriggerRun, type TriggerState, endedWithoutGroup } from '../../machines/trigger/evolve.ts'
import { groupId } from '../../streams/subjects.ts'
import type { RealmFold } from '../realm/view.ts'

/** Of `InstructionRefused`, where nothing was to be done. */
export const unchangedCode = 'unchanged'

export type RunStanding =
  /** Nobody has made an instruction of it yet. */
  | { readonly kind: 'to-plan' }
  /** Its instruction was taken; its group is not whole yet. `exists`: the lane has some of it. */
  | { readonly kind: 'opening'; readonly taken: NonNullable<InstructionState['taken']>; readonly group: string; readonly exists: boolean }
  | { readonly kind: 'going'; readonly group: GroupState; readonly blocked: boolean }
  | { readonly kind: 'ended'; readonly how: 'succeeded' | 'failed' | 'refused' | 'unchanged'; readonly group: string | null; readonly text: string }

export function standingOf(fold: RealmFold, run: TriggerRun): RunStanding {
  if (endedWithoutGroup(run)) return { kind: 'ended', how: run.reported.includes('refused') ? 'refused' : 'unchanged', group: null, text: '' }
  const instruction = fold.instructions.get(run.command)
  if (instruction?.refused != null) {
    const { code, why } = instruction.refused
    return { kind: 'ended', how: code === unchangedCode ? 'unchanged' : 'refused', group: null, text: why }
  }
  const taken = instruction?.taken ?? null
  if (taken === null) return { kind: 'to-plan' }
  const id = groupId(taken.lane, run.command)
  const group = fold.group(id)
  if (group === undefined) {
    const answered = fold.lanes.get(taken.lane)?.commands.get(run.command)
    if (answered?.withdrawn === true) return { kind: 'ended', how: 'refused', group: null, text: `command ${run.command} was withdrawn` }
    if (answered?.refused !== undefined) return { kind: 'ended', how: 'refused', group: null, text: answered.refused.text }
    return { kind: 'opening', taken, group: id, exists: false }
  }
  if (groupTable.isFinal(group.phase)) {
    // What failed and was retried is settled by its retry; in a group that goes on after a failure, others are not.
    const whole = group.phase === 'completed' && group.failed.every(({ job }) => group.retries.some(({ retryOf }) => retryOf === job))
    return { kind: 'ended', how: whole ? 'succeeded' : 'failed', group: id, text: whole ? '' : `group ${id} is ${group.phase}${group.failed.length === 0 ? '' : ', not all its jobs succeeded'}` }
  }
  if (groupTable.can(group.phase, 'GroupSealed')) return { kind: 'opening', taken, group: id, exists: true }
  return { kind: 'going', group, blocked: groupTable.can(group.phase, 'GroupUnblocked') }
}

/** The run that was started last has not ended, as far as this view has seen. */
export function isGoing(fold: RealmFold, state: TriggerState): boolean {
  return state.running !== null && standingOf(fold, state.running).kind !== 'ended'
}
