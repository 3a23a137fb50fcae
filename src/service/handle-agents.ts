/** `agent`: agents as the log and their presence say; what is planned for them. */
import { byCodeUnits } from '../../machines/code-units.ts'
import type { AgentEvent, AgentState } from '../../machines/agent/agent.ts'
import { absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type PlannedConfiguration, plannedWithoutEffect } from '../../machines/agent/configuration.ts'
import { type PlanChange, configureAgent } from '../../machines/agent/decide.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { openGrants } from '../../machines/execution-group/state.ts'
import type { StopAnswer, StopRequest } from '../../streams/agent-messages.ts'
import type { AgentShown } from '../../streams/api/agent.ts'
import { ApiFailure, errorCodeOf } from '../../streams/api/errors.ts'
import { type AgentConfigurationValue, type MappingCollectionValue, type PresenceValue, fromBytes, presenceIn, presenceKey, toBytes } from '../../streams/coordination.ts'
import { type SignedConfiguration, keptMapping, manifestOfAgent, pushedConfigurations, signedDefault } from '../realm/configurations.ts'
import type { LaneRate, LaneRates } from '../realm/lane-rates.ts'
import type { RealmFold } from '../realm/view.ts'
import type { ServiceContext } from './context.ts'
import type { HandlersOf } from './handlers.ts'
import { pageOf } from './page.ts'
import { writeAsked } from './write.ts'

export function agentHandlers(context: ServiceContext): HandlersOf<'agent'> {
  const { view, machines } = context
  return {
    async list({ after, limit }) {
      const fold = await view.current()
      const look = await lookOf(context, fold)
      const agents = [...fold.agents.values()]
        .filter((agent) => agent.phase !== 'absent' && (after === undefined || agent.agent > after))
        .sort((a, b) => byCodeUnits(a.agent, b.agent))
        .map((agent) => shown(look, agent))
      const { items, last } = pageOf(agents, limit)
      return { ok: true, agents: items, next: last?.agent ?? null }
    },

    async show({ agent: id, change }) {
      const fold = await view.current()
      const agent = fold.agents.get(id)
      if (agent === undefined) throw new ApiFailure('unknown-agent', `there is no agent ${id}; "reeve agent list" shows those that are`)
      const manifest = manifestOfAgent(fold, agent)
      const byDefault = manifest === undefined ? null : signedDefault(agent, manifest, context.build)
      const look = await lookOf(context, fold)
      const current = look.configurations.get(id) ?? null
      const [asked, description] = await Promise.all([machines.ask([id]), machines.describe(id)])
      const seen = asked.map(({ machine, state, atMs }) => ({ machine, state, atMs }))
      return {
        ok: true,
        ...shown(look, agent),
        started: { role: agent.role, region: agent.region, skills: [...agent.skills] },
        planned: plannedShown(agent.planned),
        byDefault: byDefault === null ? null : configuredShown(byDefault),
        current: current === null ? null : configuredShown(current),
        coordinator: description?.coordinator ?? null,
        machines: seen,
        ...(change === undefined ? {} : { would: plannedSaid(fold, afterChange(agent, givenOf(change))) }),
      }
    },

    async mapping() {
      const collection = await keptMapping(context.coordinator)
      return { ok: true, mapping: collection === undefined ? null : collectionShown(collection) }
    },

    async configure({ agent: id, change, actor, command }) {
      const fold = await view.current()
      if (!fold.agents.has(id)) throw new ApiFailure('unknown-agent', `there is no agent ${id}; "reeve agent list" shows those that are`)
      const given = givenOf(change)
      const { state, position, revision } = await writeAsked<AgentState, AgentEvent>(
        context,
        { aggregate: 'agent', id, empty: absentAgent(id), fold: foldAgent, decide: (agent) => configureAgent(agent, given), actor, command },
        `look with "reeve agent show ${id}"`,
      )
      return { ok: true, agent: id, ...plannedSaid(view.state, state), position, revision }
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

function collectionShown({ epoch, build, agents, groups, lanes, triggers = [], moreTriggers = 0 }: MappingCollectionValue) {
  return {
    epoch,
    build,
    agents: agents.map(({ agent, signature }) => ({ agent, signature: { ...signature } })),
    groups: groups.map(({ region, skill, agents: members }) => ({ region, skill, agents: [...members] })),
    lanes: lanes.map(({ lane, agent }) => ({ lane, agent })),
    triggers: triggers.map(({ trigger, groups: asked, missing = [] }) => ({ trigger, groups: asked.map(({ region, skill }) => ({ region, skill })), missing: [...missing] })),
    moreTriggers,
  }
}

type Presences = ReadonlyMap<string, PresenceValue>

/** Of agents, by instance; services are present too, for their own changes in mode `direct`. */
export async function presences({ coordinator }: ServiceContext): Promise<Presences> {
  const found = new Map<string, PresenceValue>()
  const prefix = presenceKey('')
  for (const { key, value } of await coordinator.agents.entries()) {
    if (!key.startsWith(prefix)) continue
    const presence = presenceIn(value)
    if (presence !== undefined && presence.role !== 'service') found.set(key.slice(prefix.length), presence)
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
    for (const { agent, left } of openGrants(group)) of(agent).executing += left
    const { pending } = exclusiveStateOf(group)
    for (const { first, last, agent } of group.assignments) {
      for (const run of pending) of(agent).assigned += Math.max(0, Math.min(last, run[1]) - Math.max(first, run[0]) + 1)
    }
  }
  return work
}

/** Everything that agents are shown by, of one moment. */
interface Look {
  readonly fold: RealmFold
  readonly present: Presences
  readonly work: Work
  readonly rates: LaneRates
  /** As they were pushed. */
  readonly configurations: ReadonlyMap<string, AgentConfigurationValue>
}

async function lookOf(context: ServiceContext, fold: RealmFold): Promise<Look> {
  const [present, configurations] = await Promise.all([presences(context), pushedConfigurations(context.coordinator)])
  return { fold, present, work: workOf(fold), rates: context.rates, configurations }
}

/** Throws `ApiFailure` where it would be refused. */
function afterChange(agent: AgentState, change: PlanChange): AgentState {
  const decision = configureAgent(agent, change)
  if (decision.kind === 'refused') throw new ApiFailure(errorCodeOf(decision.refusal.code), decision.refusal.text)
  const after = structuredClone(agent)
  if (decision.kind === 'events') for (const event of decision.events) foldAgent(after, event)
  return after
}

/** What is planned for it, and what of that may not be as it was meant. */
function plannedSaid(fold: RealmFold, agent: AgentState) {
  const withoutEffect = plannedWithoutEffect(agent, manifestOfAgent(fold, agent))
  const { region } = agent.planned
  return {
    planned: plannedShown(agent.planned),
    ...(withoutEffect.length === 0 ? {} : { withoutEffect: [...withoutEffect] }),
    ...(region === undefined || isKnownRegion(fold, region, agent.agent) ? {} : { newRegion: region }),
  }
}

/** Somebody else is there already, or is to be. */
function isKnownRegion(fold: RealmFold, region: string, but: string): boolean {
  return (
    [...fold.sites.values()].some((site) => site.managed && site.region === region) ||
    fold.realm.lanes.some((lane) => lane.region === region) ||
    [...fold.agents.values()].some((agent) => agent.agent !== but && (agent.planned.region ?? agent.region) === region)
  )
}

function shown({ fold, present, work, rates, configurations }: Look, agent: AgentState): AgentShown {
  const { instance } = agent
  const { role, region, skills } = configurations.get(agent.agent)?.configuration ?? agent
  const leader = fold.realm.leader
  const presence = present.get(instance) ?? [...present.values()].find((other) => other.agent === agent.agent)
  const lanes = [...fold.lanes.values()].filter(({ holder }) => holder?.agent === agent.agent).map(({ lane }) => lane)
  return {
    agent: agent.agent,
    role,
    region,
    skills: [...skills],
    build: agent.build,
    phase: agent.phase,
    instance,
    present: presence !== undefined,
    formats: presence === undefined ? null : (presence.formats ?? 1),
    leading: leader?.agent === agent.agent && leader.instance === instance,
    lanes: lanes.sort(),
    assigned: work.get(agent.agent)?.assigned ?? 0,
    executing: work.get(agent.agent)?.executing ?? 0,
    ...rateOfAll(rates, lanes),
  }
}

/** Empty before anything was measured. */
function rateOfAll(rates: LaneRates, lanes: readonly string[]): Partial<LaneRate> {
  const sum = { jobsPerSecond: 0, turnsPerSecond: 0 }
  for (const lane of lanes) {
    const rate = rates.rateOf(lane)
    if (rate === undefined) return {}
    sum.jobsPerSecond += rate.jobsPerSecond
    sum.turnsPerSecond += rate.turnsPerSecond
  }
  return sum
}

function plannedShown({ skillsOn, skillsOff, ...rest }: PlannedConfiguration) {
  return { ...rest, ...(skillsOn === undefined ? {} : { skillsOn: [...skillsOn] }), ...(skillsOff === undefined ? {} : { skillsOff: [...skillsOff] }) }
}

function configuredShown({ configuration, signature }: SignedConfiguration) {
  const { adapters, skills, ...rest } = configuration
  return { configuration: { ...rest, adapters: [...adapters], skills: [...skills] }, signature: { ...signature } }
}

/** Without the keys that were not given: those stay as they are planned. */
function givenOf(change: { readonly [Key in keyof PlanChange]?: PlanChange[Key] | undefined }): PlanChange {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
}
