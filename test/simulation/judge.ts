/** All checkers on one world. */
import type { LaneState } from '../../machines/lane/state.ts'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import type { Subjects } from '../../streams/subjects.ts'
import { checkRun } from '../checkers/all.ts'
import { type BalanceExpected, checkBalance } from '../checkers/balance.ts'
import { type LeaderlessTime, checkLeaderless } from '../checkers/leaderless.ts'
import { checkQuarantine } from '../checkers/quarantine.ts'
import { readLog } from '../checkers/read.ts'
import type { Violation } from '../checkers/violation.ts'
import { constants } from './plan.ts'
import type { SimSite } from './site.ts'
import type { Told } from './told.ts'

export interface Judged {
  readonly messages: readonly StoredMessage[]
  readonly subjects: Subjects
  readonly told: Told
  readonly sites: readonly SimSite[]
  readonly writers: ReadonlyMap<string, string>
  readonly live: readonly { readonly lane: string; readonly holder: string; readonly state: LaneState }[]
  readonly groups: readonly string[]
  /** How late everybody hears of a quarantine, milliseconds; undefined where nothing bounds it. */
  readonly quarantineLagMs: number | undefined
  /** In which nobody could lead. */
  readonly leaderless: LeaderlessTime | undefined
  /** Where nothing goes wrong. */
  readonly balance: BalanceExpected | undefined
  /** Milliseconds since the Unix epoch. */
  readonly endedAtMs: number
  /** The world came to rest: everything must have ended. */
  readonly ended: boolean
}

export function judge(judged: Judged): Violation[] {
  const log = readLog(judged.messages, judged.subjects.realm)
  const sites = judged.sites.map(({ plan, journal }) => ({ site: plan.site, fencing: plan.fencing, calls: journal }))
  return [
    ...checkRun(log, {
      writers: judged.writers,
      ended: judged.ended,
      changes: judged.told.changes,
      ...(judged.ended ? { triggersEndedBy: judged.endedAtMs } : {}),
      sites,
      // An executor's clock may run 1 % too fast: it waits for the time of a call that much shorter.
      expectations: { toleranceMs: 10, callDeadlineMs: 0.99 * constants.siteCallDeadlineMs - 10 },
      told: judged.told,
      live: judged.live,
    }),
    ...(judged.leaderless === undefined ? [] : checkLeaderless(log, judged.leaderless)),
    ...(judged.balance === undefined ? [] : checkBalance(log, judged.balance)),
    ...(judged.quarantineLagMs === undefined ? [] : checkQuarantine(log, sites, judged.quarantineLagMs)),
  ]
}
