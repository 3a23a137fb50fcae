/** Jobs and turns a second, by real agents, from the stamps of the log itself; order and exactly once are checked in it afterwards. */
import { readFileSync } from 'node:fs'
import type { StoredMessage } from '../../streams/ports/event-log.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import { checkRun } from '../checkers/all.ts'
import { type ReadLog, readLog } from '../checkers/read.ts'
import { rawAppends } from './raw.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, rate } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const workers = ['w1', 'w2', 'w3', 'w4'] as const
const rounds = 3
const rawMs = 2_000

interface Measured {
  readonly perSecond: number
  readonly raw: number
  readonly ratio: number
  readonly perTurn: number
  readonly bytesPerTurn: number
  readonly rawPerSecond: number
  /** CPU time a job, microseconds, by process. */
  readonly cpuUsPerJob: ReadonlyMap<string, number>
}

/** What the turns of the lanes after a position say. */
interface Slice {
  readonly turns: number
  readonly bytes: number
  readonly tookMs: number
  readonly jobs: number
}

export async function jobRows(world: BenchWorld, wants: (row: string) => boolean): Promise<Row[]> {
  const realm = new BenchRealm(world)
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    // The skill is how the bench says who is to execute: the leader assigns by it, as ever.
    for (const agent of workers) await realm.start(agent, 'skilled', [agent])
    const lanes = await realm.lanesHeldBy(workers)
    const rows: Row[] = []
    const holderOf = (lane: string) => lanes.get(lane)!
    const otherThan = (lane: string) => workers[(workers.indexOf(holderOf(lane) as (typeof workers)[number]) + 1) % workers.length]!
    const how = 'a leader runs in a fifth process'
    if (wants('turns')) {
      const [lane] = [...lanes.keys()]
      const turns = await median(() => measure(realm, [lane!], 1, 2_000, holderOf, 1, (slice) => slice.turns))
      rows.push(rate('turns', 'turns of one lane, one group of ordered jobs, to raw serial conditional appends of the same bytes', 'turns/s', turns.perSecond, turns.raw, noteOf(turns)))
    }
    const perJob = (executorOf: (lane: string) => string) => median(() => measure(realm, [...lanes.keys()], 25, 100, executorOf, 4, (slice) => slice.jobs))
    if (wants('jobs')) {
      const jobs = await perJob(holderOf)
      rows.push(rate('jobs', '100 groups of 100 ordered jobs, 4 agents, the executors hold the lanes, to 4 raw appenders × jobs a turn', 'jobs/s', jobs.perSecond, jobs.raw, `${noteOf(jobs)}; ${how}`))
    }
    if (wants('jobs-remote')) {
      const jobs = await perJob(otherThan)
      rows.push(rate('jobs-remote', 'the same, each group executed by another agent than the one that holds its lane', 'jobs/s', jobs.perSecond, jobs.raw, `${noteOf(jobs)}; ${how}`))
    }
    check(await wholeLog(world))
    return rows
  } finally {
    await realm.stop()
  }
}

function noteOf({ perTurn, bytesPerTurn, rawPerSecond, cpuUsPerJob }: Measured): string {
  const cpu = (names: readonly string[]) => `${Math.round(names.reduce((sum, name) => sum + cpuUsPerJob.get(name)!, 0))} µs`
  return (
    `${perTurn.toFixed(1)} jobs and ${Math.round(bytesPerTurn)} bytes a turn; raw: ${Math.round(rawPerSecond)} appends/s; ` +
    `CPU a job: agents ${cpu(workers)}, leader ${cpu(['leader'])}, server ${cpu(['server'])}`
  )
}

/** As the kernel counts it, in ticks of 10 ms. */
export function cpuMsByProcess(realm: BenchRealm): Map<string, number> {
  const pids: [string, number][] = [['server', realm.world.server.pid]]
  for (const { agent, child } of realm.agents.values()) pids.push([agent, child.pid!])
  const msPerTick = 10
  return new Map(
    pids.map(([name, pid]) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return [name, (Number(fields[11]) + Number(fields[12])) * msPerTick]
    }),
  )
}

/** Of several rounds, each beside its own raw limit, the one with the middle ratio. */
async function median(round: () => Promise<Measured>): Promise<Measured> {
  const measured: Measured[] = []
  for (let index = 0; index < rounds; index++) measured.push(await round())
  return measured.sort((left, right) => left.ratio - right.ratio)[Math.floor(rounds / 2)]!
}

async function measure(
  realm: BenchRealm,
  lanes: readonly string[],
  groupsPerLane: number,
  jobsPerGroup: number,
  executorOf: (lane: string) => string,
  appenders: number,
  count: (slice: Slice) => number,
): Promise<Measured> {
  const { world } = realm
  const opened = await Promise.all(
    lanes.flatMap((lane) => Array.from({ length: groupsPerLane }, () => realm.open(lane, Array.from({ length: jobsPerGroup }, () => rehearsal(executorOf(lane)))))),
  )
  const begin = await world.coordinator.log.end()
  const cpuBefore = cpuMsByProcess(realm)
  await Promise.all(opened.map(({ seal }) => seal()))
  const slice = sliceOf(await readUntilDone(world, begin + 1, opened.length * jobsPerGroup))
  const cpuUsPerJob = new Map([...cpuMsByProcess(realm)].map(([name, ms]) => [name, ((ms - cpuBefore.get(name)!) * 1_000) / slice.jobs]))
  const bytesPerTurn = slice.bytes / slice.turns
  const rawPerSecond = await rawAppends(world.server.url, appenders, Math.round(bytesPerTurn), rawMs)
  const perSecond = (count(slice) * 1000) / slice.tookMs
  const raw = (rawPerSecond * count(slice)) / slice.turns
  return { perSecond, raw, ratio: perSecond / raw, perTurn: slice.jobs / slice.turns, bytesPerTurn, rawPerSecond, cpuUsPerJob }
}

/** The end of the log is asked for, seldom, so that waiting costs those at work nothing; it is read only when it has come to rest. */
export async function readUntilDone(world: BenchWorld, from: number, jobs: number): Promise<ReadLog> {
  const giveUpMs = systemClock.monotonicMs() + 120_000
  let end = 0
  for (;;) {
    await pause(systemClock, 300)
    const now = await world.coordinator.log.end()
    if (now === end) {
      const read = await readTurns(world, from)
      const done = sliceOf(read).jobs
      if (done === jobs) return read
      if (done > jobs || systemClock.monotonicMs() > giveUpMs) throw new Error(`${done} jobs succeeded of ${jobs}`)
    }
    end = now
  }
}

export async function readTurns(world: BenchWorld, from: number, subject = world.subjects.allLanes): Promise<ReadLog> {
  const { log } = world.coordinator
  const messages: StoredMessage[] = []
  const until = await log.end()
  if (from > until) return { turns: [] }
  for await (const batch of log.read({ subjects: [subject], from, until })) messages.push(...batch)
  return readLog(messages, benchRealm)
}

/** Elections too, which the checkers compare epochs with. */
export const wholeLog = (world: BenchWorld) => readTurns(world, 1, world.subjects.allEvents)

/** From the first turn that grants a lock to the last turn of work. */
function sliceOf({ turns }: ReadLog): Slice {
  let jobs = 0
  let bytes = 0
  let count = 0
  let firstMs = Infinity
  let lastMs = 0
  for (const { message, turn } of turns) {
    let works = false
    for (const commit of turn.commits) {
      for (const { type } of commit.events) {
        if (type === 'JobSucceeded') jobs += 1
        if (type === 'LockGranted' || type === 'JobSucceeded') works = true
      }
    }
    if (!works) continue
    count += 1
    bytes += message.bytes.length
    firstMs = Math.min(firstMs, message.storedMs)
    lastMs = message.storedMs
  }
  return { turns: count, bytes, tookMs: lastMs - firstMs, jobs }
}

export function check(log: ReadLog): void {
  const violations = checkRun(log, { ended: true })
  if (violations.length > 0) throw new Error(`the log breaks ${violations.length} rules, first ${violations[0]!.rule}: ${violations[0]!.what}`)
}
