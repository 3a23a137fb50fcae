/** A log whose appends somebody else hears of too. */
import { type AppendOutcome, type EventLog, logWith } from '../../streams/ports/event-log.ts'

/** The same log; `heard` is called with what became of each attempt, before the asker is. */
export function observedLog(log: EventLog, heard: (outcome: AppendOutcome) => void): EventLog {
  return logWith(log, {
    async append(request) {
      const outcome = await log.append(request)
      heard(outcome)
      return outcome
    },
  })
}
