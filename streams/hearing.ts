/** What becomes of a message that is not what its subject is for: it counts as lost (P6), and those behind it come. */
import { MalformedMessage } from './coordination.ts'
import { MalformedId } from './subjects.ts'

export function raise(fault: unknown): never {
  throw fault
}

/**
 * Runs a listener for one message. `onFault` gets whatever else it throws: an adapter keeps that out of its client, which stops
 * reading from its connection where a listener throws.
 */
export function hear(listen: () => void, onFault: (fault: unknown) => void): void {
  try {
    listen()
  } catch (fault) {
    if (!(fault instanceof MalformedMessage || fault instanceof MalformedId)) onFault(fault)
  }
}
