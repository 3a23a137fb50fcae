/**
 * Election of the leader [504, 518-522] as one generic agent takes part in it. The lease is no authority (I7): who wins it
 * appends `LeaderElected`, and the log arbitrates. Skilled agents never run this machine.
 */
import { assign, setup } from 'xstate'

export interface LeaseSeen {
  readonly agent: string
  readonly instance: string
  /** Of the lease's key. */
  readonly revision: number
}

export interface ElectionInput {
  /** This agent. */
  readonly agent: string
  /** Least time between the two "no responders" that make a death. */
  readonly confirmMs: number
  /** Before something that could not be done is tried again. */
  readonly retryMs: number
  /** Who has the lease and for so long could not append `LeaderElected` lets others try: alive means working (P7). */
  readonly declareMs: number
  /** Longer than the lease lives without it. */
  readonly asideMs: number
}

export interface ElectionContext extends ElectionInput {
  readonly lease: LeaseSeen | null
  readonly epoch: number
  /** `LeaderElected` of the present lease is in the log. */
  readonly declared: boolean
}

export type ElectionSignal =
  | { readonly type: 'Connected' }
  | { readonly type: 'Disconnected' }
  /** Subscribed to its own subject, and the server has seen it. */
  | { readonly type: 'Prepared' }
  /** Own write of the lease was acknowledged, or a read has shown it. */
  | { readonly type: 'LeaseTaken'; readonly revision: number }
  /** The lease as it was read or watched. */
  | { readonly type: 'LeaseHeld'; readonly lease: LeaseSeen }
  | { readonly type: 'LeaseGone' }
  /** No answer, or the coordinator could not be asked. */
  | { readonly type: 'Unsettled' }
  /** Nobody hears the leader's own subject, or another process answers there. */
  | { readonly type: 'NoResponders' }
  | { readonly type: 'Answered' }
  /** A time-out: no death. */
  | { readonly type: 'NoAnswer' }
  /** `LeaderElected` is in the log; `epoch` is its revision. */
  | { readonly type: 'Declared'; readonly epoch: number }
  /** The lease is another's, or could not be renewed for its whole duration; or the log names a later leader. */
  | { readonly type: 'LeaseLost' }
  | { readonly type: 'Resign' }
  | { readonly type: 'Resigned' }

export type ElectionEffects = {
  prepare: undefined
  createLease: undefined
  readLease: undefined
  /** Ping the leader over and over, and signal `NoResponders` when nobody hears it; a renewal of the same leader's lease changes nothing. */
  watchLeader: LeaseSeen
  stopWatching: undefined
  /** Once. */
  ping: LeaseSeen
  /** Write the lease on exactly this revision. */
  takeOver: { readonly revision: number }
  keepLease: { readonly revision: number }
  dropLease: undefined
  declare: undefined
  lead: { readonly epoch: number }
  stopLeading: undefined
  /** Remove the lease where it is one's own, and answer `Resigned`. */
  resign: undefined
}

const machineSetup = setup({
  types: {} as { context: ElectionContext; input: ElectionInput; events: ElectionSignal },
  actions: {
    prepare: () => {},
    createLease: () => {},
    readLease: () => {},
    watchLeader: () => {},
    stopWatching: () => {},
    ping: () => {},
    takeOver: () => {},
    keepLease: () => {},
    dropLease: () => {},
    declare: () => {},
    lead: () => {},
    stopLeading: () => {},
    resign: () => {},
  } as { [Name in keyof ElectionEffects]: (_: unknown, params: ElectionEffects[Name]) => void },
  guards: {
    // A lease in this agent's name that this process does not keep is a former process's (P20), or its own from before a disconnection.
    isOwn: ({ context, event }) => event.type === 'LeaseHeld' && event.lease.agent === context.agent,
    isAnother: ({ context, event }) => event.type === 'LeaseHeld' && event.lease.agent !== context.agent,
    isSameLeader: ({ context, event }) =>
      event.type === 'LeaseHeld' && event.lease.agent === context.lease?.agent && event.lease.instance === context.lease.instance,
    isSame: ({ context, event }) => event.type === 'LeaseHeld' && event.lease.revision === context.lease?.revision,
    isUndeclared: ({ context }) => !context.declared,
  },
  delays: {
    confirmMs: ({ context }) => context.confirmMs,
    retryMs: ({ context }) => context.retryMs,
    declareMs: ({ context }) => context.declareMs,
    asideMs: ({ context }) => context.asideMs,
  },
})

const noteLease = machineSetup.assign({ lease: ({ context, event }) => (event.type === 'LeaseHeld' ? event.lease : context.lease) })

/** What a read or the watch may say wherever the lease is not one's own. */
const leaseNews = {
  LeaseHeld: [
    { guard: 'isOwn', target: 'takingOver', actions: noteLease },
    { target: 'following', actions: noteLease },
  ],
  LeaseGone: 'campaigning',
} as const

/** While one waits for a ping's answer, only another revision is news: the leader lives. */
const leaseNewsInSuspicion = {
  LeaseHeld: [{ guard: 'isSame' }, { guard: 'isOwn', target: 'takingOver', actions: noteLease }, { target: 'following', actions: noteLease }],
  LeaseGone: 'campaigning',
} as const

const pingOfNamedLeader = { type: 'ping', params: ({ context }: { context: ElectionContext }) => context.lease! } as const

export const electionMachine = machineSetup.createMachine({
  id: 'election',
  context: ({ input }) => ({ ...input, lease: null, epoch: 0, declared: false }),
  initial: 'offline',
  on: { Disconnected: '.offline', Resign: '.resigning' },
  states: {
    offline: { on: { Connected: 'preparing' } },
    preparing: {
      entry: 'prepare',
      on: { Prepared: 'campaigning', Unsettled: 'waiting' },
    },
    waiting: { after: { retryMs: 'preparing' } },
    campaigning: {
      entry: 'createLease',
      on: {
        LeaseTaken: { target: 'elected', actions: { type: 'keepLease', params: ({ event }) => ({ revision: event.revision }) } },
        LeaseHeld: leaseNews.LeaseHeld,
        Unsettled: 'settling',
      },
    },
    settling: {
      entry: 'readLease',
      on: { ...leaseNews },
      // Also asks again when no answer came, or the coordinator could not be asked.
      after: { retryMs: { target: 'settling', reenter: true } },
    },
    following: {
      entry: { type: 'watchLeader', params: ({ context }) => context.lease! },
      exit: 'stopWatching',
      on: {
        LeaseHeld: [
          { guard: 'isSameLeader', actions: noteLease },
          { guard: 'isOwn', target: 'takingOver', actions: noteLease },
          { target: 'following', reenter: true, actions: noteLease },
        ],
        LeaseGone: 'campaigning',
        NoResponders: 'suspecting',
      },
    },
    suspecting: {
      on: { ...leaseNewsInSuspicion },
      after: { confirmMs: 'confirming' },
    },
    confirming: {
      entry: pingOfNamedLeader,
      on: { ...leaseNewsInSuspicion, Answered: 'following', NoAnswer: 'following', NoResponders: 'takingOver' },
    },
    takingOver: {
      entry: { type: 'takeOver', params: ({ context }) => ({ revision: context.lease!.revision }) },
      on: {
        LeaseTaken: { target: 'elected', actions: { type: 'keepLease', params: ({ event }) => ({ revision: event.revision }) } },
        LeaseHeld: [
          { guard: 'isSame' },
          { guard: 'isOwn', target: 'takingOver', reenter: true, actions: noteLease },
          { target: 'following', actions: noteLease },
        ],
        LeaseGone: 'campaigning',
        Unsettled: 'settling',
      },
    },
    // Has the lease; leads once the log says so.
    elected: {
      initial: 'declaring',
      entry: assign({ declared: false }),
      exit: 'dropLease',
      after: { declareMs: { guard: 'isUndeclared', target: 'aside' } },
      on: { LeaseLost: 'settling', LeaseGone: 'settling', LeaseHeld: { guard: 'isAnother', target: 'following', actions: noteLease } },
      states: {
        declaring: {
          entry: 'declare',
          on: {
            Declared: { target: 'leading', actions: assign({ epoch: ({ event }) => event.epoch, declared: true }) },
            Unsettled: 'retrying',
          },
        },
        retrying: { after: { retryMs: 'declaring' } },
        leading: {
          entry: { type: 'lead', params: ({ context }) => ({ epoch: context.epoch }) },
          exit: 'stopLeading',
        },
      },
    },
    // Its lease expires; whoever else campaigns goes first.
    aside: {
      on: { LeaseHeld: { guard: 'isAnother', target: 'following', actions: noteLease } },
      after: { asideMs: 'preparing' },
    },
    resigning: {
      entry: 'resign',
      on: { Resigned: 'resigned', Resign: {}, Disconnected: 'resigned' },
    },
    resigned: { type: 'final' },
  },
})
