/** Given / when / then for process machines, by XState's pure `transition`: states and effects as data, no actor, no clock. */
import { type AnyStateMachine, type EventFromLogic, type InputFrom, initialTransition, transition } from 'xstate'

export interface Outcome {
  readonly state: unknown
  /** Named effects in order, with their parameters. */
  readonly effects: readonly { readonly type: string; readonly params?: unknown }[]
  /** Delay by the state's own name for it, milliseconds. */
  readonly delaysMs: readonly number[]
}

export function after(state: string, delay: string, machine: string) {
  return { type: `xstate.after.${delay}.${machine}.${state}` } as never
}

/** Tags of the state after the last signal. */
export function tagsAfter<M extends AnyStateMachine>(machine: M, input: InputFrom<M>, signals: readonly EventFromLogic<M>[]): string[] {
  let [snapshot] = initialTransition(machine, input as never) as [never, unknown]
  for (const signal of signals) [snapshot] = transition(machine, snapshot, signal as never) as unknown as [never]
  return [...(snapshot as { readonly tags: ReadonlySet<string> }).tags]
}

/** The state and effects after the last signal; those before only lead there. */
export function run<M extends AnyStateMachine>(machine: M, input: InputFrom<M>, signals: readonly EventFromLogic<M>[]): Outcome {
  let [snapshot, actions] = initialTransition(machine, input as never) as [never, readonly { type: string; params?: unknown }[]]
  for (const signal of signals) [snapshot, actions] = transition(machine, snapshot, signal as never) as unknown as [never, typeof actions]
  const raised = actions.filter((action) => action.type === 'xstate.raise')
  return {
    state: (snapshot as { readonly value: unknown }).value,
    effects: actions
      .filter((action) => !action.type.startsWith('xstate.'))
      .map(({ type, params }) => (params === undefined ? { type } : { type, params })),
    delaysMs: raised.map((action) => (action.params as { readonly delay?: number }).delay ?? 0),
  }
}
