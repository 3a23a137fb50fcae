/** `change`: planned and applied. */
import { counted } from '../../machines/counted.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import type { GroupState } from '../../machines/execution-group/state.ts'
import type { InstructionState } from '../../machines/instruction/instruction.ts'
import { allowsFormat, formatTooOld, quarantinedText } from '../../machines/realm/realm.ts'
import type { ApiParsedRequest, ApiSuccess } from '../../streams/api/catalogue.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import { newUlid, ulidTimeMs } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import { type ChangePlan, planChange } from '../change/plan.ts'
import { mayStillHappen, takeChange } from '../change/take.ts'
import { type RunMode, notFromHere, runModeOf } from '../change/mode.ts'
import { selectTargets } from '../change/selection.ts'
import type { RealmFold } from '../realm/view.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'

type Asked = Pick<
  ApiParsedRequest<'change', 'plan'>,
  'selector' | 'operation' | 'mode' | 'includeUnchanged' | 'window' | 'order' | 'predicates' | 'priority' | 'agents' | 'onFailure'
>

export function changeHandlers(context: ServiceContext): HandlersOf<'change'> {
  const { view } = context
  return {
    async plan(request) {
      const { plan, mode } = await plannedChange(context, await view.current(), request)
      const { after, limit } = request
      const all = plan.jobs.slice(after, after + limit).map(({ spec, name, differences }, index) => ({
        job: after + index + 1,
        site: spec.site,
        service: spec.service,
        name,
        differences: [...differences],
        ...(spec.after === undefined ? {} : { after: spec.after.map(([first, last]): [number, number] => [first, last]) }),
        ...(spec.compensate === undefined ? {} : { undo: spec.compensate }),
      }))
      const { items } = pageOf(all, limit)
      const shownTo = after + items.length
      return {
        ok: true,
        operation: plan.operation,
        mode,
        destructive: plan.destructive,
        repeats: [...plan.repeats],
        plan: plan.jobs.length === 0 ? null : plan.digest,
        jobs: plan.jobs.length,
        alreadySo: plan.unchanged.length,
        sites: [...plan.sites],
        page: items,
        next: shownTo < plan.jobs.length ? shownTo : null,
        unchanged: plan.unchanged.slice(0, 100).map(({ site, service }) => ({ site: site.site, service: service.id, name: service.name })),
      }
    },

    async apply(request) {
      const { clock, random } = context
      const command = request.command ?? newUlid(clock.nowMs(), random)
      const fold = await view.current()
      judgeCommandId(context, fold, command)
      const known = fold.instructions.get(command)
      if (known !== undefined) return goOn(context, command, known, { known: true })
      const { plan, mode } = await plannedChange(context, fold, request)
      if (request.plan !== undefined && request.plan !== plan.digest) {
        throw new ApiFailure('plan-changed', `the plan is not the one that was seen any more (${counted(plan.jobs.length, 'job')} now): look at it again`)
      }
      if (plan.jobs.length === 0) {
        return { ok: true, command, group: null, lane: null, mode, result: null, plan: null, jobs: 0, alreadySo: plan.unchanged.length, repeats: [], known: false, position: 0 }
      }
      if (plan.destructive && !request.confirmed && request.plan === undefined) {
        throw new ApiFailure('not-confirmed', `${plan.repeats.join('; ')}: confirm it, or give the digest of the plan`)
      }
      const taken = await takeChange(context, { ...request, command, mode }, plan)
      return goOn(context, command, taken.state, { known: taken.known, plan })
    },
  }
}

async function plannedChange(context: ServiceContext, fold: RealmFold, asked: Asked): Promise<{ readonly plan: ChangePlan; readonly mode: RunMode }> {
  const { selector, operation, mode, includeUnchanged, window, order, predicates, agents, onFailure } = asked
  demandFormat(fold, asked)
  if (mode === 'desired') throw new ApiFailure('mode-unavailable', 'mode desired needs the sync job, which this version does not have: use mode jobs')
  const targets = await selectTargets({ sites: fold.sites, read: (site) => context.sites.read(site) }, selector).catch((error: unknown) => {
    throw mode === 'direct' && error instanceof ApiFailure && error.code === 'site-unreachable' ? notFromHere(error) : error
  })
  const { quarantine } = fold.realm
  if (quarantine !== null && mode === 'direct') throw new ApiFailure('quarantined', `${quarantinedText(quarantine.why)}; use mode jobs, which waits for that`)
  return { mode: quarantine === null ? runModeOf(fold, mode, targets, order !== 'strict' || agents !== undefined) : 'jobs', plan: planChange(targets, { operation, includeUnchanged, window, adapterOf: context.adapterOf, order, predicates, onFailure }) }
}

/** What a realm of format 1 cannot hold is refused before anything is written. */
function demandFormat({ realm }: RealmFold, { order, priority, agents, onFailure }: Asked): void {
  const asks = order !== 'strict' || priority !== 0 || agents !== undefined || onFailure !== 'stop'
  if (asks && !allowsFormat(realm, 2)) throw new ApiFailure('format-too-old', formatTooOld(realm.format, 2))
}

/** P15. */
function judgeCommandId({ clock }: ServiceContext, fold: RealmFold, command: string): void {
  const { commandMemoryMs, clockSkewMs } = fold.realm.constants
  const ageMs = clock.nowMs() - ulidTimeMs(command)
  if (ageMs > commandMemoryMs) throw new ApiFailure('too-old', `command id ${command} is older than lanes remember; ask again with a new one`)
  if (-ageMs > clockSkewMs) throw new ApiFailure('too-far-ahead', `command id ${command} lies ${-ageMs} ms in the future; set the clock of the machine that made it`)
}

/** Opens the group of an instruction, or finds it open (P14); answers only what is durable (I8). */
async function goOn(context: ServiceContext, command: string, instruction: InstructionState, how: { readonly known: boolean; readonly plan?: ChangePlan }) {
  const { opener } = context
  const { taken, refused } = instruction
  if (taken === null) {
    const withdrawn = refused?.code === 'withdrawn'
    throw new ApiFailure(withdrawn ? 'withdrawn' : 'wrong-state', `command ${command} was ${withdrawn ? 'withdrawn' : `refused before: ${refused?.why ?? 'for no known reason'}`}; ask again with a new command id`)
  }
  // Whoever was first has fixed another plan, perhaps.
  const own = how.plan?.digest === taken.plan ? how.plan : undefined
  const opened = await opener.open(command, taken, own?.jobs.map(({ spec }) => spec))
  switch (opened.kind) {
    case 'sealed': {
      const group = groupId(taken.lane, command)
      if (opened.position > 0) await context.view.reached(opened.position)
      const direct = taken.mode === 'direct'
      if (direct && !(await context.direct.carryOut(group))) throw mayStillHappen(command)
      return {
        ok: true as const,
        command,
        group,
        lane: taken.lane,
        mode: direct ? ('direct' as const) : ('jobs' as const),
        result: direct ? resultOf(context.view.state.group(group)!) : null,
        plan: taken.plan,
        jobs: own?.jobs.length ?? context.view.state.group(group)?.jobsAnnounced ?? 0,
        alreadySo: own?.unchanged.length ?? 0,
        repeats: [...(own?.repeats ?? [])],
        known: how.known || own === undefined,
        position: opened.position,
      }
    }
    case 'refused':
      throw new ApiFailure(errorCodeOf(opened.code), opened.text, { command })
    case 'plan-lost':
      throw new ApiFailure('wrong-state', `the plan of command ${command} is not kept any more, so its group cannot be opened; ask again with a new command id`)
    case 'no-answer':
      throw mayStillHappen(command)
  }
}

/** Of the one job of a group of mode `direct`, or of the last retry of it. */
function resultOf(state: GroupState): NonNullable<ApiSuccess<'change', 'apply'>['result']> {
  const { executed, unknown, failed } = exclusiveStateOf(state)
  if (executed.length > 0) return { job: 'succeeded', reason: null }
  if (unknown !== null) return { job: 'unknown', reason: { ...unknown.reason } }
  if (state.fault !== null) return { job: 'unknown', reason: { code: 'faulted', text: `the log of group ${state.group} broke its order at ${state.fault.event}` } }
  const last = failed.at(-1)
  return last === undefined ? { job: 'cancelled', reason: null } : { job: 'failed', reason: { ...last.reason } }
}
