/** A planned change becomes an instruction (P13): from then on every service and the leader carry on the very same plan. */
import { counted } from '../../machines/counted.ts'
import { type InstructionState, type InstructionTerms, takeInstruction } from '../../machines/instruction/instruction.ts'
import type { FailurePolicy } from '../../machines/execution-group/events.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import type { Cause } from '../../streams/envelope.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { ViewWriterContext } from '../realm/view-writer.ts'
import { writeInstruction } from './instruction-writer.ts'
import type { LaneLoads } from './lane-loads.ts'
import type { RunMode } from './mode.ts'
import type { ChangePlan } from './plan.ts'
import type { AskedOrder } from './predicates.ts'

export interface TakeContext extends ViewWriterContext {
  readonly coordinator: Pick<Coordinator, 'log' | 'bus' | 'texts'>
  readonly loads: LaneLoads
}

export interface ChangeToTake {
  readonly command: string
  readonly mode: RunMode
  readonly actor: string
  readonly name?: string | undefined
  /** In the asker's words; made of the plan where absent. */
  readonly text?: string | undefined
  readonly window: number
  readonly distributionFactor: number
  /** Of a change that a trigger asks for. */
  readonly cause?: Cause
  readonly epoch?: number
  readonly trigger?: InstructionTerms['trigger']
  readonly priority?: number
  readonly order?: AskedOrder
  readonly agents?: InstructionTerms['agents'] | undefined
  readonly onFailure?: FailurePolicy
}

/**
 * Fixes lane and plan before the first attempt; whoever was first is followed (`known`). The view holds it when this resolves: the
 * opener reads there who asked. Throws `ApiFailure` (`no-lane-yet`, `may-still-happen`, what the instruction was refused for) and `Unavailable`.
 */
export async function takeChange(
  context: TakeContext,
  change: ChangeToTake,
  plan: ChangePlan,
): Promise<{ readonly state: InstructionState; readonly known: boolean }> {
  const { command } = change
  const lane = context.loads.choose(command, plan.jobs.map(({ spec }) => spec))
  if (lane === undefined) throw new ApiFailure('no-lane-yet', 'no agent holds a lane yet, so nothing was written: start agents ("reeve agent"), then ask again', { command })
  try {
    const taken = await takeIn(context, lane, change, plan)
    if (taken.state.taken?.lane !== lane) context.loads.forget(lane, command)
    return taken
  } catch (error) {
    context.loads.forget(lane, command)
    throw error
  }
}

async function takeIn(context: TakeContext, lane: string, change: ChangeToTake, plan: ChangePlan): Promise<{ readonly state: InstructionState; readonly known: boolean }> {
  const { command, mode, name, window, distributionFactor, actor, cause, epoch, trigger } = change
  await context.coordinator.texts.put(plan.bytes)
  const text = change.text ?? name ?? summaryOf(plan)
  const terms: InstructionTerms = {
    ...(name === undefined ? {} : { name }),
    ...(window === 1 ? {} : { window }),
    ...(distributionFactor === 100 ? {} : { distributionFactor }),
    ...(mode === 'jobs' ? {} : { mode }),
    ...(change.priority === undefined || change.priority === 0 ? {} : { priority: change.priority }),
    ...(change.order === undefined || change.order === 'strict' ? {} : { order: change.order === 'none' ? ('none' as const) : ('graph' as const) }),
    ...(change.agents === undefined ? {} : { agents: change.agents }),
    ...(change.onFailure === undefined || change.onFailure === 'stop' ? {} : { onFailure: change.onFailure }),
    ...(trigger === undefined ? {} : { trigger }),
  }
  const written = await writeInstruction(context, {
    instruction: command,
    command,
    decide: (state) => takeInstruction(state, lane, plan.digest, text, terms),
    actor,
    cause,
    epoch,
  })
  if (written.kind === 'refused') throw new ApiFailure(errorCodeOf(written.refusal.code), written.refusal.text)
  if (written.kind === 'stopped') throw mayStillHappen(command)
  return { state: written.state, known: written.kind === 'nothing' }
}

export function mayStillHappen(command: string): ApiFailure {
  return new ApiFailure(
    'may-still-happen',
    `no answer in time, it may still happen: ask again with command id ${command}, or settle it with "reeve command withdraw ${command}"`,
    { command },
  )
}

function summaryOf(plan: ChangePlan): string {
  const sites = plan.sites.filter((site) => site.jobs > 0)
  const where = sites.length === 1 ? `site ${sites[0]!.site}` : counted(sites.length, 'site')
  return `${plan.operation.name} ${plan.jobs.length} ${plan.jobs.length === 1 ? 'service' : 'services'} on ${where}`
}
