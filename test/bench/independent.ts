/**
 * W3: 10,000 jobs that wait for nobody, once in one group without order, once in 10,000 groups of one job. All of them lie in the queues of
 * four agents when the clock starts, since the realm is in quarantine until then; order and exactly once are checked in the log afterwards.
 */
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { configureAgent } from '../../machines/agent/decide.ts'
import { beginQuarantine, endQuarantine } from '../../machines/realm/decide.ts'
import { type RealmEvent, type RealmState, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import type { Decision } from '../../machines/decision.ts'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { fromBytes } from '../../streams/coordination.ts'
import { pause } from '../../streams/ports/clock.ts'
import { singletons } from '../../streams/subjects.ts'
import type { ReadLog } from '../checkers/read.ts'
import { eventually } from '../support/eventually.ts'
import { judged, middleOf, readTurns, workers } from './common.ts'
import { readUntilDone } from './jobs.ts'
import { rawBatches } from './raw-batches.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, rate } from './row.ts'
import type { BenchWorld } from './world.ts'

/** Every worker has it: jobs that ask for it go to all of them, by the distribution factor. */
const common = 'rehearsing'
const jobs = Number(process.env['REEVE_BENCH_W3_JOBS'] ?? 10_000)
const rounds = 15
/** Not shown: what an agent does once a turn is optimized code after some hundreds of turns, and a round has about fifty. */
const warming = 10
const batch = 500
/** Locks of one lane that a worker holds at once, as it is planned for agents whose jobs are short; as built 64. */
const capacity = Number(process.env['REEVE_BENCH_W3_CAPACITY'] ?? 256)
const rawMs = 2_000
const planned = `workers are planned to hold up to ${capacity} locks of a lane; a leader runs in a fifth process`
/** Groups that are opened at once. */
const opening = 250

interface Measured {
  readonly perSecond: number
  readonly raw: number
  readonly ratio: number
  readonly bytesPerJob: number
  readonly jobsPerTurn: number
  readonly cpuUsPerJob: ReadonlyMap<string, number>
}

export async function independentRows(world: BenchWorld, wants: (row: string) => boolean, say: (text: string) => void): Promise<Row[]> {
  const realm = new BenchRealm(world)
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of workers) await realm.start(agent, 'skilled', [agent, common])
    for (const agent of workers) await configure(world, agent)
    const lanes = await realm.lanesHeldBy(workers)
    const rows: Row[] = []
    if (wants('w3')) {
      const [lane] = [...lanes.keys()]
      const w3 = await median('w3', say, (shown) => measure(realm, shown, () => [realm.open(lane!, Array.from({ length: jobs }, () => rehearsal(common)), { order: 'none' })]))
      rows.push(rate('w3', `${jobs} jobs in one group without order, 4 agents, one of which holds its lane, to raw atomic batches of ${batch} of the same bytes a job`, 'jobs/s', w3.perSecond, w3.raw, `${w3.range}; ${noteOf(w3)}; ${planned}`))
    }
    if (wants('w3-groups')) {
      const of = [...lanes]
      const openAt = (index: number) => {
        const [lane, holder] = of[index % of.length]!
        return realm.open(lane, [rehearsal(holder)])
      }
      const groups = await median('w3-groups', say, (shown) => measure(realm, shown, openAt, jobs))
      rows.push(rate('w3-groups', `${jobs} groups of one job, executed by the agents that hold their lanes, to raw atomic batches of ${batch} of the same bytes a job`, 'jobs/s', groups.perSecond, groups.raw, `${groups.range}; ${noteOf(groups)}; ${planned}`))
    }
    await judged(world, { ended: true })
    return rows
  } finally {
    await realm.stop()
  }
}

type Opened = ReturnType<BenchRealm['open']>

/** `shown`: else the raw limit is not measured beside it. */
async function measure(realm: BenchRealm, shown: boolean, open: (index: number) => Opened | Opened[], groups = 1): Promise<Measured> {
  const { world } = realm
  const { log } = world.coordinator
  await toRealm(world, (state) => beginQuarantine(state, 'the benchmark fills the queues'))
  const from = (await log.end()) + 1
  for (let index = 0; index < groups; index += opening) {
    const some = Array.from({ length: Math.min(opening, groups - index) }, (_, at) => open(index + at)).flat()
    await Promise.all(some.map(async (opened) => (await opened).seal()))
  }
  await allAssigned(world, from)
  const cpuBefore = realm.cpuMs()
  const begin = await toRealm(world, endQuarantine)
  const read = await readUntilDone(world, begin + 1, jobs)
  const beginMs = (await log.at(begin))!.storedMs
  const { turns, bytes, endMs } = worked(read)
  const cpuUsPerJob = new Map([...realm.cpuMs()].map(([name, ms]) => [name, ((ms - cpuBefore.get(name)!) * 1_000) / jobs]))
  const bytesPerJob = bytes / jobs
  const raw = shown ? await rawBatches(world.server.url, workers.length, batch, Math.round(bytesPerJob), rawMs) : Number.NaN
  const perSecond = (jobs * 1000) / (endMs - beginMs)
  return { perSecond, raw, ratio: perSecond / raw, bytesPerJob, jobsPerTurn: jobs / turns, cpuUsPerJob }
}

/** Planned [608]; the leader pushes it. Resolves when the agent goes by it. */
async function configure(world: BenchWorld, agent: string): Promise<void> {
  const { coordinator, subjects } = world
  await writeAggregate<AgentState, AgentEvent>(
    { log: coordinator.log, clock: systemClock, random: systemRandom },
    { subject: subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, { capacity }), actor: 'program:bench' },
  )
  const goesBy = async () => {
    const asked = await coordinator.bus.ask(subjects.toAgent(agent, 'describe'), new Uint8Array(), { timeoutMs: 1_000 })
    if (asked.kind !== 'answer') return undefined
    const { configuration } = fromBytes<{ readonly configuration: { readonly configuration: { readonly capacity: number } } | null }>(asked.data)
    return configuration?.configuration.capacity === capacity ? true : undefined
  }
  await eventually(goesBy, { what: `agent ${agent} goes by a capacity of ${capacity}`, withinMs: 30_000 })
}

/** Position of what was written. */
export async function toRealm(world: BenchWorld, decide: (state: RealmState) => Decision<RealmEvent>): Promise<number> {
  const written = await writeAggregate<RealmState, RealmEvent>(
    { log: world.coordinator.log, clock: systemClock, random: systemRandom },
    { subject: world.subjects.aggregate('realm', singletons.realm), aggregate: 'realm', id: singletons.realm, empty: emptyRealm(), fold: foldRealm, decide, actor: 'program:bench' },
  )
  if (written.kind !== 'written') throw new Error(`the realm was not written to: ${written.kind}`)
  return written.position
}

/** Until every job is in somebody's queue, and the log has come to rest. */
async function allAssigned(world: BenchWorld, from: number): Promise<void> {
  const giveUpMs = systemClock.monotonicMs() + 120_000
  let end = 0
  for (;;) {
    await pause(systemClock, 500)
    const now = await world.coordinator.log.end()
    if (now === end) {
      const { turns } = await readTurns(world, from)
      let assigned = 0
      for (const { turn } of turns) {
        for (const { events } of turn.commits) {
          for (const event of events as readonly GroupEvent[]) if (event.type === 'JobsAssigned') for (const { first, last } of event.data.assignments) assigned += last - first + 1
        }
      }
      if (assigned >= jobs) return
      if (systemClock.monotonicMs() > giveUpMs) throw new Error(`${assigned} jobs were assigned of ${jobs}`)
    }
    end = now
  }
}

function worked({ turns }: ReadLog): { readonly turns: number; readonly bytes: number; readonly endMs: number } {
  let count = 0
  let bytes = 0
  let endMs = 0
  for (const { message, turn } of turns) {
    const works = turn.commits.some(({ events }) => events.some(({ type }) => type === 'LockGranted' || type === 'JobSucceeded'))
    if (!works) continue
    count += 1
    bytes += message.bytes.length
    endMs = message.storedMs
  }
  return { turns: count, bytes, endMs }
}

/** Of several rounds the one with the middle ratio. */
async function median(row: string, say: (text: string) => void, round: (shown: boolean) => Promise<Measured>): Promise<Measured & { readonly range: string }> {
  for (let index = 0; index < warming; index++) {
    const one = await round(false)
    say(`  ${row}, warming: ${Math.round(one.perSecond)} jobs/s; ${noteOf(one)}`)
  }
  const measured: Measured[] = []
  while (measured.length < rounds) {
    const one = await round(true)
    measured.push(one)
    say(`  ${row}, ${measured.length} of ${rounds}: ${Math.round(one.perSecond)} jobs/s, ${one.ratio.toFixed(2)} of raw; ${noteOf(one)}`)
  }
  const ratios = measured.map(({ ratio }) => ratio)
  const range = `the middle one of ${rounds} rounds, ratios ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return { ...middleOf(measured, ({ ratio }) => ratio), range }
}

function noteOf({ bytesPerJob, jobsPerTurn, cpuUsPerJob }: Measured): string {
  const cpu = (names: readonly string[]) => `${Math.round(names.reduce((sum, name) => sum + cpuUsPerJob.get(name)!, 0))} µs`
  return `${jobsPerTurn.toFixed(0)} jobs a turn, ${Math.round(bytesPerJob)} bytes a job; CPU a job: agents ${cpu(workers)}, leader ${cpu(['leader'])}, server ${cpu(['server'])}`
}
