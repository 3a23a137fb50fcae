/** I9 and P21-P23: what the sites' own journals say, against the log and against their fencing class. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import type { FencingClass, FencingToken } from '../../src/sites/adapter.ts'
import { GroupReplay, numbersOf } from './group-replay.ts'
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

/** One call as a site recorded it; `GET /v1/journal` of the simulated site gives these. */
export interface SiteCallRecord {
  readonly number: number
  readonly token: FencingToken
  readonly idempotencyKey: string
  readonly arrivedMs: number
  readonly beganMs: number | null
  /** 0: never, or not yet. */
  readonly beganOrder: number
  readonly endedOrder: number
  /** Its caller was frozen between its check and its call, or during it: only the site can stop what comes of that (P23). */
  readonly frozen?: boolean
}

export interface SiteJournal {
  readonly site: string
  readonly fencing: FencingClass
  readonly calls: readonly SiteCallRecord[]
}

export interface SiteExpectations {
  /** By which the clocks of site and log may differ, and a call may be under way, milliseconds. */
  readonly toleranceMs: number
  /** Time of a call; what runs longer at a site that does not keep deadlines is beyond any protocol (P23). */
  readonly callDeadlineMs: number
}

interface GrantFacts {
  readonly jobs: readonly number[]
  readonly storedMs: number
  closedMs: number
}

export function checkSites(log: ReadLog, sites: readonly SiteJournal[], expectations: SiteExpectations): Violation[] {
  const facts = readGrants(log)
  return sites.flatMap((site) => [...checkAgainstLog(site, facts, expectations), ...checkOnce(site), ...checkFencing(site, expectations, ofScope), ...checkFencing(site, expectations, ofGrant)])
}

function keyOf(group: string, grant: number): string {
  return `${group} ${grant}`
}

function readGrants(log: ReadLog) {
  const grants = new Map<string, GrantFacts>()
  /** When each job was settled in the log. */
  const settledMs = new Map<string, number>()
  const replays = new Map<string, GroupReplay>()
  for (const { stored, commit } of commitsOf(log, 'group')) {
    let group = replays.get(commit.id)
    if (group === undefined) replays.set(commit.id, (group = new GroupReplay()))
    const { storedMs } = stored.message
    commit.events.forEach((event, index) => {
      const before = group.grant?.revision
      const named = 'grant' in (event.data as object) ? (event.data as { readonly grant: number }).grant : undefined
      const wasOpen = named !== undefined && group.open.has(named)
      const endedBefore = group.ends.size
      group.apply(event as GroupEvent, commit.revision + index, () => {})
      if (event.type === 'LockGranted') {
        const { jobs } = event.data as Extract<GroupEvent, { type: 'LockGranted' }>['data']
        grants.set(keyOf(commit.id, commit.revision + index), { jobs: numbersOf(jobs), storedMs, closedMs: Infinity })
      }
      if (before !== undefined && group.grant?.revision !== before) grants.get(keyOf(commit.id, before))!.closedMs = storedMs
      if (wasOpen && !group.open.has(named!)) grants.get(keyOf(commit.id, named!))!.closedMs = storedMs
      for (const job of group.endedInOrder.slice(endedBefore)) settledMs.set(`${commit.id}/${job}`, storedMs)
    })
  }
  return { grants, settledMs, replays }
}

/** Write ahead (I9), order (I2), and no call for a grant that is closed. */
function checkAgainstLog(site: SiteJournal, { grants, settledMs, replays }: ReturnType<typeof readGrants>, { toleranceMs }: SiteExpectations): Violation[] {
  const violations: Violation[] = []
  for (const call of site.calls) {
    const say = (rule: string, what: string) => violations.push({ rule, what: `site ${site.site}, call ${call.number} (${call.idempotencyKey}, token ${call.token.revision}): ${what}`, position: undefined })
    const cut = call.idempotencyKey.lastIndexOf('/')
    const group = call.idempotencyKey.slice(0, cut)
    const job = Number(call.idempotencyKey.slice(cut + 1))
    const grant = grants.get(keyOf(group, call.token.revision))
    if (grant === undefined) {
      say('I9', 'no such grant is in the log')
      continue
    }
    if (call.arrivedMs < grant.storedMs - toleranceMs) say('I9', 'arrived before its grant was in the log')
    const place = grant.jobs.indexOf(job)
    if (place < 0) say('I9', `its grant is of jobs ${grant.jobs.join()}`)
    if (call.frozen !== true && call.arrivedMs > grant.closedMs + toleranceMs) say('I9', `arrived ${call.arrivedMs - grant.closedMs} ms after its grant was closed`)
    const replay = replays.get(group)!
    const scope = replay.isUnordered ? `${group}/${replay.chainOf(job)}` : group
    if (call.token.scope !== scope) say('I9/P22', `the scope of its token is ${call.token.scope}, not ${scope}`)
    for (const earlier of predecessors(replays.get(group)!, job)) {
      if (grant.jobs.slice(0, place).includes(earlier)) {
        const before = site.calls.find((other) => other.idempotencyKey === `${group}/${earlier}` && other.token.revision === call.token.revision)
        if (before !== undefined && before.arrivedMs > call.arrivedMs) say('I2', `began before job ${earlier} of the same grant`)
      } else if ((settledMs.get(`${group}/${earlier}`) ?? Infinity) > call.arrivedMs + toleranceMs) {
        say('I2', `arrived before job ${earlier} was settled in the log`)
      }
    }
  }
  return violations
}

/** Of the jobs that still stand in the queue at the end; a retry counts from its own place. */
function predecessors(group: GroupReplay, job: number): number[] {
  return group.predecessors(job)
}

/** P21: one grant starts a job once. */
function checkOnce(site: SiteJournal): Violation[] {
  const violations: Violation[] = []
  const seen = new Map<string, number>()
  for (const { token, idempotencyKey, number } of site.calls) {
    const key = `${idempotencyKey} by token ${token.revision}`
    const before = seen.get(key)
    if (before !== undefined) violations.push({ rule: 'I9/P21', what: `site ${site.site}: ${key} was called twice, by calls ${before} and ${number}`, position: undefined })
    seen.set(key, number)
  }
  return violations
}

/** What the class promises; one that does not enforce is kept in order by the protocol alone, where nobody was frozen. */
function checkFencing(site: SiteJournal, { callDeadlineMs, toleranceMs }: SiteExpectations, scopeOf: (call: SiteCallRecord) => string | undefined): Violation[] {
  const violations: Violation[] = []
  const byScope = new Map<string, SiteCallRecord[]>()
  for (const call of site.calls) {
    const scope = scopeOf(call)
    if (scope !== undefined) byScope.set(scope, [...(byScope.get(scope) ?? []), call])
  }
  for (const [scope, calls] of byScope) {
    for (const [index, call] of calls.entries()) {
      for (const other of calls.slice(index + 1)) {
        const say = (what: string) => violations.push({ rule: 'I9', what: `site ${site.site} (${site.fencing}), scope ${scope}: calls ${call.number} and ${other.number} ${what}`, position: undefined })
        if (call.idempotencyKey === other.idempotencyKey && isSame(call.token, other.token)) continue
        if (site.fencing !== 'enforced' && (call.frozen === true || other.frozen === true)) continue
        const beyond = Math.max(call.arrivedMs, other.arrivedMs) + toleranceMs >= Math.min(call.arrivedMs, other.arrivedMs) + callDeadlineMs
        if (overlap(call, other) && !((site.fencing !== 'enforced' || isSame(call.token, other.token)) && beyond)) say('ran at once')
        if (site.fencing === 'enforced' && isLower(other.token, call.token) && other.beganOrder > 0) say('began in the wrong order of their tokens')
      }
    }
  }
  return violations
}

const ofScope = ({ token }: SiteCallRecord): string => token.scope

/** The jobs of one grant run one at a time, also where each has a scope of its own (P22). */
function ofGrant({ token: { scope, incarnation, revision } }: SiteCallRecord): string | undefined {
  const cut = scope.lastIndexOf('/')
  return cut < 0 ? undefined : `${scope.slice(0, cut)} grant ${incarnation} ${revision}`
}

function overlap(left: SiteCallRecord, right: SiteCallRecord): boolean {
  if (left.beganOrder === 0 || right.beganOrder === 0) return false
  const end = (call: SiteCallRecord) => (call.endedOrder === 0 ? Infinity : call.endedOrder)
  return left.beganOrder < end(right) && right.beganOrder < end(left)
}

function isSame(left: FencingToken, right: FencingToken): boolean {
  return left.incarnation === right.incarnation && left.revision === right.revision
}

function isLower(left: FencingToken, right: FencingToken): boolean {
  return left.incarnation === right.incarnation ? left.revision < right.revision : left.incarnation < right.incarnation
}
