/** What a realm of real processes is judged by: its log, its sites' own journals, what passed on the wire, what services and buckets hold. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { type LaneState, emptyLane, foldTurn } from '../../machines/lane/state.ts'
import type { RealmConstants } from '../../machines/realm/realm.ts'
import { foldFromSnapshot } from '../../src/lane/snapshot.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { RealmView } from '../../src/realm/view.ts'
import type { ApiClient } from '../../src/service/client.ts'
import type { FencingClass } from '../../src/sites/adapter.ts'
import type { JournalEntry } from '../../src/sites/simulated/protocol.ts'
import { nextNominalTime } from '../../src/trigger/nominal-times.ts'
import { canonicalJson } from '../../streams/codec.ts'
import { pointerIn } from '../../streams/lane-snapshot.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { type ReadLog, commitsOf } from '../checkers/read.ts'
import type { LiveLane } from '../checkers/replay.ts'
import { checkRun } from '../checkers/all.ts'
import type { Violation } from '../checkers/violation.ts'
import { eventually } from '../support/eventually.ts'
import type { SimulatedSiteProcess } from '../support/simulated-site.ts'
import type { Program } from './program.ts'
import type { Wire } from './wire.ts'

/** Within which a process that wakes makes the call for which it had checked everything before. */
const wakingMs = 1_000

export interface Expected {
  /** Every group has come to its end; default true. */
  readonly ended?: boolean
  /** Up to when triggers have been decided, and their runs have ended. */
  readonly triggersEndedBy?: number
}

export interface JudgedRealm {
  readonly coordinator: Coordinator
  readonly log: () => Promise<ReadLog>
  readonly view: RealmView
  readonly api: ApiClient
  readonly wire: Wire
  readonly agents: ReadonlyMap<string, Program>
  /** Read before the log: no call is younger than what the log says of it. */
  readonly journals: readonly { readonly site: string; readonly fencing: FencingClass; readonly calls: readonly JournalEntry[] }[]
  /** Calls that a test made in a frozen executor's name, as `<site> <number>`. */
  readonly late: ReadonlySet<string>
  readonly constants: RealmConstants
}

/** All checkers: I1-I6, I8, I9, I11, P3, P4, P15, P21-P24. */
export async function judgeRealm(judged: JudgedRealm, { ended = true, triggersEndedBy }: Expected): Promise<Violation[]> {
  const { wire, journals, late, agents, constants } = judged
  const snapshots = await readSnapshots(judged)
  const log = await judged.log()
  const executors = executorsIn(log)
  const sites = journals.map(({ site, fencing, calls }) => ({
    site,
    fencing,
    calls: calls.map((call) => {
      const executor = agents.get(executors.get(`${call.token.scope} ${call.token.revision}`) ?? '')
      return { ...call, frozen: late.has(`${site} ${call.number}`) || wasFrozen(executor, call) }
    }),
  }))
  const run = checkRun(log, {
    writers: wire.writers,
    sites,
    expectations: { toleranceMs: 100, callDeadlineMs: constants.siteCallDeadlineMs },
    told: wire.overheard.facts(log),
    live: snapshots.flatMap(({ folded }) => folded ?? []),
    ended,
    ...(triggersEndedBy === undefined ? {} : { triggersEndedBy }),
  })
  const unusable = snapshots.filter(({ folded }) => folded === undefined)
  return [
    ...run,
    ...unusable.map(({ lane }) => ({ rule: 'I11', what: `the snapshot of lane ${lane} that its pointer names cannot be used`, position: undefined })),
    ...(await checkAlarms(judged)),
    ...(await checkService(judged, log)),
  ]
}

/** Agent of each grant, by `<group> <revision>`. */
function executorsIn(log: ReadLog): ReadonlyMap<string, string> {
  const executors = new Map<string, string>()
  for (const { commit } of commitsOf(log, 'group')) {
    commit.events.forEach((event, index) => {
      const { type, data } = event as GroupEvent
      if (type === 'LockGranted') executors.set(`${commit.id} ${commit.revision + index}`, data.agent)
    })
  }
  return executors
}

/** P23: while the call was made or ran; one that begins when its process has been awake for a while is excused by nothing. */
function wasFrozen(executor: Program | undefined, { arrivedMs, endedMs }: JournalEntry): boolean {
  return executor?.frozen.some(({ fromMs, untilMs }) => arrivedMs <= untilMs + wakingMs && (endedMs ?? Infinity) >= fromMs) ?? false
}

/** I11: folded from what is stored of each lane, as its next holder would begin; `folded` is undefined where that cannot be used. */
async function readSnapshots({ coordinator, constants }: JudgedRealm): Promise<readonly { readonly lane: string; readonly folded: LiveLane | undefined }[]> {
  const context = { coordinator, subjects: subjectsOf('reeve'), clock: systemClock, constants, logger: { info() {}, debug() {}, warn() {} } }
  const lanes = (await coordinator.mappings.entries()).flatMap(({ key, value }) => {
    const lane = key.startsWith('snapshot.') ? key.slice('snapshot.'.length) : undefined
    // One of a former incarnation is nobody's any more.
    return lane !== undefined && pointerIn(value)?.incarnation === coordinator.log.incarnation ? [lane] : []
  })
  return Promise.all(
    lanes.map(async (lane) => {
      const folded = await foldFromSnapshot(context, lane, new AbortController().signal)
      return { lane, folded: folded && { lane, holder: 'its snapshot', state: folded.state, upTo: folded.state.number } }
    }),
  )
}

/** I11: for every time that is to come an alarm is set, whatever became of those before. */
async function checkAlarms({ coordinator, view }: JudgedRealm): Promise<Violation[]> {
  const missing = async () => {
    const set = await coordinator.alarms.pending()
    return [...view.state.triggers.values()].filter(({ trigger, phase, definition, decidedMs }) => {
      const next = phase === 'active' && definition !== null ? nextNominalTime(definition.when, decidedMs) : undefined
      return next !== undefined && next > Date.now() + 1_000 && !set.has(trigger)
    })
  }
  const late = await eventually(async () => (await missing()).length === 0, { what: 'the alarms' }).then(() => [], () => missing())
  return late.map(({ trigger }) => ({ rule: 'I11', what: `trigger ${trigger} has no alarm for its next time`, position: undefined }))
}

/** I6: what another process, the service, has of every group is what the log gives, folded anew. */
async function checkService({ api }: JudgedRealm, log: ReadLog): Promise<Violation[]> {
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
