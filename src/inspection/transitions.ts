/**
 * Transitions as they are heard on `<realm>.inspect.…`: live, from whoever publishes them, so judged before they are shown.
 *
 * Owns: the last number heard of each machine. A number that does not follow is a gap, which is said and never filled: what can be
 * wound back is what the log holds (DESIGN §3).
 */
import { type MachineState, type TransitionMessage, definitionName } from '../../streams/agent-messages.ts'
import { MalformedMessage, fromBytes } from '../../streams/coordination.ts'

export interface HeardTransition extends TransitionMessage {
  /** Transitions of this machine that were published since the last one heard, and did not arrive. */
  readonly missed: number
}

export class Transitions {
  readonly #last = new Map<string, number>()

  /** Undefined for what is no transition. */
  heard(data: Uint8Array): HeardTransition | undefined {
    const message = transitionIn(data)
    if (message === undefined) return undefined
    const key = `${message.agent} ${message.machine}`
    const last = this.#last.get(key)
    this.#last.set(key, message.number)
    // A process counts from 1: a number that is not higher is that of a new one.
    const before = last === undefined ? message.number - 1 : message.number > last ? last : 0
    return { ...message, missed: message.number - 1 - before }
  }
}

/** Whether a person who named a machine means this one: by its own name, or by that of its definition. */
export function isMachine(wanted: string | undefined, machine: string): boolean {
  return wanted === undefined || wanted === machine || wanted === definitionName(machine)
}

function transitionIn(data: Uint8Array): TransitionMessage | undefined {
  let value: Partial<TransitionMessage> | null
  try {
    value = fromBytes<Partial<TransitionMessage> | null>(data)
  } catch (error) {
    if (error instanceof MalformedMessage) return undefined
    throw error
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { agent, instance, machine, number, from, event, to, atMs } = value
  const named = typeof agent === 'string' && typeof instance === 'string' && typeof machine === 'string' && typeof event === 'string'
  if (!named || !isWhole(number) || number < 1 || !isWhole(atMs) || !isState(from) || !isState(to)) return undefined
  return { agent, instance, machine, number, from, event, to, atMs }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

const deepest = 16

function isState(value: unknown, depth = 0): value is MachineState {
  if (typeof value === 'string') return true
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth === deepest) return false
  return Object.values(value).every((inner) => isState(inner, depth + 1))
}
