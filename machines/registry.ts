/** Every machine there is, for diagrams, for statechart tools and for `reeve machine`. A new machine is added here. */
import type { AnyStateMachine } from 'xstate'
import { lifeCycleMachine } from './agent/life-cycle.ts'
import { electionMachine } from './election/machine.ts'
import { groupMachine } from './execution-group/machine.ts'
import { jobMachine } from './job/machine.ts'
import { laneHolderMachine } from './lane-holder/machine.ts'
import { laneMachine } from './lane/machine.ts'
import { leaderMachine } from './leader/machine.ts'
import { presenceMachine } from './presence/machine.ts'
import { triggerMachine } from './trigger/machine.ts'

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
  { name: 'agent', kind: 'process', about: 'life cycle of an agent: connect, campaign, work, stop', machine: lifeCycleMachine },
  { name: 'election', kind: 'process', about: 'campaign for the lease, keep it, follow who has it', machine: electionMachine },
  { name: 'group', kind: 'aggregate', about: 'execution group: from its opening in parts to its end', machine: groupMachine },
  { name: 'job', kind: 'aggregate', about: 'one job of an execution group', machine: jobMachine },
  { name: 'lane', kind: 'aggregate', about: 'a part of the log with one writer at a time', machine: laneMachine },
  { name: 'lane-holder', kind: 'process', about: 'taking a lane, holding it, letting it go', machine: laneHolderMachine },
  { name: 'leader', kind: 'process', about: 'the procedure that the elected agent repeats', machine: leaderMachine },
  { name: 'presence', kind: 'process', about: 'presence of an instance, whose loss is final', machine: presenceMachine },
  { name: 'trigger', kind: 'aggregate', about: 'a trigger: defined, suspended, removed; its nominal times', machine: triggerMachine },
]
