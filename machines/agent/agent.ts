/** What the log knows of an agent [115]: its starts and ends. Its life cycle as a process is `life-cycle.ts`. */

export type AgentRole = 'generic' | 'skilled'

export type AgentEvent =
  | {
      readonly type: 'AgentStarted'
      readonly data: {
        readonly instance: string
        readonly role: AgentRole
        readonly region: string
        readonly skills: readonly string[]
        readonly build: string
      }
    }
  /** By the agent itself, having finished or handed back what it held. */
  | { readonly type: 'AgentStopped'; readonly data: { readonly instance: string } }
  /** By the leader, when the presence of the instance is lost for good (P18). */
  | { readonly type: 'AgentLost'; readonly data: { readonly instance: string } }

export interface AgentState {
  readonly agent: string
  revision: number
  phase: 'absent' | 'started' | 'stopped' | 'lost'
  instance: string
  role: AgentRole
  region: string
  skills: readonly string[]
  build: string
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

export function absentAgent(agent: string): AgentState {
  return { agent, revision: 0, phase: 'absent', instance: '', role: 'generic', region: '', skills: [], build: '', unknownType: null }
}

export function foldAgent(state: AgentState, event: AgentEvent): void {
  state.revision += 1
  switch (event.type) {
    case 'AgentStarted':
      state.phase = 'started'
      state.instance = event.data.instance
      state.role = event.data.role
      state.region = event.data.region
      state.skills = event.data.skills
      state.build = event.data.build
      return
    case 'AgentStopped':
      if (state.instance === event.data.instance) state.phase = 'stopped'
      return
    case 'AgentLost':
      if (state.instance === event.data.instance) state.phase = 'lost'
      return
    default: {
      const unknown: never = event
      state.unknownType ??= (unknown as { type: string }).type
    }
  }
}
