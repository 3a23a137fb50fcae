/** What an agent says of itself [115]: who it is, what it can do, where each of its machines stands. */
import type { Manifest } from '../../machines/agent/configuration.ts'
import { type AgentDescription, type MachineState, laneHolderName } from '../../streams/agent-messages.ts'
import type { Parts } from './parts.ts'
import type { AgentOptions } from './running-agent.ts'

export interface AgentStanding {
  readonly instance: string
  /** Epoch while it leads. */
  readonly leading: number | undefined
  /** Lanes. */
  readonly held: readonly string[]
  readonly startedMs: number
  readonly manifest: Manifest
  /** Of the life cycle. */
  readonly state: MachineState
}

/** `parts`: undefined before the realm was joined. */
export function describeAgent(options: AgentOptions, parts: Parts | undefined, standing: AgentStanding): AgentDescription {
  const { agent, build, coordinator } = options
  const { instance, leading, held, startedMs, manifest, state } = standing
  const configured = parts?.configuration.inForce
  const { role, region, skills } = configured?.configuration ?? options
  const { place } = coordinator
  const machines: Record<string, MachineState> = { agent: state }
  if (parts !== undefined) machines['presence'] = parts.presence.machine.state.value as MachineState
  if (parts?.election !== undefined) machines['election'] = parts.election.machine.state.value as MachineState
  if (parts?.leading !== undefined) machines['leader'] = parts.leading.leader.machine.state.value as MachineState
  for (const [lane, phase] of parts?.lanes.phases ?? []) machines[laneHolderName(lane)] = phase
  return {
    agent,
    instance,
    role,
    region,
    skills,
    build,
    adapters: manifest.adapters,
    machines,
    leading: leading ?? null,
    lanes: held,
    load: parts?.executing.load ?? { queued: 0, held: 0 },
    startedMs,
    manifest,
    configuration: configured ?? null,
    coordinator: place === undefined ? null : { url: place.url, region: place.region },
  }
}
