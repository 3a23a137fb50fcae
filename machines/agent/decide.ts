/** What may be recorded of an agent: its own starts and stops, the leader's finding that an instance is lost, what people plan for it. */
import { type Decision, happened, nothing, refused } from '../decision.ts'
import type { AgentEvent, AgentState } from './agent.ts'
import type { PlannedConfiguration } from './configuration.ts'

export type AgentStart = Extract<AgentEvent, { readonly type: 'AgentStarted' }>['data']

export function startAgent(state: AgentState, start: AgentStart): Decision<AgentEvent> {
  if (state.phase === 'started' && state.instance === start.instance) return nothing(`instance ${start.instance} has started already`)
  return happened<AgentEvent>({ type: 'AgentStarted', data: start })
}

export function stopAgent(state: AgentState, instance: string): Decision<AgentEvent> {
  if (state.phase !== 'started' || state.instance !== instance) return nothing(`instance ${instance} is not the one that runs`)
  return happened<AgentEvent>({ type: 'AgentStopped', data: { instance } })
}

/** P18. A later instance of the same agent may have started by then: its state is not touched. */
export function loseAgent(state: AgentState, instance: string): Decision<AgentEvent> {
  if (state.phase !== 'started' || state.instance !== instance) return nothing(`instance ${instance} is not the one that runs`)
  return happened<AgentEvent>({ type: 'AgentLost', data: { instance } })
}

/** Keys that are absent stay as they are planned; null takes what was planned back. */
export type PlanChange = { readonly [Key in keyof PlannedConfiguration]?: PlannedConfiguration[Key] | null }

/** [608]. Names in `skillsOn` and `skillsOff` are planned as a whole each. */
export function configureAgent(state: AgentState, change: PlanChange): Decision<AgentEvent> {
  const planned = plannedAfter(state.planned, change)
  const both = (planned.skillsOn ?? []).filter((skill) => planned.skillsOff?.includes(skill))
  if (both.length > 0) return refused('malformed', `skill ${both[0]} cannot be on and off at once: leave it out of one of the lists`)
  if (planned.capacity !== undefined && !(Number.isSafeInteger(planned.capacity) && planned.capacity >= 1)) {
    return refused('malformed', `capacity ${planned.capacity} is no number of jobs: give a whole number from 1`)
  }
  if (JSON.stringify(planned) === JSON.stringify(plannedAfter(state.planned, {}))) return nothing(`agent ${state.agent} is configured so already`)
  return happened<AgentEvent>({ type: 'AgentConfigured', data: planned })
}

/** Keys in one order and lists sorted, so that equal plans are equal text. */
function plannedAfter(before: PlannedConfiguration, change: PlanChange): PlannedConfiguration {
  const after = { ...before, ...change }
  const list = (skills: readonly string[] | null | undefined) => (skills == null || skills.length === 0 ? undefined : [...new Set(skills)].sort())
  const [skillsOn, skillsOff] = [list(after.skillsOn), list(after.skillsOff)]
  return {
    ...(after.role == null ? {} : { role: after.role }),
    ...(after.region == null ? {} : { region: after.region }),
    ...(skillsOn === undefined ? {} : { skillsOn }),
    ...(skillsOff === undefined ? {} : { skillsOff }),
    ...(after.skilledOnly == null ? {} : { skilledOnly: after.skilledOnly }),
    ...(after.capacity == null ? {} : { capacity: after.capacity }),
    ...(after.holdsLanes == null ? {} : { holdsLanes: after.holdsLanes }),
  }
}
