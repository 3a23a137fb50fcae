/** Jobs a second, by real agents, from the stamps of the log itself; order and exactly once are checked in it afterwards. */
import { systemClock } from '../../src/platform/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { ReadLog } from '../checkers/read.ts'
import { judged, middleOf, readTurns, workers } from './common.ts'
import { rawAppends } from './raw.ts'
import { rawBatches } from './raw-batches.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, rate } from './row.ts'
import type { BenchWorld } from './world.ts'

/** A round of `w1` takes a third of a second, in which the disk may stand still for a tenth. */
const usualRounds = 15
/** Not shown: an agent that has just started takes twice the CPU time a job until its code is compiled. */
const usualWarming = 2
/**
 * Not shown of the rows whose rounds have about a hundred turns of each lane: the runtime goes on compiling what an agent does once a turn for some thousand
 * turns. Of `w1-remote` a job took 126, 84, 73, 64, 67, 74 µs of all processes in rounds 1 to 10, 11 to 20 and so on.
 */
const manyWarming = 30
/** With a window of 16 a round has eight turns of each lane. */
const windowWarming = 60
const rawMs = 2_000
const batchSize = 100

export interface Measured {
  readonly perSecond: number
  readonly raw: number
  readonly rawBatched: number | undefined
  readonly perTurn: number
  readonly bytesPerTurn: number
  readonly rawPerSecond: number
  /** CPU time a job, microseconds, by process. */
  readonly cpuUsPerJob: ReadonlyMap<string, number>
}

interface Workload {
  readonly lanes: readonly string[]
  readonly groupsPerLane: number
  readonly jobsPerGroup: number
  readonly window: number
  readonly executorOf: (lane: string) => string
  readonly appenders: number
  /** What is set against one raw append: a turn with all its jobs, or one job. */
  readonly appendIs: 'turn' | 'job'
  /** Raw atomic batches are measured too. */
  readonly batches: boolean
}

/** What the turns of the lanes after a position say. */
interface Slice {
  readonly turns: number
  readonly bytes: number
  readonly tookMs: number
  readonly jobs: number
}

const single = ['w2', 'w2-window16'] as const
const many = ['w1', 'w1-remote', 'w1-window16'] as const
export const jobRowNames = [...single, ...many, 'w1-batches', 'w1-window16-batches'] as const

export async function jobRows(world: BenchWorld, wants: (row: string) => boolean, say: (text: string) => void): Promise<Row[]> {
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
    for (const row of single) {
      if (!wants(row)) continue
      const window = row === 'w2' ? 1 : 16
      const measured = await measureAll(realm, { lanes: [[...lanes.keys()][0]!], groupsPerLane: 1, jobsPerGroup: 5_000, window, executorOf: holderOf, appenders: 1, appendIs: 'job', batches: false }, row, say)
      const what = `one group of 5,000 ordered jobs${windowText(window)}, to raw serial conditional appends of the bytes of a turn`
      rows.push(rateOf(row, what, measured, ({ raw }) => raw))
    }
    for (const row of many) {
      const batches = wants(`${row}-batches`)
      if (!wants(row) && !batches) continue
      const window = row === 'w1-window16' ? 16 : 1
      const executorOf = row === 'w1-remote' ? otherThan : holderOf
      const measured = await measureAll(realm, { lanes: [...lanes.keys()], groupsPerLane: 25, jobsPerGroup: 100, window, executorOf, appenders: 4, appendIs: 'turn', batches }, row, say, usualRounds, window === 1 ? manyWarming : windowWarming)
      const who = row === 'w1-remote' ? 'each group executed by another agent than the one that holds its lane' : 'the executors hold the lanes'
      const what = `100 groups of 100 ordered jobs${windowText(window)}, 4 agents, ${who}`
      if (wants(row)) rows.push(rateOf(row, `${what}, to 4 raw appenders × jobs a turn`, measured, ({ raw }) => raw))
      if (batches) rows.push(rateOf(`${row}-batches`, `${what}, to 4 raw appenders of atomic batches of ${batchSize}, a message a job`, measured, ({ rawBatched }) => rawBatched!))
    }
    await judged(world, { ended: true })
    return rows
  } finally {
    await realm.stop()
  }
}

function windowText(window: number): string {
  return window === 1 ? '' : `, window ${window}`
}

export async function measureAll(realm: BenchRealm, workload: Workload, row: string, say: (text: string) => void, rounds = usualRounds, warming = usualWarming): Promise<Measured[]> {
  for (let round = 0; round < warming; round++) {
    const { slice, cpuUsPerJob } = await run(realm, workload)
    say(`  ${row}, warming: ${Math.round((slice.jobs * 1_000) / slice.tookMs)} jobs/s, ${cpuText(cpuUsPerJob)}`)
  }
  const measured: Measured[] = []
  while (measured.length < rounds) {
    const one = await measure(realm, workload)
    measured.push(one)
    say(`  ${row}, ${measured.length} of ${rounds}: ${Math.round(one.perSecond)} jobs/s, ${(one.perSecond / one.raw).toFixed(2)} of raw; ${noteOf(one)}`)
  }
  return measured
}

/** Of several rounds, each beside its own raw limit, the one with the middle ratio. */
export function rateOf(row: string, what: string, measured: readonly Measured[], rawOf: (measured: Measured) => number): Row {
  const ratioOf = (one: Measured) => one.perSecond / rawOf(one)
  const ratios = measured.map(ratioOf)
  const middle = middleOf(measured, ratioOf)
  const range = `the middle one of ${measured.length} rounds, ratios ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return rate(row, what, 'jobs/s', middle.perSecond, rawOf(middle), `${range}; ${noteOf(middle)}; a leader runs in a fifth process`)
}

function noteOf({ perTurn, bytesPerTurn, rawPerSecond, cpuUsPerJob }: Measured): string {
  return `${perTurn.toFixed(1)} jobs and ${Math.round(bytesPerTurn)} bytes a turn; raw: ${Math.round(rawPerSecond)} appends/s; ${cpuText(cpuUsPerJob)}`
}

function cpuText(cpuUsPerJob: ReadonlyMap<string, number>): string {
  const cpu = (names: readonly string[]) => `${Math.round(names.reduce((sum, name) => sum + cpuUsPerJob.get(name)!, 0))} µs`
  return `CPU a job: agents ${cpu(workers)}, leader ${cpu(['leader'])}, server ${cpu(['server'])}`
}

async function measure(realm: BenchRealm, workload: Workload): Promise<Measured> {
  const { slice, cpuUsPerJob } = await run(realm, workload)
  const { appenders, appendIs, batches } = workload
  const { url } = realm.world.server
  const perTurn = slice.jobs / slice.turns
  const bytesPerTurn = slice.bytes / slice.turns
  const rawPerSecond = await rawAppends(url, appenders, Math.round(bytesPerTurn), rawMs, realm.world.replicas)
  const rawBatched = batches ? await rawBatches(url, appenders, batchSize, Math.round(bytesPerTurn / perTurn), rawMs) : undefined
  const raw = appendIs === 'turn' ? rawPerSecond * perTurn : rawPerSecond
  return { perSecond: (slice.jobs * 1_000) / slice.tookMs, raw, rawBatched, perTurn, bytesPerTurn, rawPerSecond, cpuUsPerJob }
}

async function run(realm: BenchRealm, { lanes, groupsPerLane, jobsPerGroup, window, executorOf }: Workload) {
  const { world } = realm
  const opened = await Promise.all(
    lanes.flatMap((lane) => Array.from({ length: groupsPerLane }, () => realm.open(lane, Array.from({ length: jobsPerGroup }, () => rehearsal(executorOf(lane))), { window }))),
  )
  const begin = await world.coordinator.log.end()
  const cpuBefore = realm.cpuMs()
  await Promise.all(opened.map(({ seal }) => seal()))
  const slice = sliceOf(await readUntilDone(world, begin + 1, opened.length * jobsPerGroup))
  const cpuUsPerJob = new Map([...realm.cpuMs()].map(([name, ms]) => [name, ((ms - cpuBefore.get(name)!) * 1_000) / slice.jobs]))
  return { slice, cpuUsPerJob }
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
