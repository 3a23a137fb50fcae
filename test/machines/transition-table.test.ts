/** Every generated table equals XState's own transition, on every state and event; found by looking, so that no machine is left out. */
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type AnyStateMachine, StateMachine, createMachine, transition } from 'xstate'
import { type TransitionTable, tableOf } from '../../machines/transition-table.ts'

const folder = new URL('../../machines/', import.meta.url)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).sort()

interface Tabled {
  readonly name: string
  readonly machine: AnyStateMachine
  readonly table: TransitionTable<string, string>
}

const tabled: Tabled[] = []
for (const file of files) {
  const exported = (await import(new URL(file, folder).href)) as Record<string, unknown>
  for (const [name, machine] of Object.entries(exported)) {
    if (!(machine instanceof StateMachine)) continue
    const table = exported[name.replace(/Machine$/, 'Table')] as TransitionTable<string, string> | undefined
    if (table !== undefined) tabled.push({ name, machine, table })
  }
}

it('finds the tables of the aggregate machines', () => {
  expect(tabled.map(({ name }) => name)).toEqual(expect.arrayContaining(['groupMachine', 'jobMachine', 'laneMachine']))
})

describe.each(tabled)('$name', ({ machine, table }) => {
  const configured = machine.config.states as Record<string, { type?: string; on?: Record<string, unknown> }>
  it('has the states, the initial and the final ones of its definition', () => {
    expect([...table.states].sort()).toEqual(Object.keys(configured).sort())
    expect(table.initial).toBe(machine.config.initial)
    for (const state of table.states) expect(table.isFinal(state)).toBe(configured[state]?.type === 'final')
  })
  it('says for each state and event what XState does', () => {
    const events = new Set(Object.values(configured).flatMap((state) => Object.keys(state.on ?? {})))
    expect(new Set(table.events)).toEqual(events)
    for (const state of table.states) {
      for (const event of [...events, 'NoSuchEvent']) {
        const [after] = transition(machine, machine.resolveState({ value: state, context: {} }), { type: event })
        const has = configured[state]?.on?.[event] !== undefined
        expect(table.can(state, event), `${state} on ${event}`).toBe(has)
        expect(table.next(state, event), `${state} on ${event}`).toBe(has ? after.value : undefined)
        if (!has) expect(after.value).toBe(state)
      }
    }
  })
  it('reaches every state, and leads from each to an end where there is one', () => {
    const reach = (from: string) => {
      const seen = new Set([from])
      for (const state of seen) for (const event of table.events) {
        const next = table.next(state, event)
        if (next !== undefined) seen.add(next)
      }
      return seen
    }
    const finals = table.states.filter((state) => table.isFinal(state))
    const fromStart = reach(table.initial)
    for (const state of table.states) {
      // A group is faulted by what has no transition.
      if (state !== 'faulted') expect(fromStart, state).toContain(state)
      if (finals.length > 0) expect([...reach(state)].some((reached) => finals.includes(reached)), `${state} can be left`).toBe(true)
    }
  })
})

describe('tableOf', () => {
  it('refuses what a plain table cannot say', () => {
    const nested = createMachine({ id: 'nested', initial: 'a', states: { a: { initial: 'b', states: { b: {} } } } })
    expect(() => tableOf(nested)).toThrow('is not flat')
    const guarded = createMachine({ id: 'guarded', initial: 'a', states: { a: { on: { Go: { target: 'b', guard: () => true } } }, b: {} } })
    expect(() => tableOf(guarded)).toThrow('has a guard')
  })
})
