/** The log as those see it whom nothing befalls: its reading goes on over restores, after which everybody else has to start again (P12). */
import type { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { type EventLog, LogMissing, type ReadOptions, type StoredMessage } from '../../streams/ports/event-log.ts'
import { bystander } from './network.ts'

/** The client that stands by: after a restore another one, of the same name. */
export function standBy(realm: MemoryRealm, clock: Clock): { readonly coordinator: () => Coordinator; readonly log: EventLog } {
  let coordinator = realm.connect({ name: bystander, clock })
  const log = lastingLog(coordinator.log, () => {
    void coordinator.close()
    coordinator = realm.connect({ name: bystander, clock })
    realm.setReach(bystander, 'connected')
    return coordinator.log
  })
  return { coordinator: () => coordinator, log }
}

/** `renew` gives the log of the present incarnation. Positions go on, since the simulation's restore takes nothing away. */
function lastingLog(first: EventLog, renew: () => EventLog): EventLog {
  let log = first
  return {
    get incarnation() {
      return log.incarnation
    },
    append: (request) => log.append(request),
    first: (subject) => log.first(subject),
    last: (subject) => log.last(subject),
    purge: (subject, upTo) => log.purge(subject, upTo),
    at: (position) => log.at(position),
    end: () => log.end(),
    async *read(options: ReadOptions): AsyncGenerator<readonly StoredMessage[]> {
      let { from } = options
      for (;;) {
        const reading = log
        try {
          for await (const batch of reading.read({ ...options, from })) {
            from = batch[batch.length - 1]!.position + 1
            yield batch
          }
          // Closed, since another reader has renewed it.
          if (log === reading || options.signal?.aborted || from > (options.until ?? Infinity)) return
        } catch (error) {
          if (!(error instanceof LogMissing)) throw error
          if (log === reading) log = renew()
        }
      }
    },
  }
}
