/** What may be recorded of an agent: its own starts and stops, and the leader's finding that an instance is lost. */
import { type Decision, happened, nothing } from '../decision.ts'
import type { AgentEvent, AgentState } from './agent.ts'

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
