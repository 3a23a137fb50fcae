/**
 * A machine as the JSON that Stately's tools read: the configuration given to `createMachine`, with the names of actions,
 * guards and actors in place of their code.
 */
import type { AnyStateMachine } from 'xstate'
import { nameOf } from './graph.ts'

/** Code and values that only a running machine has. */
const leftOut: ReadonlySet<string> = new Set(['types', 'schemas', 'context', 'input', 'output', 'params'])

export function statelyJsonOf(machine: AnyStateMachine): string {
  return `${JSON.stringify({ id: machine.id, ...(plain(machine.config) as object) }, null, 2)}\n`
}

function plain(value: unknown): unknown {
  if (typeof value === 'function') return nameOf(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  // A logic or a machine that is invoked by itself, not by name.
  if (Object.getPrototypeOf(value) !== Object.prototype) return nameOf(value)
  const entries = Object.entries(value).filter(([key, entry]) => !leftOut.has(key) && entry !== undefined)
  return Object.fromEntries(entries.map(([key, entry]) => [key, plain(entry)]))
}
