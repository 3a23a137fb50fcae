/**
 * Transitions in the protocol of Stately Inspector (package `@statelyai/inspect`): each machine of an agent is an actor with its
 * definition; a transition is the event that it was sent and the snapshot after it. Pure but for what it remembers.
 *
 * Owns: the present state of each machine heard of, so that whoever connects late sees all of them (`present`).
 */
import { registeredMachines } from '../../machines/registry.ts'
import { type MachineState, type TransitionMessage, definitionName } from '../../streams/agent-messages.ts'
import { statelyJsonOf } from '../machine-export/stately-json.ts'

/** Version of the protocol, as the package says it in each event. */
export const statelyVersion = '0.7.2'

interface StatelyBase {
  /** Milliseconds since the Unix epoch, as text. */
  readonly createdAt: string
  readonly _version: string
  readonly id: string
  readonly sessionId: string
  readonly rootId: string
}

export interface StatelySnapshot {
  readonly status: 'active' | 'done'
  readonly value: MachineState
  readonly context: Readonly<Record<string, never>>
}

export type StatelyEvent =
  | (StatelyBase & {
      readonly type: '@xstate.actor'
      readonly name: string
      /** JSON of the machine's definition. */
      readonly definition?: string
      readonly snapshot: StatelySnapshot
    })
  | (StatelyBase & { readonly type: '@xstate.event'; readonly event: { readonly type: string } })
  | (StatelyBase & { readonly type: '@xstate.snapshot'; readonly event: { readonly type: string }; readonly snapshot: StatelySnapshot })

export interface MachineAt {
  readonly agent: string
  readonly machine: string
  readonly state: MachineState
  readonly atMs: number
}

export class StatelyActors {
  readonly #present = new Map<string, MachineAt>()

  /** What is known of a machine before it was heard. Nothing where it was. */
  known(at: MachineAt): readonly StatelyEvent[] {
    if (this.#present.has(sessionOf(at))) return []
    this.#present.set(sessionOf(at), at)
    return [actorEvent(at)]
  }

  heard({ agent, machine, number, from, event, to, atMs }: TransitionMessage): readonly StatelyEvent[] {
    const at = { agent, machine, state: to, atMs }
    const sessionId = sessionOf(at)
    const first = this.#present.has(sessionId) ? [] : [actorEvent({ ...at, state: from })]
    this.#present.set(sessionId, at)
    const of = (part: string) => ({ ...base(at), id: `${sessionId}/${number}/${part}`, event: { type: event } })
    return [...first, { type: '@xstate.event', ...of('event') }, { type: '@xstate.snapshot', ...of('snapshot'), snapshot: snapshotOf(at) }]
  }

  /** Every machine as an actor in the state that it is in now. */
  present(): readonly StatelyEvent[] {
    return [...this.#present.values()].map(actorEvent)
  }
}

function sessionOf({ agent, machine }: MachineAt): string {
  return `${agent}/${machine}`
}

function base(at: MachineAt) {
  const sessionId = sessionOf(at)
  return { createdAt: String(at.atMs), _version: statelyVersion, sessionId, rootId: sessionId }
}

function actorEvent(at: MachineAt): StatelyEvent {
  const definition = definitions.get(definitionName(at.machine))?.json
  return {
    type: '@xstate.actor',
    ...base(at),
    id: `${sessionOf(at)}/actor`,
    name: `${at.agent} ${at.machine}`,
    ...(definition === undefined ? {} : { definition }),
    snapshot: snapshotOf(at),
  }
}

function snapshotOf({ machine, state }: MachineAt): StatelySnapshot {
  const done = typeof state === 'string' && definitions.get(definitionName(machine))?.final.has(state) === true
  return { status: done ? 'done' : 'active', value: state, context: {} }
}

const definitions: ReadonlyMap<string, { readonly json: string; readonly final: ReadonlySet<string> }> = new Map(
  registeredMachines.map(({ name, machine }) => {
    const states = Object.entries(machine.states as Record<string, { readonly type: string }>)
    return [name, { json: statelyJsonOf(machine), final: new Set(states.filter(([, { type }]) => type === 'final').map(([key]) => key)) }]
  }),
)
