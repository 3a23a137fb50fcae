/** What `writeAggregate` wrote, once more on the feed (DESIGN §3). A courtesy: an error here undoes nothing and is not told (P9). */
import { decodeTurn } from '../../streams/codec.ts'
import { publishOnFeed } from '../../streams/feed.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import type { AggregateWritten } from './aggregate-writer.ts'

/** By whoever wrote, after it was acknowledged; nothing where nothing was written. */
export async function feedWritten(
  { log, bus }: Pick<Coordinator, 'log' | 'bus'>,
  subjects: Subjects,
  written: AggregateWritten<unknown>,
): Promise<void> {
  if (written.kind !== 'written') return
  try {
    const message = await log.at(written.position)
    if (message !== undefined) publishOnFeed(bus, subjects, decodeTurn(message.bytes), message.position)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}
