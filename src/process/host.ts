/**
 * Runs a process machine as an XState actor: its effects are performed by functions given here, its delays run on the
 * injected clock, and every transition into another state is reported.
 *
 * 1. Effects run in the order the machine names them, when the transition that names them is complete; what they signal back
 *    at once is taken then, and its effects run after those that were named before.
 * 2. After `stop` no effect runs, no transition is reported and no timer fires.
 * 3. A machine that has come to its end hears nothing more: connections, people and buckets go on signalling what they notice.
 */
import {
  type AnyStateMachine,
  type EventFromLogic,
  type InputFrom,
  type InspectionEvent,
  type SnapshotFrom,
  type StateValue,
  createActor,
} from 'xstate'
import type { Clock, Timer } from '../../streams/ports/clock.ts'

export interface MachineTransition {
  readonly machine: string
  readonly from: StateValue
  /** Type of the signal; what XState made itself begins with `xstate.`. */
  readonly event: string
  readonly to: StateValue
  /** Wall clock, integer milliseconds since the Unix epoch. */
  readonly atMs: number
}

export type TransitionListener = (transition: MachineTransition) => void

export interface HostedMachine<M extends AnyStateMachine> {
  send(signal: EventFromLogic<M>): void
  readonly state: SnapshotFrom<M>
  stop(): void
}

export interface HostOptions<M extends AnyStateMachine, Effects> {
  readonly machine: M
  /** Under which its transitions are reported, where a process runs several of one machine; absent: the machine's own id. */
  readonly name?: string
  readonly input: InputFrom<M>
  readonly clock: Clock
  /** One function per named effect; a missing one is an error of types. */
  readonly effects: { readonly [Name in keyof Effects]: (params: Effects[Name]) => void }
  readonly onTransition?: TransitionListener
  /** Told after each change of the states' tags, before the effects of that signal run. */
  readonly onTags?: (has: (tag: string) => boolean) => void
}

/** Started when this returns: the effects of the initial state have run. */
export function hostMachine<M extends AnyStateMachine, Effects>(options: HostOptions<M, Effects>): HostedMachine<M> {
  const { machine, name = machine.id, clock, effects, onTransition, onTags } = options
  let stopped = false
  // Performed outside the actor: XState forbids to start or signal actors from within an action.
  const named: (() => void)[] = []
  let performing = false
  const perform = () => {
    if (performing) return
    performing = true
    try {
      for (let effect = named.shift(); effect !== undefined; effect = named.shift()) if (!stopped) effect()
    } finally {
      performing = false
    }
  }
  const actions: Record<string, (args: unknown, params: never) => void> = {}
  for (const [name, effect] of Object.entries(effects) as [string, (params: unknown) => void][]) {
    actions[name] = (_args, params) => void named.push(() => effect(params))
  }
  let before: StateValue | undefined
  const actor = createActor(machine.provide({ actions } as never), {
    input: options.input,
    clock: actorClock(clock, perform),
    inspect: (inspected: InspectionEvent) => {
      if (inspected.type !== '@xstate.microstep' || stopped) return
      const to = (inspected.snapshot as { readonly value?: StateValue }).value
      if (to === undefined) return
      const from = before ?? to
      before = to
      // What a machine takes without coming into another state is nothing to show, however often it happens.
      if (inspected._transitions.length > 0 && !isSameState(from, to)) onTransition?.({ machine: name, from, event: inspected.event.type, to, atMs: clock.nowMs() })
    },
  } as never)
  before = actor.getSnapshot().value as StateValue
  if (onTags !== undefined) {
    let tags = tagsOf(actor.getSnapshot())
    actor.subscribe((snapshot) => {
      const now = tagsOf(snapshot)
      if (now === tags || stopped) return
      tags = now
      onTags((tag) => (snapshot as SnapshotFrom<AnyStateMachine>).hasTag(tag))
    })
  }
  actor.start()
  perform()
  return {
    send: (signal) => {
      if (stopped || (actor.getSnapshot() as SnapshotFrom<AnyStateMachine>).status !== 'active') return
      actor.send(signal)
      perform()
    },
    get state() {
      return actor.getSnapshot() as SnapshotFrom<M>
    },
    stop() {
      stopped = true
      actor.stop()
    },
  }
}

function isSameState(one: StateValue, other: StateValue): boolean {
  return one === other || (typeof one === 'object' && JSON.stringify(one) === JSON.stringify(other))
}

function tagsOf(snapshot: unknown): string {
  return [...(snapshot as { readonly tags: ReadonlySet<string> }).tags].sort().join(' ')
}

/** Our `Clock` in the shape that XState asks for; `after` runs behind every task. */
function actorClock(clock: Clock, after: () => void) {
  return {
    setTimeout: (task: () => void, delayMs: number): Timer =>
      clock.after(delayMs, () => {
        task()
        after()
      }),
    clearTimeout: (timer: Timer | undefined): void => timer?.cancel(),
  }
}
