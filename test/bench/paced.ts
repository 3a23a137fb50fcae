/**
 * One job every 10 ms, each in a group of its own that was opened before: from the acknowledged turn that makes it runnable (it seals the
 * group) to the acknowledged `LockGranted`, by one clock: once as a service asks, which proposes whose queue the job goes into (claim 2), and
 * once with a job for which the leader, a process of its own, has to find who has the skill. The holder, which executes too, runs as a
 * whole agent in this very process.
 */
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from 'nats'
import { startAgent } from '../../src/agent/agent.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { connectCoordinator } from '../../streams/jetstream/connect.ts'
import { pause } from '../../streams/ports/clock.ts'
import { logWith } from '../../streams/ports/event-log.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { eventually } from '../support/eventually.ts'
import { quiet } from './grant.ts'
import { BenchRealm, anyonesRehearsal, rehearsal } from './realm.ts'
import { type Row, compared, percentile } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const jobs = 500
/** Not counted: what has just started is slower. */
const warming = 100
const everyMs = 10
const holder = 'w1'

interface Stamps {
  /** By group, milliseconds: when its job became runnable, and when its lock was granted. */
  readonly sealed: Map<string, number>
  readonly granted: Map<string, number>
  bytes: number
  turns: number
}

export async function pacedRows(world: BenchWorld, wants: (row: string) => boolean): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const stamps: Stamps = { sealed: new Map(), granted: new Map(), bytes: 0, turns: 0 }
  let stop = async () => {}
  try {
    await realm.start('leader', 'generic')
    await realm.addSite()
    const connected = await connectCoordinator({ servers: [world.server.url], realm: benchRealm, name: holder, clock: systemClock, random: systemRandom, durability: { level: 'synced' } })
    const running = startAgent({ agent: holder, role: 'skilled', region: 'here', skills: [holder], build: 'bench', realmName: benchRealm, coordinator: stamping(connected, stamps), clock: systemClock, random: systemRandom, logger: quiet, acceptWeakDurability: false })
    stop = async () => {
      await running.force()
      await connected.close()
    }
    await running.ready
    const [lane] = (await realm.lanesHeldBy([holder])).keys()
    const rows: Row[] = []
    for (const { row, how, open } of [
      { row: 'w4', how: 'in the queue of an agent as a service proposes it', open: () => realm.open(lane!, [anyonesRehearsal], {}, [{ first: 1, last: 1, agent: holder }]) },
      { row: 'w4-leader', how: 'assigned by a leader in another process, by skill', open: () => realm.open(lane!, [rehearsal(holder)]) },
    ] as const) {
      if (!wants(`${row}-p50`) && !wants(`${row}-p99`)) continue
      rows.push(...rowsOf(row, how, await took(stamps, open), await rawPaced(world.server.url, row, Math.round(stamps.bytes / stamps.turns))))
    }
    return rows
  } finally {
    await stop()
    await realm.stop()
  }
}

/** Milliseconds of each job but the first ones. */
async function took(stamps: Stamps, open: () => ReturnType<BenchRealm['open']>): Promise<readonly number[]> {
  const opened: Awaited<ReturnType<BenchRealm['open']>>[] = []
  for (let index = 0; index < jobs + warming; index++) opened.push(await open())
  const sealing: Promise<void>[] = []
  await paced(opened.length, (index) => void sealing.push(opened[index]!.seal()))
  await Promise.all(sealing)
  await eventually(() => opened.every(({ group }) => stamps.granted.has(group)), { what: 'all locks', withinMs: 60_000, everyMs: 100 })
  return opened.slice(warming).map(({ group }) => stamps.granted.get(group)! - stamps.sealed.get(group)!)
}

function rowsOf(row: string, how: string, took: readonly number[], raw: readonly number[]): Row[] {
  const what = `one job every ${everyMs} ms, ${how}: from the acknowledged turn that makes it runnable to its acknowledged LockGranted, to a lone raw append at the same pace`
  const sameTurn = took.filter((ms) => ms === 0).length
  const note = `${took.length} jobs; ${sameTurn} were granted by the very turn that made them runnable`
  return [compared(`${row}-p50`, what, 'ms', percentile(took, 0.5), percentile(raw, 0.5), note), compared(`${row}-p99`, what, 'ms', percentile(took, 0.99), percentile(raw, 0.99))]
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

function stamping(coordinator: Coordinator, stamps: Stamps): Coordinator {
  const { log } = coordinator
  const append: typeof log.append = async (request) => {
    const outcome = await log.append(request)
    const atMs = systemClock.monotonicMs()
    if (outcome.kind !== 'landed') return outcome
    for (const { aggregate, id, events } of decodeTurn(request.bytes).commits) {
      if (aggregate !== 'group') continue
      for (const { type } of events) {
        if (type === 'GroupSealed') stamps.sealed.set(id, atMs)
        if (type !== 'LockGranted') continue
        stamps.granted.set(id, atMs)
        stamps.bytes += request.bytes.length
        stamps.turns += 1
      }
    }
    return outcome
  }
  return { ...coordinator, log: logWith(log, { append }) }
}

/** One conditional append at a time, one every 10 ms; milliseconds each. */
async function rawPaced(url: string, row: string, sizeBytes: number): Promise<number[]> {
  const connection = await connect({ servers: url })
  await (await jetstreamManager(connection)).streams.add({ name: `RAW_PACED_${row}`, subjects: [`raw.paced.${row}`] })
  const js = jetstream(connection)
  const bytes = new Uint8Array(sizeBytes).fill(120)
  const took: number[] = []
  let last = 0
  await paced(jobs, async () => {
    const beginMs = systemClock.monotonicMs()
    last = (await js.publish(`raw.paced.${row}`, bytes, { expect: { lastSubjectSequence: last } })).seq
    took.push(systemClock.monotonicMs() - beginMs)
  })
  await connection.close()
  return took
}
