/** `command`: settling commands whose answer never came (P15). */
import { nothing } from '../../machines/decision.ts'
import { type InstructionState, refuseInstruction } from '../../machines/instruction/instruction.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { writeInstruction } from '../change/instruction-writer.ts'
import { mayStillHappen } from '../change/take.ts'
import type { LaneSender } from '../change/lane-sender.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'

type Settled = { readonly settled: 'carried-out' | 'withdrawn'; readonly group: string | null }

export function commandHandlers(context: ServiceContext, sender: LaneSender): HandlersOf<'command'> {
  const { view } = context

  /** At the lane that would carry it out: known there, or never to be. */
  const settleAt = async (lane: string, command: string, group: string, actor: string): Promise<Settled> => {
    const answer = await sender.send(lane, { group, actor, body: { kind: 'withdraw', withdrawn: command } })
    if (answer.kind === 'no-answer') {
      if (answer.received === 'perhaps') throw mayStillHappen(command)
      throw new ApiFailure('no-lane-yet', `no agent holds lane ${lane}, so command ${command} cannot be settled there: start agents ("reeve agent"), then ask again`, { command })
    }
    if (answer.kind === 'refused') {
      if (answer.code === 'withdrawn') return { settled: 'withdrawn', group: null }
      throw new ApiFailure(errorCodeOf(answer.code), answer.text, { command })
    }
    await view.reached(answer.position)
    const known = view.state.lanes.get(lane)?.commands.get(command)
    // A refusal that is on record is as final as a withdrawal: it was not carried out, and will not be.
    const carriedOut = known !== undefined && !known.withdrawn && known.refused === undefined
    return carriedOut ? { settled: 'carried-out', group: known.aggregate === 'group' ? known.id : null } : { settled: 'withdrawn', group: null }
  }

  return {
    async withdraw({ command, group, actor }) {
      const fold = await view.current()
      if (group !== undefined) {
        const lane = laneOfGroup(group)
        if (lane === undefined) throw new ApiFailure('unknown-group', `${group} is not the id of a group`)
        return { ok: true, command, ...(await settleAt(lane, command, group, actor)) }
      }
      const instruction = await withdrawInstruction(context, command, actor)
      const lanes = instruction.taken === null ? fold.realm.lanes.map(({ lane }) => lane) : [instruction.taken.lane]
      let settled: Settled = { settled: 'withdrawn', group: null }
      for (const lane of lanes) {
        const at = await settleAt(lane, command, `${lane}-${command}`, actor)
        if (at.settled === 'carried-out') settled = at
      }
      return { ok: true, command, ...settled }
    },
  }
}

/** Where it was not taken, it never will be; where it was, its lane settles it. */
async function withdrawInstruction(context: ServiceContext, command: string, actor: string): Promise<InstructionState> {
  const written = await writeInstruction(context, {
    instruction: command,
    decide: (state) =>
      state.refused === null ? refuseInstruction(state, '', 'withdrawn', 'its asker withdrew it') : nothing('it was refused before'),
    actor,
  })
  if (written.kind === 'refused') throw new ApiFailure(errorCodeOf(written.refusal.code), written.refusal.text, { command })
  if (written.kind === 'stopped') throw mayStillHappen(command)
  return written.state
}
