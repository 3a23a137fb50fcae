/**
 * How many lanes are best: the same jobs as in `w1`, in a realm of 1 to 16 lanes, on one server and on three. The raw limit is as many
 * serial appenders as there are lanes.
 */
import { judged, workers } from './common.ts'
import { measureAll, rateOf } from './jobs.ts'
import { BenchRealm } from './realm.ts'
import type { Row } from './row.ts'
import type { BenchWorld } from './world.ts'

const counts = [1, 2, 4, 8, 16] as const
const groups = 96
const rounds = 9
/** Not shown: as `w1`. */
const warming = 30

export const laneRowNames = (servers: 1 | 3) => counts.map((lanes) => nameOf(servers, lanes))

function nameOf(servers: 1 | 3, lanes: number): string {
  return servers === 1 ? `lanes-${lanes}` : `r3-lanes-${lanes}`
}

export async function laneRows(servers: 1 | 3, inWorld: (measure: (world: BenchWorld) => Promise<Row[]>) => Promise<Row[]>, wants: (row: string) => boolean, say: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const lanes of counts) {
    const row = nameOf(servers, lanes)
    if (wants(row)) rows.push(...(await inWorld((world) => rowOf(world, row, lanes, say))))
  }
  return rows
}

async function rowOf(world: BenchWorld, row: string, count: number, say: (text: string) => void): Promise<Row[]> {
  const realm = new BenchRealm(world)
  try {
    await realm.found(count)
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of workers) await realm.start(agent, 'skilled', [agent])
    const lanes = await realm.lanesHeldBy(workers, Math.min(count, workers.length), count)
    const workload = {
      lanes: [...lanes.keys()], groupsPerLane: Math.round(groups / count), jobsPerGroup: 100, window: 1, executorOf: (lane: string) => lanes.get(lane)!, appenders: count, appendIs: 'turn', batches: false,
    } as const
    const measured = await measureAll(realm, workload, row, say, rounds, warming)
    await judged(world, { ended: true })
    const on = world.replicas === 1 ? 'one server' : 'three servers on the same disk, three replicas'
    return [rateOf(row, `${groups} groups of 100 ordered jobs in ${count} lane${count === 1 ? '' : 's'} on ${on}, the executors hold the lanes, to ${count} raw appender${count === 1 ? '' : 's'} × jobs a turn`, measured, ({ raw }) => raw)]
  } finally {
    await realm.stop()
  }
}
