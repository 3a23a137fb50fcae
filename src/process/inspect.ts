/** Every machine transition of this process, for visualizers: live only (DESIGN §3). */
import { type MachineState, type TransitionMessage } from '../../streams/agent-messages.ts'
import { toBytes } from '../../streams/coordination.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { MachineTransition, TransitionListener } from './host.ts'

export interface InspectedAgent {
  readonly agent: string
  /** The present instance; asked anew for each transition. */
  instance(): string
}

/** Publishes on `<realm>.inspect.<agent>.<machine>`; dropped while offline. */
export function inspectOnBus(bus: Bus, subjects: Subjects, inspected: InspectedAgent): TransitionListener {
  const numbers = new Map<string, number>()
  return (transition: MachineTransition) => {
    const { machine, event, atMs } = transition
    const number = (numbers.get(machine) ?? 0) + 1
    numbers.set(machine, number)
    const message: TransitionMessage = {
      agent: inspected.agent,
      instance: inspected.instance(),
      machine,
      number,
      from: transition.from as MachineState,
      event,
      to: transition.to as MachineState,
      atMs,
    }
    bus.publish(subjects.inspect(inspected.agent, machine), toBytes(message))
  }
}
