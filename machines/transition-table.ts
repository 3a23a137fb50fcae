/**
 * A machine's transitions as a plain table, for folds of millions of events (DESIGN §5 "Fold"). The XState definition stays
 * the single source: the table is computed by asking XState itself about every state and event, once per machine.
 *
 * Only flat machines without guards or context in their transitions can be tabled; `tableOf` throws for others.
 */
import { type AnyStateMachine, getNextTransitions, transition } from 'xstate'

export interface TransitionTable<State extends string, Event extends string> {
  readonly states: readonly State[]
  readonly events: readonly Event[]
  /** State after `event` in `state`; undefined where the machine has no such transition. */
  next(state: State, event: Event): State | undefined
  /** Whether the machine has a transition for `event` in `state`. */
  can(state: State, event: Event): boolean
  readonly initial: State
  isFinal(state: State): boolean
}

export function tableOf<State extends string, Event extends string>(machine: AnyStateMachine): TransitionTable<State, Event> {
  const states = Object.keys(machine.states) as State[]
  const events = machine.events.filter((event: string) => event !== '*') as Event[]
  const rows: Record<string, Record<string, State>> = {}
  for (const state of states) {
    const node = machine.states[state]
    if (Object.keys(node?.states ?? {}).length > 0) throw new Error(`machine ${machine.id}: state ${state} is not flat`)
    const snapshot = machine.resolveState({ value: state, context: {} })
    const row: Record<string, State> = Object.create(null)
    for (const definition of getNextTransitions(snapshot)) {
      if (definition.guard !== undefined) throw new Error(`machine ${machine.id}: ${state} on ${definition.eventType} has a guard`)
    }
    for (const event of events) {
      if (!snapshot.can({ type: event })) continue
      const [after] = transition(machine, snapshot, { type: event })
      row[event] = after.value as State
    }
    rows[state] = row
  }
  const finals = new Set(states.filter((state) => machine.states[state]?.type === 'final'))
  return {
    states,
    events,
    next: (state, event) => rows[state]?.[event],
    can: (state, event) => rows[state]?.[event] !== undefined,
    initial: machine.root.initial.target[0]?.key as State,
    isFinal: (state) => finals.has(state),
  }
}
