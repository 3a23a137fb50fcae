/** `realm`, `lane`: what holds for all, and which parts of the log there are. */
import { byCodeUnits } from '../../machines/code-units.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { RealmState } from '../../machines/realm/realm.ts'
import type { AggregateWritten } from '../realm/aggregate-writer.ts'
import { putIntoQuarantine, releaseFromQuarantine } from '../realm/quarantine.ts'
import type { ServiceContext } from './context.ts'
import { presences } from './handle-agents.ts'
import type { HandlersOf } from './handlers.ts'
import { missingForAll } from './missing.ts'
import { told } from './write.ts'

export function laneHandlers({ view, loads, rates }: ServiceContext): HandlersOf<'lane'> {
  return {
    async list() {
      const fold = await view.current()
      const lanes = fold.realm.lanes.map(({ lane, region }) => {
        const state = fold.lanes.get(lane)
        const load = loads.of(lane)
        return {
          lane,
          region,
          phase: state?.phase ?? 'free',
          holder: state?.holder == null ? null : { ...state.holder },
          number: state?.number ?? 0,
          groups: state?.groups.size ?? 0,
          unfinished: load.groups,
          pendingJobs: load.jobs,
          work: load.work,
          ...rates.rateOf(lane),
        }
      })
      return { ok: true, lanes: lanes.sort((a, b) => byCodeUnits(a.lane, b.lane)) }
    },
  }
}

export function realmHandlers(context: ServiceContext): HandlersOf<'realm'> {
  const { view, coordinator, subjects, clock, random, service, build, signal } = context
  const log = { log: coordinator.log, clock, random, signal }

  const quarantineTold = async (written: AggregateWritten<RealmState>) => {
    const { state, changed, position } = await told(context, written, 'look with "reeve realm show"')
    return { ok: true as const, quarantine: state.quarantine === null ? null : { why: state.quarantine.why }, changed, position }
  }

  return {
    async quarantine({ why, actor, command }) {
      return quarantineTold(await putIntoQuarantine(log, subjects, { why, actor, command }))
    },

    async release({ actor, command }) {
      return quarantineTold(await releaseFromQuarantine(log, subjects, { actor, command }))
    },

    async show() {
      const fold = await view.current()
      const { realm } = fold
      const { durability } = coordinator
      const present = await presences(context)
      const [waiting, silent] = await Promise.all([missingForAll(context), context.silent.ofAll()])
      const groups = [...fold.groups()]
      return {
        ok: true,
        name: subjects.realm,
        realm: realm.realm,
        founded: realm.founded,
        format: realm.format,
        incarnation: coordinator.log.incarnation,
        position: fold.position,
        constants: { ...realm.constants },
        leader: realm.leader === null ? null : { ...realm.leader },
        quarantine: realm.quarantine === null ? null : { why: realm.quarantine.why },
        durability: { level: durability.level, why: durability.level === 'synced' ? null : durability.why },
        service: { id: service, build },
        sites: [...fold.sites.values()].filter((site) => site.managed).length,
        agents: present.size,
        lanes: realm.lanes.length,
        groups: {
          total: groups.length,
          unfinished: groups.filter((group) => !groupTable.isFinal(group.phase)).length,
          ...(waiting.count === 0 ? {} : { waiting: { count: waiting.count, first: [...waiting.first], missing: [...waiting.missing] } }),
          ...(silent.count === 0 ? {} : { silent: { count: silent.count, first: [...silent.first], withinMs: silent.withinMs } }),
        },
      }
    },
  }
}
