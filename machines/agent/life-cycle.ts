/**
 * Life cycle of an agent process [FIG. 5]. Whatever state it is in, a disconnection disposes of the configuration [514], and
 * it connects again after a time-out [516]; a stop instruction leads to shut-down [536, 542].
 *
 * It executes in states with the tag `works` only: there it offers room for locks, and calls of its grants start. A call that runs when
 * such a state is left ends by itself; what was not begun is given back.
 */
import { setup } from 'xstate'
import type { AgentRole } from './agent.ts'

export interface LifeCycleInput {
  readonly role: AgentRole
  /** Time-out [516] before it connects again. */
  readonly reconnectMs: number
}

export interface LifeCycleContext extends LifeCycleInput {
  readonly queue: 'empty' | 'waiting'
  /** A nearer server has room; it goes there as soon as it is at rest. */
  readonly nearer: boolean
}

export type LifeCycleSignal =
  /** [510]: the realm was read, and this process may take part in it, in the role that is planned for it. */
  | { readonly type: 'Connected'; readonly role?: AgentRole }
  | { readonly type: 'Disconnected' }
  /** Generic agents: takes part in the election from now on [518, 520]. */
  | { readonly type: 'Campaigning' }
  | { readonly type: 'Elected'; readonly epoch: number }
  | { readonly type: 'NotElected' }
  /** The configuration was received, the adapters answered, and presence is acknowledged. */
  | { readonly type: 'Ready' }
  /** A trigger on its queue, or none any more. */
  | { readonly type: 'QueueWaiting' }
  | { readonly type: 'QueueEmpty' }
  /** From the leader, or the scope of management changed [538, 540]. */
  | { readonly type: 'ConfigurationChanged' }
  | { readonly type: 'ConfigurationApplied' }
  /** The configuration says another role: what follows from it begins anew, the configuration itself stays. */
  | { readonly type: 'RoleChanged'; readonly role: AgentRole }
  /** Connected to a server that is not the nearest, and a nearer one has room again. Heeded when no job runs or waits here, also by the leader. */
  | { readonly type: 'NearerFound' }
  | { readonly type: 'Stop' }
  | { readonly type: 'Drained' }

export type LifeCycleEffects = {
  connect: undefined
  disposeConfiguration: undefined
  campaign: undefined
  /** A skilled agent is never leader, and leads no longer. */
  leaveElection: undefined
  /** [508]: to the nearest coordinator that has room; seen as a disconnection. */
  moveNearer: undefined
  /** Receive the configuration and ask the adapters; answered by `Ready`. */
  prepare: undefined
  /** [541]: what it can do may have changed. */
  applyConfiguration: undefined
  /** The leader executes although others should: it is the only agent that could. */
  sayLeaderExecutes: undefined
  drain: undefined
  shutDown: undefined
}

const machineSetup = setup({
  types: {} as { context: LifeCycleContext; input: LifeCycleInput; events: LifeCycleSignal; tags: 'works' },
  actions: {
    connect: () => {},
    disposeConfiguration: () => {},
    campaign: () => {},
    leaveElection: () => {},
    moveNearer: () => {},
    prepare: () => {},
    applyConfiguration: () => {},
    sayLeaderExecutes: () => {},
    drain: () => {},
    shutDown: () => {},
  } as { [Name in keyof LifeCycleEffects]: () => void },
  guards: {
    generic: ({ context }) => context.role === 'generic',
    waiting: ({ context }) => context.queue === 'waiting',
    nearer: ({ context }) => context.nearer,
  },
  delays: { reconnectMs: ({ context }) => context.reconnectMs },
})

const queueWaiting = machineSetup.assign({ queue: 'waiting' })
const queueEmpty = machineSetup.assign({ queue: 'empty' })

/** At rest only: what runs would have to end first. For a leader it is a disconnection like any other: it, or another, is elected then (I7). */
const moveNearer = { guard: 'nearer', actions: ['moveNearer', machineSetup.assign({ nearer: false })] } as const

const roleChanged = {
  RoleChanged: [
    {
      guard: ({ context, event }: { context: LifeCycleContext; event: LifeCycleSignal }) =>
        event.type === 'RoleChanged' && event.role === 'skilled' && context.role === 'generic',
      target: '#agent.initial',
      actions: [machineSetup.assign({ role: 'skilled' }), 'leaveElection'],
    },
    {
      guard: ({ context, event }: { context: LifeCycleContext; event: LifeCycleSignal }) =>
        event.type === 'RoleChanged' && event.role === 'generic' && context.role === 'skilled',
      target: '#agent.initial',
      actions: machineSetup.assign({ role: 'generic' }),
    },
  ],
} as const

/** The configuration watch [538, 540]: the same beside the scheduler and while leading. */
const configurationWatch = {
  initial: 'watching',
  states: {
    watching: { on: { ConfigurationChanged: 'changing' } },
    changing: {
      entry: 'applyConfiguration',
      on: { ConfigurationApplied: 'watching', ConfigurationChanged: { target: 'changing', reenter: true } },
    },
  },
} as const

export const lifeCycleMachine = machineSetup.createMachine({
  id: 'agent',
  context: ({ input }) => ({ ...input, queue: 'empty', nearer: false }),
  initial: 'initial',
  on: {
    // Where it connects to then is seen anew.
    Disconnected: { target: '.disconnected', actions: machineSetup.assign({ nearer: false }) },
    NearerFound: { actions: machineSetup.assign({ nearer: true }) },
    Stop: '.stopping',
    QueueWaiting: { actions: queueWaiting },
    QueueEmpty: { actions: queueEmpty },
  },
  states: {
    // [502]
    initial: {
      initial: 'connecting',
      states: {
        connecting: {
          entry: 'connect',
          on: {
            Connected: {
              target: 'connected',
              actions: machineSetup.assign({ role: ({ context, event }) => (event.type === 'Connected' ? (event.role ?? context.role) : context.role) }),
            },
          },
        },
        connected: { always: [{ guard: 'generic', target: '#agent.election' }, { target: '#agent.process' }] },
      },
    },
    // [512-516]
    disconnected: {
      entry: 'disposeConfiguration',
      after: { reconnectMs: 'initial' },
      on: { Disconnected: {} },
    },
    // [504]
    election: {
      entry: 'campaign',
      on: { Elected: 'leading', NotElected: 'process', ...roleChanged },
    },
    // [524, 526]; it executes only what nobody else could.
    leading: {
      type: 'parallel',
      entry: 'prepare',
      on: { NotElected: 'process', ...roleChanged },
      states: {
        configuration: configurationWatch,
        jobs: {
          initial: 'notReady',
          states: {
            notReady: { on: { Ready: 'none' } },
            none: { always: [{ guard: 'waiting', target: 'executing' }, moveNearer], on: { QueueWaiting: { target: 'executing', actions: queueWaiting } } },
            executing: { tags: 'works', entry: 'sayLeaderExecutes', on: { QueueEmpty: { target: 'none', actions: queueEmpty } } },
          },
        },
      },
    },
    // [506]; the election goes on beside it.
    process: {
      initial: 'notReady',
      on: { Elected: 'leading', ...roleChanged },
      states: {
        // [528]
        notReady: { entry: 'prepare', on: { Ready: 'watch' } },
        // [530]
        watch: {
          tags: 'works',
          always: [{ guard: 'waiting', target: 'running' }, moveNearer],
          on: {
            QueueWaiting: { target: 'running', actions: queueWaiting },
            ConfigurationChanged: { actions: 'applyConfiguration' },
          },
        },
        // [532]
        running: {
          tags: 'works',
          type: 'parallel',
          on: { QueueEmpty: { target: 'watch', actions: queueEmpty } },
          states: {
            scheduler: { initial: 'running', states: { running: {} } },
            configuration: configurationWatch,
          },
        },
      },
    },
    // [536]: finishes or hands back. A disconnection does not end the wish to stop.
    stopping: {
      entry: 'drain',
      on: { Drained: 'shutDown', Disconnected: {}, Stop: {} },
    },
    // [542]
    shutDown: { type: 'final', entry: 'shutDown' },
  },
})

