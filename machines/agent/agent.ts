/** What the log knows of an agent [115]: its starts and ends, and what is planned for it. Its life cycle as a process is `life-cycle.ts`. */
import type { PlannedConfiguration } from './configuration.ts'
import { total } from '../total.ts'

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
        /** Since format 2: short digest of what its build can do (`manifest.ts`). */
        readonly manifest?: string
      }
    }
  /** Since format 2. What is planned for it [608], whole. */
  | { readonly type: 'AgentConfigured'; readonly data: PlannedConfiguration }
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
  /** Of its last start; null where that says none. */
  manifest: string | null
  planned: PlannedConfiguration
  /** Of the last event that changed what is planned for it or how it was started. */
  planRevision: number
  /** Type of an event that this build does not know; it must not write then. */
  unknownType: string | null
}

export function absentAgent(agent: string): AgentState {
  return {
    agent,
    revision: 0,
    phase: 'absent',
    instance: '',
    role: 'generic',
    region: '',
    skills: [],
    build: '',
    manifest: null,
    planned: {},
    planRevision: 0,
    unknownType: null,
  }
}

export const foldAgent = total((state: AgentState, event: AgentEvent): void => {
  state.revision += 1
  switch (event.type) {
    case 'AgentStarted':
      if (saysOther(state, event.data)) state.planRevision = state.revision
      state.phase = 'started'
      state.instance = event.data.instance
      state.role = event.data.role
      state.region = event.data.region
      state.skills = event.data.skills
      state.build = event.data.build
      state.manifest = event.data.manifest ?? null
      return
    case 'AgentConfigured':
      state.planned = event.data
      state.planRevision = state.revision
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
})

/** A start that says what the one before said does not count as a change. */
function saysOther(state: AgentState, start: Extract<AgentEvent, { readonly type: 'AgentStarted' }>['data']): boolean {
  const { role, region, skills, build, manifest = null } = start
  const same = role === state.role && region === state.region && build === state.build && manifest === state.manifest
  return state.planRevision === 0 || !same || skills.length !== state.skills.length || skills.some((skill, index) => skill !== state.skills[index])
}
