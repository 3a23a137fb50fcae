/** Formats of the realm (DESIGN §3, docs/wire.md "Format 2"): nothing of a format stands in the log before the realm has risen to it. */
import type { RecordedEvent } from '../../machines/events.ts'
import { formatOf } from '../../machines/realm/shapes.ts'
import type { ReadLog } from './read.ts'
import type { Violation } from './violation.ts'

export function checkFormats(log: ReadLog): Violation[] {
  const violations: Violation[] = []
  let format = 0
  for (const { message, turn } of log.turns) {
    for (const { aggregate, id, revision, events } of turn.commits) {
      for (const event of events as readonly RecordedEvent[]) {
        if (event.type === 'RealmFounded' || event.type === 'FormatRaised') {
          const raised = (event.data as { readonly format: number }).format
          if (raised <= format) violations.push({ rule: 'format', what: `realm r${revision}: ${event.type} ${raised} in a realm of format ${format}`, position: message.position })
          format = Math.max(format, raised)
          continue
        }
        const needed = formatOf(event)
        if (needed > format) violations.push({ rule: 'format', what: `${aggregate} ${id} r${revision}: ${event.type} is of format ${needed}, the realm of format ${format}`, position: message.position })
      }
    }
  }
  return violations
}
