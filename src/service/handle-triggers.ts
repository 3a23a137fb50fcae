/** `trigger`: changes at nominal times. Defined here; decided by the leader. */
import { byCodeUnits } from '../../machines/code-units.ts'
import type { TriggerDefinition, TriggerTimes } from '../../machines/trigger/definition.ts'
import { defineTrigger, removeTrigger, resumeTrigger, suspendTrigger } from '../../machines/trigger/decide.ts'
import { type TriggerRun, type TriggerState, mayRun } from '../../machines/trigger/evolve.ts'
import type { ApiParsedRequest } from '../../streams/api/catalogue.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { TriggerListed } from '../../streams/api/trigger.ts'
import { keptMapping } from '../realm/configurations.ts'
import type { RealmFold } from '../realm/view.ts'
import { type DefinitionChange, writeDefinition } from '../trigger/defining.ts'
import { dueAfter } from '../trigger/due.ts'
import { BadTime, checkCron } from '../trigger/nominal-times.ts'
import { type AskedChange, planTriggered, recordedChange } from '../trigger/plan.ts'
import { previewOf, zoneOf } from '../trigger/preview.ts'
import { standingOf } from '../trigger/run-standing.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'
import { told } from './write.ts'

type Define = ApiParsedRequest<'trigger', 'define'>

const timesShown = 5

export function triggerHandlers(context: ServiceContext): HandlersOf<'trigger'> {
  const { view, clock } = context

  return {
    async define(request) {
      const { trigger, actor, command } = request
      const fold = await view.current()
      const definition = definitionOf(request)
      timesAreGood(definition.when, clock.nowMs())
      const planned = await plannedOnce(context, fold, request.change)
      const other = request.missed.change === undefined ? undefined : await plannedOnce(context, fold, request.missed.change)
      const repeats = [...planned.repeats, ...(other?.repeats ?? [])]
      if ((planned.destructive || other?.destructive === true) && !request.confirmed) {
        throw new ApiFailure('not-confirmed', `at each of its times trigger ${trigger} would ${repeats.length === 0 ? planned.operation.name : repeats.join('; ')}: confirm it`)
      }
      const written = await write(context, { trigger, decide: (state, nowMs) => defineTrigger(state, definition, nowMs), actor, command })
      return { ok: true, trigger, next: [...previewOf(definition.when, clock.nowMs(), timesShown)], jobs: planned.jobs.length, repeats, ...written }
    },

    async remove({ trigger, actor, command }) {
      return { ok: true, trigger, ...(await write(context, { trigger, decide: removeTrigger, actor, command })) }
    },
    async suspend({ trigger, actor, command }) {
      return { ok: true, trigger, ...(await write(context, { trigger, decide: suspendTrigger, actor, command })) }
    },
    async resume({ trigger, actor, command }) {
      return { ok: true, trigger, ...(await write(context, { trigger, decide: resumeTrigger, actor, command })) }
    },

    async list({ after, limit }) {
      const fold = await view.current()
      const missing = await missingByTrigger(context)
      const defined = [...fold.triggers.values()].filter((state) => isThere(state)).sort((a, b) => byCodeUnits(a.trigger, b.trigger))
      const rest = defined.filter((state) => after === undefined || state.trigger > after).map((state) => listed(fold, state, missing))
      const { items, last } = pageOf(rest, limit)
      return { ok: true, triggers: items, next: last?.trigger ?? null }
    },

    async show({ trigger }) {
      const fold = await view.current()
      const state = fold.triggers.get(trigger)
      if (state === undefined) throw unknown(trigger)
      return {
        ok: true,
        ...listed(fold, state, await missingByTrigger(context)),
        revision: state.revision,
        fault: state.fault === null ? null : { ...state.fault },
        definition: state.definition === null ? null : (definitionShown(state.definition) as never),
        waiting: state.waiting.map(({ atMs }) => atMs),
        recent: state.recent.map((decided) => ({ ...decided, reported: decided.reported.map((report) => ({ ...report })) })).reverse(),
      }
    },

    async preview({ trigger, when, afterMs = clock.nowMs(), count }) {
      if ((trigger === undefined) === (when === undefined)) throw new ApiFailure('malformed', 'name a trigger, or give times: one of the two')
      const times = when === undefined ? timesOf(await view.current(), trigger!) : timesGiven(when)
      timesAreGood(times, afterMs)
      return { ok: true, zone: zoneOf(times), times: [...previewOf(times, afterMs, count)] }
    },
  }
}

function definitionShown({ change, missed, ...rest }: TriggerDefinition) {
  const other = missed.change === undefined ? {} : { change: recordedChange(missed.change) }
  return structuredClone({ priority: 0, ...rest, change: recordedChange(change), missed: { ...missed, ...other } })
}

function isThere(state: TriggerState): boolean {
  return state.definition !== null
}

function timesOf(fold: RealmFold, trigger: string): TriggerTimes {
  const when = fold.triggers.get(trigger)?.definition?.when
  if (when === undefined) throw unknown(trigger)
  return when
}

function timesGiven({ atMs, cron }: NonNullable<Define['when']>): TriggerTimes {
  return { ...(atMs === undefined ? {} : { atMs }), ...(cron === undefined ? {} : { cron }) }
}

/** Throws `ApiFailure`. */
function timesAreGood({ cron }: TriggerTimes, nowMs: number): void {
  if (cron === undefined) return
  try {
    checkCron(cron, nowMs)
  } catch (error) {
    if (error instanceof BadTime) throw new ApiFailure('malformed', error.message)
    throw error
  }
}

/** What is as it is by default is left out: unset keys are absent in the log. */
function definitionOf({ name, change, when, priority, missed, overlap, monitoring }: Define): TriggerDefinition {
  return {
    name,
    change: changeOf(change),
    when: timesGiven(when),
    ...(priority === 0 ? {} : { priority }),
    missed: { action: missed.action, graceMs: missed.graceMs, ...(missed.change === undefined ? {} : { change: changeOf(missed.change) }) },
    overlap: { action: overlap.action, ...(overlap.limit === undefined ? {} : { limit: overlap.limit }) },
    ...(monitoring === undefined
      ? {}
      : {
          monitoring: {
            ...(monitoring.timeoutMs === undefined ? {} : { timeoutMs: monitoring.timeoutMs }),
            ...(monitoring.heartbeatMs === undefined ? {} : { heartbeatMs: monitoring.heartbeatMs }),
            report: [...new Set(monitoring.report)],
          },
        }),
  }
}

function changeOf({ includeUnchanged, window, distributionFactor, order, onFailure, ...rest }: AskedChange): TriggerDefinition['change'] {
  const change: Record<string, unknown> = {
    ...rest,
    ...(includeUnchanged ? { includeUnchanged } : {}),
    ...(window === 1 ? {} : { window }),
    ...(distributionFactor === 100 ? {} : { distributionFactor }),
    ...(order === 'strict' ? {} : { order }),
    ...(onFailure === 'stop' ? {} : { onFailure }),
  }
  return JSON.parse(JSON.stringify(change)) as TriggerDefinition['change']
}

/** What could not run now is found now, not at night. Throws `ApiFailure`. */
function plannedOnce({ sites, adapterOf }: ServiceContext, fold: RealmFold, change: AskedChange) {
  return planTriggered({ sites: fold.sites, read: (site) => sites.read(site) }, change, adapterOf)
}

type Missing = ReadonlyMap<string, readonly string[]>

/** As the leader found it when it looked last. */
async function missingByTrigger({ coordinator }: ServiceContext): Promise<Missing> {
  const { triggers = [] } = (await keptMapping(coordinator)) ?? {}
  return new Map(triggers.flatMap(({ trigger, missing }) => (missing === undefined ? [] : [[trigger, missing]])))
}

function listed(fold: RealmFold, state: TriggerState, missing: Missing): TriggerListed {
  return {
    trigger: state.trigger,
    name: state.definition?.name ?? '',
    phase: state.phase,
    when: structuredClone(state.definition?.when ?? {}) as TriggerListed['when'],
    next: dueAfter(state) ?? null,
    running: state.running === null ? null : runShown(fold, state.running),
    waiting: state.waiting.length,
    missing: mayRun(state) ? [...(missing.get(state.trigger) ?? [])] : [],
  }
}

function runShown(fold: RealmFold, run: TriggerRun): NonNullable<TriggerListed['running']> {
  const { atMs, command, startedMs } = run
  const standing = standingOf(fold, run)
  switch (standing.kind) {
    case 'to-plan':
      return { atMs, command, startedMs, state: 'to-plan', group: null }
    case 'opening':
      return { atMs, command, startedMs, state: 'opening', group: standing.group }
    case 'going':
      return { atMs, command, startedMs, state: standing.blocked ? 'blocked' : 'going', group: standing.group.group }
    case 'ended':
      return { atMs, command, startedMs, state: standing.how, group: standing.group }
  }
}

function unknown(trigger: string): ApiFailure {
  return new ApiFailure('unknown-trigger', `there is no trigger ${trigger}; "reeve trigger list" shows those that are`)
}

async function write(context: ServiceContext, change: DefinitionChange) {
  const written = await writeDefinition({ ...context, actor: `service:${context.service}` }, change)
  const { position, revision } = await told(context, written, `look whether trigger ${change.trigger} is as wanted`)
  return { position, revision }
}
