/** The programs of a simulated world, as who strikes them sees them: agents and services. */
import type { AgentRole } from '../../machines/agent/agent.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { SimAgent } from './agent.ts'
import type { SimProcess } from './process.ts'
import type { SimService } from './service.ts'

/** What may be killed, paused, cut off and started again. */
export interface WorldProgram {
  /** Id of the agent or service. */
  readonly agent: string
  readonly role: AgentRole | 'service'
  process: SimProcess
  coordinator: Coordinator
  running: { stop(): Promise<unknown> } | undefined
}

export interface WorldAgent extends WorldProgram {
  readonly role: AgentRole
  running: SimAgent | undefined
}

export interface WorldService extends WorldProgram {
  readonly role: 'service'
  running: SimService | undefined
}
