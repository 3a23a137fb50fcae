/**
 * Quarantine. What is promised: no lock is granted and no call starts where its beginning was heard. A holder and an executor hear of it
 * from the log, as late as their following lags, and what they had sent by then still arrives: so nothing is granted or called later
 * than `lagMs` after it began. Where messages and appends are late without bound there is no such time, and nothing to judge.
 */
import type { ReadLog } from './read.ts'
import { commitsOf } from './read.ts'
import type { SiteJournal } from './sites.ts'
import type { Violation } from './violation.ts'

export function checkQuarantine(log: ReadLog, sites: readonly SiteJournal[], lagMs: number): Violation[] {
  const violations: Violation[] = []
  const spans: { readonly fromMs: number; untilMs: number }[] = []
  for (const { stored, commit } of commitsOf(log, 'realm')) {
    for (const { type } of commit.events) {
      if (type === 'QuarantineBegun') spans.push({ fromMs: stored.message.storedMs + lagMs, untilMs: Infinity })
      else if (type === 'QuarantineEnded') spans.at(-1)!.untilMs = stored.message.storedMs
    }
  }
  const during = (atMs: number) => spans.some(({ fromMs, untilMs }) => fromMs < atMs && atMs < untilMs)
  for (const { stored, commit } of commitsOf(log, 'group')) {
    const { storedMs, position } = stored.message
    if (during(storedMs) && commit.events.some(({ type }) => type === 'LockGranted')) violations.push({ rule: 'quarantine', what: `group ${commit.id}: a lock was granted in quarantine`, position })
  }
  for (const { site, calls } of sites) {
    for (const { number, idempotencyKey, arrivedMs } of calls) {
      if (during(arrivedMs)) violations.push({ rule: 'quarantine', what: `site ${site}: call ${number} (${idempotencyKey}) arrived in quarantine`, position: undefined })
    }
  }
  return violations
}
