/**
 * P12 for a whole agent: whichever of its parts (lane, leader, election, triggers, snapshots …) first learns from an append that the
 * realm was restored ends the process. Each part for itself would take it for an error of its round, and go on for ever.
 */
import type { EventLog } from '../../streams/ports/event-log.ts'
import { observedLog } from './observed-log.ts'

/** The same log; `onFatal` is called with each append that the stream refuses as one of another incarnation, before the asker hears of it. */
export function watchedLog(log: EventLog, onFatal: (why: 'wrong-incarnation') => void): EventLog {
  return observedLog(log, ({ kind }) => {
    if (kind === 'wrong-incarnation') onFatal(kind)
  })
}
