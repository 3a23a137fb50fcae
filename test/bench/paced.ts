/**
 * One job every 10 ms, each in a group of its own that was opened before, in the lanes of four agents, which execute: from the acknowledged turn that makes it
 * runnable (it seals the group) to the acknowledged `LockGranted`, and, as whoever asks sees it, from the sending of the request that seals the group. Once as
 * a service asks, which proposes whose queue the job goes into (claim 2), and once with a job for which the leader has to find who has the skill. All are
 * processes of their own; one clock of the machine stamps all of it (`stamping.ts`).
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import { systemClock } from '../../src/platform/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import { eventually } from '../support/eventually.ts'
import { judged, workers } from './common.ts'
import { readUntilDone } from './jobs.ts'
import { BenchRealm, anyonesRehearsal, rehearsal } from './realm.ts'
import { type Row, compared, percentile } from './row.ts'
import { type StampsMessage, machineMs } from './stamping.ts'
import type { BenchWorld } from './world.ts'

const jobs = 500
/** Not counted, of Reeve's jobs as of raw appends: what has just started is slower. */
const warming = 100
const everyMs = 10

export const pacedRowNames = ['w4-p50', 'w4-p99', 'w4-asked-p50', 'w4-asked-p99', 'w4-leader-p50', 'w4-leader-p99'] as const

/** By group. */
interface Stamps {
  readonly sealed: Map<string, number>
  readonly granted: Map<string, { readonly atMs: number; readonly turn: number; readonly bytes: number }>
}

interface Taken {
  /** Milliseconds of each job but the first ones. */
  readonly took: readonly number[]
  readonly asked: readonly number[]
  /** Of a turn that grants. */
  readonly bytesPerTurn: number
}

type Opened = ReturnType<BenchRealm['open']>

export async function pacedRows(world: BenchWorld, wants: (row: string) => boolean): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const stamps: Stamps = { sealed: new Map(), granted: new Map() }
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of workers) {
      const { child } = await realm.start(agent, 'skilled', [agent], { stamped: true })
      child.on('message', (told: { readonly kind: string }) => {
        if (told.kind === 'stamps') take(stamps, told as StampsMessage)
      })
    }
    const lanes = [...(await realm.lanesHeldBy(workers))]
    const rows: Row[] = []
    for (const { row, how, open } of [
      { row: 'w4', how: 'in the queue of the agent that a service proposes', open: (lane: string, agent: string) => realm.open(lane, [anyonesRehearsal], {}, [{ first: 1, last: 1, agent }]) },
      { row: 'w4-leader', how: 'assigned by the leader, by skill', open: (lane: string, agent: string) => realm.open(lane, [rehearsal(agent)]) },
    ] as const) {
      const names = pacedRowNames.filter((name) => name.startsWith(`${row}-p`) || (row === 'w4' && name.startsWith('w4-asked')))
      if (!names.some(wants)) continue
      const taken = await paceJobs(world, stamps, (index) => open(...lanes[index % lanes.length]!))
      const raw = await rawPaced(world.server.url, row, Math.round(taken.bytesPerTurn))
      rows.push(...rowsOf(row, how, taken, raw).filter(({ row: name }) => wants(name)))
    }
    await judged(world, { ended: true })
    return rows
  } finally {
    await realm.stop()
  }
}

function take({ sealed, granted }: Stamps, { stamps }: StampsMessage): void {
  for (const { group, event, atMs, turn, bytes } of stamps) {
    if (event === 'GroupSealed') sealed.set(group, atMs)
    else granted.set(group, { atMs, turn, bytes })
  }
}

async function paceJobs(world: BenchWorld, stamps: Stamps, open: (index: number) => Opened): Promise<Taken> {
  const opened: Awaited<Opened>[] = []
  for (let index = 0; index < jobs + warming; index++) opened.push(await open(index))
  const from = (await world.coordinator.log.end()) + 1
  const askedMs: number[] = []
  const sealing: Promise<void>[] = []
  await paced(opened.length, (index) => {
    askedMs.push(machineMs())
    sealing.push(opened[index]!.seal())
  })
  await Promise.all(sealing)
  await readUntilDone(world, from, opened.length)
  const isStamped = ({ group }: { readonly group: string }) => stamps.granted.has(group) && stamps.sealed.has(group)
  await eventually(() => opened.every(isStamped), { what: 'the stamps of all locks', withinMs: 60_000, everyMs: 100 })
  const counted = opened.map(({ group }, index) => ({ sealedMs: stamps.sealed.get(group)!, askedMs: askedMs[index]!, ...stamps.granted.get(group)! })).slice(warming)
  const turns = new Map(counted.map(({ turn, bytes }) => [turn, bytes]))
  return {
    took: counted.map(({ atMs, sealedMs }) => atMs - sealedMs),
    asked: counted.map(({ atMs, askedMs: fromMs }) => atMs - fromMs),
    bytesPerTurn: [...turns.values()].reduce((sum, bytes) => sum + bytes, 0) / turns.size,
  }
}

function rowsOf(row: string, how: string, { took, asked, bytesPerTurn }: Taken, raw: readonly number[]): Row[] {
  const sameTurn = took.filter((ms) => ms === 0).length
  const what = (from: string) => `one job every ${everyMs} ms, ${how}: from ${from} to its acknowledged LockGranted, to a lone raw append at the same pace`
  const pair = (name: string, from: string, values: readonly number[], note: string) => [
    compared(`${name}-p50`, what(from), 'ms', percentile(values, 0.5), percentile(raw, 0.5), note),
    compared(`${name}-p99`, what(from), 'ms', percentile(values, 0.99), percentile(raw, 0.99)),
  ]
  const note = `${took.length} jobs of 4 executing agents, a leader runs in a fifth process; ${sameTurn} were granted by the very turn that made them runnable; ${Math.round(bytesPerTurn)} bytes a turn`
  const rows = pair(row, 'the acknowledged turn that makes it runnable', took, note)
  return row === 'w4' ? [...rows, ...pair('w4-asked', 'the sending of the request that seals its group', asked, note)] : rows
}

/** `task` every 10 ms, by the clock: one that is late does not delay those after it. */
async function paced(count: number, task: (index: number) => void | Promise<void>): Promise<void> {
  const beginMs = systemClock.monotonicMs()
  for (let index = 0; index < count; index++) {
    const leftMs = beginMs + index * everyMs - systemClock.monotonicMs()
    if (leftMs > 0) await pause(systemClock, leftMs)
    await task(index)
  }
}

/** One conditional append at a time, one every 10 ms; milliseconds each. */
async function rawPaced(url: string, row: string, sizeBytes: number): Promise<number[]> {
  const connection = await connect({ servers: url })
  const manager = await jetstreamManager(connection)
  const stream = `RAW_PACED_${row}`
  await manager.streams.add({ name: stream, subjects: [`raw.paced.${row}`] })
  const js = jetstream(connection)
  const bytes = new Uint8Array(sizeBytes).fill(120)
  const took: number[] = []
  let last = 0
  await paced(jobs + warming, async () => {
    const beginMs = systemClock.monotonicMs()
    last = (await js.publish(`raw.paced.${row}`, bytes, { expect: { lastSubjectSequence: last } })).seq
    took.push(systemClock.monotonicMs() - beginMs)
  })
  await manager.streams.delete(stream)
  await connection.close()
  return took.slice(warming)
}
