/** A log whose appends somebody else hears of too. */
import type { AppendOutcome, EventLog } from '../../streams/ports/event-log.ts'

/** The same log; `heard` is called with what became of each attempt, before the asker is. */
export function observedLog(log: EventLog, heard: (outcome: AppendOutcome) => void): EventLog {
  return {
    incarnation: log.incarnation,
    first: (subject) => log.first(subject),
    last: (subject) => log.last(subject),
    purge: (subject, upTo) => log.purge(subject, upTo),
    at: (position) => log.at(position),
    end: () => log.end(),
    read: (options) => log.read(options),
    async append(request) {
      const outcome = await log.append(request)
      heard(outcome)
      return outcome
    },
  }
}
