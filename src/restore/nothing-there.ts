/** The incarnations of a realm on a server that never ran: a rehearsal looks at them, and so makes nothing. */
import type { Incarnations } from '../../streams/ports/incarnations.ts'

export const nothingThere: Incarnations = {
  whole: () => Promise.resolve(undefined),
  presences: () => Promise.resolve([]),
  texts: () => Promise.reject(new Error('a rehearsal puts no texts')),
  begin: () => Promise.reject(new Error('a rehearsal begins no incarnation')),
  close: () => Promise.resolve(),
}
