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

/** The entry of a program that begins: a new one the first time, else the known one with the process and connection that it has now. */
export function entryIn<Program extends WorldProgram>(programs: Program[], begun: Program): Program {
  const known = programs.find(({ agent }) => agent === begun.agent)
  if (known === undefined) {
    programs.push(begun)
    return begun
  }
  known.process = begun.process
  known.coordinator = begun.coordinator
  return known
}
