/**
 * What an agent says of itself: answers on `<realm>.agent.<id>.…` and its machines' transitions on `<realm>.inspect.>`.
 * Not kept anywhere; documented in `docs/wire.md`, "Messages that are not kept".
 */
import type { AgentRole } from '../machines/agent/agent.ts'
import type { AgentConfiguration, Manifest, Signature } from '../machines/agent/configuration.ts'
import type { GrantRef } from './lane-protocol.ts'

/** State of a machine as XState's tools read it: a name, or an object of regions. */
export type MachineState = string | { readonly [region: string]: MachineState }

/** An agent has one of these machines for each lane that was ever mapped to it: each is a machine of its own, with its own name. */
export function laneHolderName(lane: string): string {
  return `lane-holder-${lane}`
}

/** Name of the definition of a machine that an agent names (`machines/registry.ts`). */
export function definitionName(machine: string): string {
  return machine.startsWith('lane-holder-') ? 'lane-holder' : machine
}

/** `<realm>.inspect.<agent>.<machine>`: one per transition, live only. */
export interface TransitionMessage {
  readonly agent: string
  readonly instance: string
  readonly machine: string
  /** Of this machine in this process, contiguous from 1: a gap is a lost message. */
  readonly number: number
  readonly from: MachineState
  /** Type of the signal; its data is not published. */
  readonly event: string
  readonly to: MachineState
  readonly atMs: number
}

/** Answer to `<realm>.agent.<id>.describe`: what the agent is built to do [610], and what it is doing. */
export interface AgentDescription {
  readonly agent: string
  readonly instance: string
  readonly role: AgentRole
  readonly region: string
  readonly skills: readonly string[]
  readonly build: string
  /** Kinds of sites that it has an adapter for. */
  readonly adapters: readonly string[]
  readonly machines: { readonly [machine: string]: MachineState }
  /** Epoch, while it leads. */
  readonly leading: number | null
  readonly lanes: readonly string[]
  readonly load: { readonly queued: number; readonly held: number }
  readonly startedMs: number
  /** Since format 2, as what follows: what its build can do [610]. */
  readonly manifest?: Manifest
  /** That it goes by; null before it received one. */
  readonly configuration?: { readonly configuration: AgentConfiguration; readonly signature: Signature } | null
  /** Server that it is connected to; null where that is not known. */
  readonly coordinator?: { readonly url: string; readonly region: string | null } | null
}

/** `<realm>.agent.<id>.abort`: the leader has had no word of this grant for longer than it can take (I9). Answered by the process that the instance is of. */
export interface AbortRequest extends GrantRef {
  /** That the grant names. */
  readonly instance: string
  /** Of the leader that asks: one that an executor knows to be over is not answered (P27). */
  readonly epoch: number
}

export type AbortAnswer =
  /** No call of that token runs, and none will (P19). What is known of its jobs is offered to the lane's holder as ever. */
  | { readonly kind: 'stopped' }
  /** A call of it has not ended yet. */
  | { readonly kind: 'running' }

/** `<realm>.agent.<id>.stop` */
export interface StopRequest {
  /** graceful: finishes or hands back; forced: aborts its calls, their outcomes are `Unknown` unless a read settles them. */
  readonly mode: 'graceful' | 'forced'
  /** Only this instance, where it is given. */
  readonly instance?: string
}

export type StopAnswer =
  | { readonly kind: 'stopping'; readonly instance: string }
  | { readonly kind: 'refused'; readonly text: string }
