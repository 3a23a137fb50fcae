/**
 * Given events, when decided, then events, nothing or a refusal. `then` also folds what was decided: `decide` never
 * writes what `evolve` does not accept.
 */
import { expect } from 'vitest'
import type { Decision, RefusalCode } from '../../machines/decision.ts'

export interface Specified<State, E> {
  /** The state after the given events. */
  readonly state: State
  when(decide: (state: State) => Decision<E>): Expected<State, E>
}

export interface Expected<State, E> {
  /** Returns the specification of what follows on the decided events. */
  then(...events: E[]): Specified<State, E>
  thenNothing(): Specified<State, E>
  thenRefused(code: RefusalCode): Specified<State, E>
}

export interface Decider<State, E> {
  empty(): State
  /** In place. */
  fold(state: State, event: E): void
  /** What is wrong with the state; undefined for nothing. */
  fault(state: State): unknown
}

export function specification<State, E>(decider: Decider<State, E>): (...events: E[]) => Specified<State, E> {
  const after = (events: readonly E[]): Specified<State, E> => {
    const state = decider.empty()
    for (const event of events) decider.fold(state, event)
    return {
      state,
      when(decide) {
        const before = JSON.stringify(state)
        const decision = decide(state)
        expect(JSON.stringify(state), 'decide changes nothing').toBe(before)
        return {
          then(...expected) {
            expect(decision).toEqual({ kind: 'events', events: expected })
            const next = after([...events, ...expected])
            if (decider.fault(state) === undefined) expect(decider.fault(next.state), 'evolve accepts what was decided').toBeUndefined()
            return next
          },
          thenNothing() {
            expect(decision).toMatchObject({ kind: 'nothing' })
            return after(events)
          },
          thenRefused(code) {
            expect(decision).toMatchObject({ kind: 'refused', refusal: { code } })
            return after(events)
          },
        }
      },
    }
  }
  return (...events) => after(events)
}
