/** What `writeAggregate` wrote, once more on the feed (DESIGN §3). A courtesy: nobody waits for it, and what is lost of it is not told (P9). */
import { publishOnFeed } from '../../streams/feed.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { AggregateWritten } from './aggregate-writer.ts'

/** By whoever wrote, after it was acknowledged; nothing where nothing was written. */
export function feedWritten(bus: Bus, subjects: Subjects, written: AggregateWritten<unknown>): void {
  if (written.kind === 'written') publishOnFeed(bus, subjects, { ...written.turn, position: written.position })
}
