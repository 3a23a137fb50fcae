/** Every machine there is, for diagrams, for statechart tools and for `reeve machine`. A new machine is added here. */
import type { AnyStateMachine } from 'xstate'
import { groupMachine } from './execution-group/machine.ts'
import { jobMachine } from './job/machine.ts'
import { laneMachine } from './lane/machine.ts'

export interface RegisteredMachine {
  readonly name: string
  /** aggregate: takes events of the log. process: takes signals, runs as an actor (DESIGN §1). */
  readonly kind: 'aggregate' | 'process'
  /** One line for a person. */
  readonly about: string
  readonly machine: AnyStateMachine
}

/** Sorted by name. */
export const registeredMachines: readonly RegisteredMachine[] = [
  { name: 'group', kind: 'aggregate', about: 'execution group: from its opening in parts to its end', machine: groupMachine },
  { name: 'job', kind: 'aggregate', about: 'one job of an execution group', machine: jobMachine },
  { name: 'lane', kind: 'aggregate', about: 'a part of the log with one writer at a time', machine: laneMachine },
]
