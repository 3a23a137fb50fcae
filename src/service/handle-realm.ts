/** `realm`, `lane`, `agent`: who does the work. */
import { groupTable } from '../../machines/execution-group/machine.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import type { AgentState } from '../../machines/agent/agent.ts'
import type { AgentShown } from '../../streams/api/agent.ts'
import type { RealmState } from '../../machines/realm/realm.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import type { StopAnswer, StopRequest } from '../../streams/agent-messages.ts'
import { type PresenceValue, fromBytes, presenceKey, toBytes } from '../../streams/coordination.ts'
import { loadOf } from '../change/lane-choice.ts'
import { byCodeUnits } from '../change/selection.ts'
import type { AggregateWritten } from '../realm/aggregate-writer.ts'
import { feedWritten } from '../realm/feed.ts'
import { putIntoQuarantine, releaseFromQuarantine } from '../realm/quarantine.ts'
import type { RealmFold } from '../realm/view.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'

export function laneHandlers({ view }: ServiceContext): HandlersOf<'lane'> {
  return {
    async list() {
      const fold = await view.current()
      const lanes = fold.realm.lanes.map(({ lane, region }) => {
        const state = fold.lanes.get(lane)
        const load = loadOf(fold, lane)
        return {
          lane,
          region,
          phase: state?.phase ?? 'free',
          holder: state?.holder == null ? null : { ...state.holder },
          number: state?.number ?? 0,
          groups: state?.groups.size ?? 0,
          unfinished: load.groups,
          pendingJobs: load.jobs,
        }
      })
      return { ok: true, lanes: lanes.sort((a, b) => byCodeUnits(a.lane, b.lane)) }
    },
  }
}

export function agentHandlers(context: ServiceContext): HandlersOf<'agent'> {
  const { view, machines } = context
  return {
    async list({ after, limit }) {
      const fold = await view.current()
      const present = await presences(context)
      const work = workOf(fold)
      const agents = [...fold.agents.values()]
        .filter((agent) => agent.phase !== 'absent' && (after === undefined || agent.agent > after))
        .sort((a, b) => byCodeUnits(a.agent, b.agent))
        .map((agent) => shown(fold, agent, present, work))
      const { items, last } = pageOf(agents, limit)
      return { ok: true, agents: items, next: last?.agent ?? null }
    },

    async show({ agent: id }) {
      const fold = await view.current()
      const agent = fold.agents.get(id)
      if (agent === undefined) throw new ApiFailure('unknown-agent', `there is no agent ${id}; "reeve agent list" shows those that are`)
      const seen = (await machines.ask([id])).map(({ machine, state, atMs }) => ({ machine, state, atMs }))
      return { ok: true, ...shown(fold, agent, await presences(context), workOf(fold)), machines: seen }
    },

    async stop({ agent: id, mode, instance }) {
      const fold = await view.current()
      if (!fold.agents.has(id)) throw new ApiFailure('unknown-agent', `there is no agent ${id}; "reeve agent list" shows those that are`)
      const request: StopRequest = { mode, ...(instance === undefined ? {} : { instance }) }
      const asked = await context.coordinator.bus.ask(context.subjects.toAgent(id, 'stop'), toBytes(request), { timeoutMs: stopAnswerMs })
      if (asked.kind === 'no-responders') throw new ApiFailure('wrong-state', `agent ${id} does not run: there is nothing to stop`)
      if (asked.kind !== 'answer') throw new ApiFailure('unavailable', `agent ${id} did not answer within ${stopAnswerMs / 1000} s: ask again, or end its process`)
      const answer = fromBytes<StopAnswer>(asked.data)
      if (answer.kind === 'refused') throw new ApiFailure('wrong-state', `agent ${id} does not stop: ${answer.text}`)
      return { ok: true, agent: id, instance: answer.instance }
    },
  }
}

const stopAnswerMs = 5_000

export function realmHandlers(context: ServiceContext): HandlersOf<'realm'> {
  const { view, coordinator, subjects, clock, random, service, build, signal } = context
  const log = { log: coordinator.log, clock, random, signal }

  const told = async (written: AggregateWritten<RealmState>) => {
    if (written.kind === 'refused') throw new ApiFailure(errorCodeOf(written.refusal.code), written.refusal.text)
    if (written.kind === 'stopped') throw new ApiFailure('may-still-happen', 'the service was stopped while it wrote; look with "reeve realm show", else ask again')
    await feedWritten(coordinator, subjects, written)
    if (written.kind === 'written') await view.reached(written.position)
    const { quarantine } = written.state
    return {
      ok: true as const,
      quarantine: quarantine === null ? null : { why: quarantine.why },
      changed: written.kind === 'written',
      position: written.kind === 'written' ? written.position : 0,
    }
  }

  return {
    async quarantine({ why, actor, command }) {
      return told(await putIntoQuarantine(log, subjects, { why, actor, ...(command === undefined ? {} : { command }) }))
    },

    async release({ actor, command }) {
      return told(await releaseFromQuarantine(log, subjects, { actor, ...(command === undefined ? {} : { command }) }))
    },

    async show() {
      const fold = await view.current()
      const { realm } = fold
      const { durability } = coordinator
      const present = await presences(context)
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
        groups: { total: groups.length, unfinished: groups.filter((group) => !groupTable.isFinal(group.phase)).length },
      }
    },
  }
}

type Presences = ReadonlyMap<string, PresenceValue>

/** Of agents, by instance; services are present too, for their own changes in mode `direct`. */
async function presences({ coordinator }: ServiceContext): Promise<Presences> {
  const found = new Map<string, PresenceValue>()
  const prefix = presenceKey('')
  for (const { key, value } of await coordinator.agents.entries()) {
    if (!key.startsWith(prefix)) continue
    const presence = fromBytes<PresenceValue>(value)
    if (presence.role !== 'service') found.set(key.slice(prefix.length), presence)
  }
  return found
}

type Work = ReadonlyMap<string, { assigned: number; executing: number }>

function workOf(fold: RealmFold): Work {
  const work = new Map<string, { assigned: number; executing: number }>()
  const of = (agent: string) => {
    const found = work.get(agent) ?? { assigned: 0, executing: 0 }
    work.set(agent, found)
    return found
  }
  for (const group of fold.groups()) {
    if (groupTable.isFinal(group.phase)) continue
    if (group.grant !== null) of(group.grant.agent).executing += group.grant.left
    const { pending } = exclusiveStateOf(group)
    for (const { first, last, agent } of group.assignments) {
      for (const run of pending) of(agent).assigned += Math.max(0, Math.min(last, run[1]) - Math.max(first, run[0]) + 1)
    }
  }
  return work
}

function shown(fold: RealmFold, agent: AgentState, present: Presences, work: Work): AgentShown {
  const { instance } = agent
  const leader = fold.realm.leader
  const presence = present.get(instance) ?? [...present.values()].find((other) => other.agent === agent.agent)
  const lanes = [...fold.lanes.values()].filter(({ holder }) => holder?.agent === agent.agent).map(({ lane }) => lane)
  return {
    agent: agent.agent,
    role: agent.role,
    region: agent.region,
    skills: [...agent.skills],
    build: agent.build,
    phase: agent.phase,
    instance,
    present: presence !== undefined,
    formats: presence === undefined ? null : (presence.formats ?? 1),
    leading: leader?.agent === agent.agent && leader.instance === instance,
    lanes: lanes.sort(),
    assigned: work.get(agent.agent)?.assigned ?? 0,
    executing: work.get(agent.agent)?.executing ?? 0,
  }
}
