/** Every checker that needs nothing but a log: of a simulated world, of real processes, of an exported file. */
import { checkFormats } from './formats.ts'
import { checkGroups } from './groups.ts'
import { type ToldChange, checkInstructions } from './instructions.ts'
import { checkLeadership } from './leadership.ts'
import { type LogFacts, checkLog } from './log.ts'
import type { ReadLog } from './read.ts'
import { type LiveLane, checkReplay } from './replay.ts'
import { type SiteExpectations, type SiteJournal, checkSites } from './sites.ts'
import { type ToldFacts, checkTold } from './told.ts'
import { checkTriggers } from './triggers.ts'
import type { Violation } from './violation.ts'

export interface RunFacts extends LogFacts {
  /** Everything came to rest: each group must have ended. */
  readonly ended: boolean
  /** What was due by then, integer milliseconds since the Unix epoch, is decided, and its runs have ended. */
  readonly triggersEndedBy?: number
  /** What services answered to those who asked for changes. */
  readonly changes?: readonly ToldChange[]
  /** What the sites' own journals say, where there are any. */
  readonly sites?: readonly SiteJournal[]
  readonly expectations?: SiteExpectations
  /** What somebody was told, where it was overheard. */
  readonly told?: ToldFacts
  /** Folds of lanes beside the log's own: what holders have in memory (I6), what snapshots hold (I11). */
  readonly live?: readonly LiveLane[]
}

/** I1-I7; with journals I9, with what was told I8. */
export function checkRun(log: ReadLog, { ended, triggersEndedBy, changes, sites, expectations, told, live = [], ...facts }: RunFacts): Violation[] {
  return [
    ...checkLog(log, facts),
    ...checkGroups(log, { mustHaveEnded: ended }),
    ...checkLeadership(log),
    ...checkFormats(log),
    ...checkInstructions(log, changes),
    ...checkTriggers(log, triggersEndedBy === undefined ? {} : { endedBy: triggersEndedBy }),
    ...(sites === undefined || expectations === undefined ? [] : checkSites(log, sites, expectations)),
    ...checkReplay(log, live),
    ...(told === undefined ? [] : checkTold(log, told)),
  ]
}
