/**
 * How an agent comes to hold a lane, and how it lets go (P1, P2, P7). One process machine for each lane that the mapping may
 * name this agent for. Effects are named actions with data; `src/lane/host.ts` performs them.
 */
import { setup } from 'xstate'

export type LaneHolderSignal =
  /** The mapping, read from the stream's leader, names this agent. */
  | { readonly type: 'Mapped' }
  /** The mapping names another agent. Who holds goes on until the other asks. */
  | { readonly type: 'Unmapped' }
  /** The agent stops, or its clock is not to be trusted (P15). */
  | { readonly type: 'LetGo' }
  /** Folded to the end: nobody holds it, or a former instance of this very agent does. */
  | { readonly type: 'FoldedFree' }
  /** Folded to the end: another agent holds it. */
  | { readonly type: 'FoldedHeld' }
  /** Cannot be folded: an unknown type, a damaged turn. */
  | { readonly type: 'FoldFailed' }
  /** It released; the fold goes on to its `LaneReleased`. */
  | { readonly type: 'HolderReleased' }
  /** Twice no responders, its presence is lost, or it has not released `laneHandoverMs` after the first asking. */
  | { readonly type: 'HolderGone' }
  | { readonly type: 'Taken' }
  /** Somebody wrote in between. */
  | { readonly type: 'Conflict' }
  /** A successor asks, and the mapping names it. */
  | { readonly type: 'ReleaseAsked' }
  /** A conflict that shows another's `LaneTaken`, or an append of another incarnation. */
  | { readonly type: 'Replaced' }
  | { readonly type: 'Released' }

export const laneHolderMachine = setup({
  types: { events: {} as LaneHolderSignal },
  actions: {
    fold: () => {},
    askRelease: () => {},
    stopAsking: () => {},
    take: () => {},
    hold: () => {},
    release: () => {},
    drop: () => {},
    report: () => {},
    reconsider: () => {},
  },
}).createMachine({
  id: 'lane-holder',
  initial: 'idle',
  states: {
    idle: {
      entry: 'reconsider',
      on: { Mapped: 'folding' },
    },
    folding: {
      entry: 'fold',
      on: {
        FoldedFree: 'taking',
        FoldedHeld: 'asking',
        FoldFailed: { target: 'idle', actions: 'report' },
        Unmapped: 'idle',
        LetGo: 'idle',
      },
    },
    asking: {
      entry: 'askRelease',
      exit: 'stopAsking',
      on: { HolderReleased: 'folding', HolderGone: 'taking', Unmapped: 'idle', LetGo: 'idle' },
    },
    taking: {
      entry: 'take',
      on: {
        Taken: 'holding',
        // Fold what came in between and look again who holds it.
        Conflict: 'folding',
        Replaced: 'idle',
      },
    },
    holding: {
      entry: 'hold',
      on: {
        ReleaseAsked: 'releasing',
        LetGo: 'releasing',
        Replaced: { target: 'idle', actions: 'drop' },
      },
    },
    releasing: {
      entry: 'release',
      on: { Released: 'idle', Replaced: { target: 'idle', actions: 'drop' } },
    },
  },
})
