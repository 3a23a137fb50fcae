/**
 * Presence of one instance of an agent (P17, P18): created once, renewed on its own last revision, never created again; its
 * loss is final, and the process goes on under a new instance.
 */
import { setup } from 'xstate'

export interface PresenceInput {
  /** Without an acknowledged renewal for so long, the instance counts as lost (P17). */
  readonly presenceMs: number
}

export type PresenceSignal =
  /** A renewal, or the creation, was acknowledged, or a read has shown that it landed. */
  | { readonly type: 'Renewed' }
  /** A write whose answer did not come; the key is being read. */
  | { readonly type: 'Unsettled' }
  /** The key holds a marker, nothing, or another's value. */
  | { readonly type: 'Gone' }
  /** The process has chosen its next instance id. */
  | { readonly type: 'Renamed' }
  | { readonly type: 'Leave' }
  | { readonly type: 'Left' }

export type PresenceEffects = {
  /** Create the key of the present instance and renew it from then on. */
  claim: undefined
  /** The first acknowledgement: locks may be asked for (P17). */
  acknowledged: undefined
  /** Stop renewing, drop what was not begun, choose a new instance id, and answer `Renamed`. */
  replaceInstance: undefined
  /** Remove the key and answer `Left`. */
  leave: undefined
}

export const presenceMachine = setup({
  types: {} as { context: PresenceInput; input: PresenceInput; events: PresenceSignal },
  actions: { claim: () => {}, acknowledged: () => {}, replaceInstance: () => {}, leave: () => {} } as {
    [Name in keyof PresenceEffects]: () => void
  },
  delays: { presenceMs: ({ context }) => context.presenceMs },
}).createMachine({
  id: 'presence',
  context: ({ input }) => input,
  initial: 'creating',
  on: { Leave: '.leaving' },
  states: {
    creating: {
      entry: 'claim',
      on: { Renewed: { target: 'present', actions: 'acknowledged' }, Gone: 'lost' },
    },
    // Each acknowledgement enters anew, so that the time is counted from the last one, through `unsure` too.
    present: {
      initial: 'sure',
      on: { Renewed: { target: 'present', reenter: true }, Unsettled: '.unsure', Gone: 'lost' },
      after: { presenceMs: 'lost' },
      states: { sure: {}, unsure: {} },
    },
    lost: {
      entry: 'replaceInstance',
      on: { Renamed: 'creating' },
    },
    leaving: {
      entry: 'leave',
      on: { Left: 'left', Leave: {} },
    },
    left: { type: 'final' },
  },
})
