/**
 * Leader procedure [524, 526; FIG. 6] while an agent leads: collect what the coordinator knows, compare default with current,
 * place, push, and watch until something changes; over and over (P27).
 */
import { assign, setup } from 'xstate'

export interface LeaderInput {
  /** Between two rounds when nothing is heard to have changed (P27). */
  readonly reconcileMs: number
  readonly retryMs: number
}

export interface LeaderContext extends LeaderInput {
  /** Something changed while a round was under way: the next one follows at once. */
  readonly stale: boolean
  readonly epoch: number
}

export type LeaderSignal =
  | { readonly type: 'Lead'; readonly epoch: number }
  | { readonly type: 'StopLeading' }
  | { readonly type: 'Collected' }
  /** `differs`: default and current are not the same [616-622]. */
  | { readonly type: 'Compared'; readonly differs: boolean }
  | { readonly type: 'Placed' }
  | { readonly type: 'Pushed' }
  /** Agents, groups, lanes or mappings changed. */
  | { readonly type: 'Changed' }
  | { readonly type: 'Failed' }

export type LeaderEffects = {
  /** [604, 612] */
  collect: undefined
  /** [614-622] */
  compare: undefined
  /** [626] */
  place: undefined
  /** [628] */
  push: { readonly epoch: number }
}

const machineSetup = setup({
  types: {} as { context: LeaderContext; input: LeaderInput; events: LeaderSignal },
  actions: { collect: () => {}, compare: () => {}, place: () => {}, push: () => {} } as {
    [Name in keyof LeaderEffects]: (_: unknown, params: LeaderEffects[Name]) => void
  },
  guards: {
    stale: ({ context }) => context.stale,
    differs: ({ event }) => event.type === 'Compared' && event.differs,
  },
  delays: { reconcileMs: ({ context }) => context.reconcileMs, retryMs: ({ context }) => context.retryMs },
})

const noteChange = machineSetup.assign({ stale: true })

export const leaderMachine = machineSetup.createMachine({
  id: 'leader',
  context: ({ input }) => ({ ...input, stale: false, epoch: 0 }),
  initial: 'idle',
  states: {
    idle: { on: { Lead: { target: 'leading', actions: assign({ epoch: ({ event }) => event.epoch, stale: false }) } } },
    leading: {
      initial: 'collecting',
      on: { StopLeading: 'idle', Failed: '.waiting', Changed: { actions: noteChange } },
      states: {
        collecting: { entry: [machineSetup.assign({ stale: false }), 'collect'], on: { Collected: 'comparing' } },
        comparing: {
          entry: 'compare',
          on: { Compared: [{ guard: 'differs', target: 'placing' }, { target: 'watching' }] },
        },
        placing: { entry: 'place', on: { Placed: 'pushing' } },
        pushing: { entry: { type: 'push', params: ({ context }) => ({ epoch: context.epoch }) }, on: { Pushed: 'watching' } },
        watching: {
          always: { guard: 'stale', target: 'collecting' },
          on: { Changed: 'collecting' },
          after: { reconcileMs: 'collecting' },
        },
        waiting: { after: { retryMs: 'collecting' } },
      },
    },
  },
})
