/** Judges a realm of real processes by its log, the sites' own journals, and what its service shows. */
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import type { ApiClient } from '../../src/service/client.ts'
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { JournalEntry } from '../../src/sites/simulated/protocol.ts'
import { canonicalJson } from '../../streams/codec.ts'
import { checkRun } from '../checkers/all.ts'
import type { ReadLog } from '../checkers/read.ts'
import type { Violation } from '../checkers/violation.ts'
import type { SimulatedSiteProcess } from '../support/simulated-site.ts'
import type { Wire } from './wire.ts'

export interface Judged {
  readonly log: ReadLog
  readonly wire: Wire
  readonly sites: ReadonlyMap<string, SimulatedSiteProcess>
  readonly fencing: ReadonlyMap<string, FencingClass>
  readonly api: ApiClient
  readonly siteCallDeadlineMs: number
}

/** `frozen`: an executor was frozen, so that a site that does not enforce may have seen a late call (P23). `ended`: every group must have. */
export async function judgeRealm(realm: Judged, { frozen, ended }: { readonly frozen: boolean; readonly ended: boolean }): Promise<Violation[]> {
  const { log, wire, fencing, siteCallDeadlineMs } = realm
  const sites = await Promise.all([...realm.sites].map(async ([site, process]) => ({ site, fencing: fencing.get(site)!, calls: await wholeJournal(process) })))
  return [
    ...checkRun(log, { writers: wire.writers, ended, sites, expectations: { frozen, toleranceMs: 100, callDeadlineMs: siteCallDeadlineMs } }),
    ...(await checkService(log, realm.api)),
  ]
}

/** I6: what another process, the service, has of every group is what the log gives, folded anew. */
async function checkService(log: ReadLog, api: ApiClient): Promise<Violation[]> {
  const violations: Violation[] = []
  for (const [lane, folded] of foldLanes(log)) {
    for (const [group, state] of folded.groups) {
      const shown = await api.call('group', 'show', { group })
      if (canonicalJson(shown.state) === canonicalJson(exclusiveStateOf(state))) continue
      violations.push({ rule: 'I6', what: `the service shows group ${group} of lane ${lane} other than the log has it`, position: shown.position })
    }
  }
  return violations
}

function foldLanes(log: ReadLog): Map<string, LaneState> {
  const lanes = new Map<string, LaneState>()
  for (const { lane, turn } of log.turns) {
    if (lane === undefined) continue
    let state = lanes.get(lane)
    if (state === undefined) lanes.set(lane, (state = emptyLane(lane)))
    foldTurn(state, turn)
  }
  return lanes
}

export async function wholeJournal(site: SimulatedSiteProcess): Promise<JournalEntry[]> {
  const calls: JournalEntry[] = []
  for (let after = 0; ; ) {
    const page = (await site.request('GET', `/v1/journal?after=${after}&limit=1000`)).body.calls as readonly JournalEntry[]
    if (page.length === 0) return calls
    calls.push(...page)
    after = page.at(-1)!.number
  }
}
