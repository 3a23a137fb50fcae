/**
 * An agent's history, as the log tells it: its starts and ends, when it led, the lanes that it held, what came into its queue, its
 * grants and their outcomes.
 */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { countOf } from '../../machines/execution-group/state.ts'
import type { LaneEvent } from '../../machines/lane/machine.ts'
import type { RealmEvent } from '../../machines/realm/realm.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type Subjects, requireId } from '../../streams/subjects.ts'
import type { ReadMessages } from './group.ts'
import { LaneStarts } from './lane-start.ts'
import { ReplayRefused } from './refused.ts'
import { type Recorded, recordedIn } from './recorded.ts'
import type { Folding } from './walk.ts'

export interface HeldGrant {
  readonly group: string
  /** Revision of the `LockGranted`. */
  readonly grant: number
  /** Jobs of it that are not settled. */
  readonly left: number
}

export interface AgentShown {
  readonly agent: string
  readonly phase: AgentState['phase']
  readonly instance: string
  readonly role: AgentState['role']
  readonly build: string
  /** Epoch, while it leads. */
  readonly leading: number | null
  readonly lanes: readonly string[]
  readonly holding: readonly HeldGrant[]
  /** Jobs that were put into its queue, and that ended by it, since the beginning of the log. */
  readonly assigned: number
  readonly succeeded: number
  readonly failed: number
  readonly unknown: number
}

interface State {
  readonly known: AgentState
  leading: number | null
  lanes: string[]
  holding: HeldGrant[]
  assigned: number
  succeeded: number
  failed: number
  unknown: number
}

/** Every event that concerns the agent. Throws `ReplayRefused`, `MalformedId`, `MalformedTurn`, and what the source throws. */
export async function* recordedOfAgent(read: ReadMessages, subjects: Subjects, agent: string, until?: number): AsyncGenerator<Recorded> {
  const own = subjects.aggregate('agent', requireId('agent', agent))
  const folding = agentFolding(agent)
  const state = folding.empty()
  let found = false
  const starts = new LaneStarts(subjects)
  const wanted = [own, subjects.aggregate('realm', 'self'), subjects.allLanes]
  for await (const batch of read({ subjects: wanted, from: 1, ...(until === undefined ? {} : { until }) })) {
    for (const message of batch) {
      starts.see(message)
      starts.demandAll(`the history of agent ${agent}`)
      for (const recorded of recordedIn(message.position, decodeTurn(message.bytes), () => true)) {
        if (!concerns(state, agent, recorded)) continue
        found = true
        folding.fold(state, recorded)
        yield recorded
      }
    }
  }
  if (!found) throw new ReplayRefused('unknown-agent', `the log knows nothing of an agent ${agent}: "reeve agent list" shows those that there are`)
}

/** Whether the event says something of the agent, in the state that its history has led to. */
function concerns(state: State, agent: string, { aggregate, id, actor, event }: Recorded): boolean {
  switch (aggregate) {
    case 'agent':
      return id === agent
    case 'realm': {
      const { type, data } = event as RealmEvent
      return type === 'LeaderElected' && (data.agent === agent || state.leading !== null)
    }
    case 'lane': {
      const { type, data } = event as LaneEvent
      return (type === 'LaneTaken' && (data.agent === agent || state.lanes.includes(id))) || (type === 'LaneReleased' && state.lanes.includes(id))
    }
    case 'group': {
      const { type, data } = event as GroupEvent
      if (type === 'JobsAssigned') return data.assignments.some((one) => one.agent === agent)
      if (type === 'LockGranted') return data.agent === agent
      const outcome = type === 'JobSucceeded' || type === 'JobFailed' || type === 'JobUnknown'
      if (!outcome && type !== 'LockReturned') return false
      return heldOf(state, id, data.grant) !== undefined || (outcome && actor === `agent:${agent}`)
    }
    default:
      return false
  }
}

export function agentFolding(agent: string): Folding<State, AgentShown> {
  return {
    empty: () => ({ known: absentAgent(agent), leading: null, lanes: [], holding: [], assigned: 0, succeeded: 0, failed: 0, unknown: 0 }),
    fold: (state, recorded) => foldInto(state, agent, recorded),
    copy: (state) => structuredClone(state),
    shown({ known, leading, lanes, holding, assigned, succeeded, failed, unknown }) {
      const { phase, instance, role, build } = known
      return { agent, phase, instance, role, build, leading, lanes: [...lanes], holding: [...holding], assigned, succeeded, failed, unknown }
    },
  }
}

function foldInto(state: State, agent: string, { aggregate, id, revision, event }: Recorded): void {
  switch (aggregate) {
    case 'agent':
      return foldAgent(state.known, event as AgentEvent)
    case 'realm':
      state.leading = (event as Extract<RealmEvent, { type: 'LeaderElected' }>).data.agent === agent ? revision : null
      return
    case 'lane': {
      const { type, data } = event as LaneEvent
      state.lanes = state.lanes.filter((lane) => lane !== id)
      if (type === 'LaneTaken' && data.agent === agent) state.lanes = [...state.lanes, id].sort()
      return
    }
    case 'group':
      return foldGroupEvent(state, agent, id, revision, event as GroupEvent)
  }
}

function foldGroupEvent(state: State, agent: string, group: string, revision: number, event: GroupEvent): void {
  switch (event.type) {
    case 'JobsAssigned':
      for (const one of event.data.assignments) if (one.agent === agent) state.assigned += one.last - one.first + 1
      return
    case 'LockGranted':
      state.holding.push({ group, grant: revision, left: countOf(event.data.jobs) })
      return
    case 'JobSucceeded':
      state.succeeded += 1
      return settle(state, group, event.data.grant, 1)
    case 'JobFailed':
      state.failed += 1
      return settle(state, group, event.data.grant)
    case 'JobUnknown':
      state.unknown += 1
      return settle(state, group, event.data.grant)
    case 'LockReturned':
      return settle(state, group, event.data.grant)
    default:
      return
  }
}

/** Without `jobs` the grant is closed. */
function settle(state: State, group: string, grant: number, jobs = Number.POSITIVE_INFINITY): void {
  state.holding = state.holding.flatMap((held) => {
    if (held.group !== group || held.grant !== grant) return [held]
    return held.left > jobs ? [{ ...held, left: held.left - jobs }] : []
  })
}

function heldOf(state: State, group: string, grant: number): HeldGrant | undefined {
  return state.holding.find((held) => held.group === group && held.grant === grant)
}
