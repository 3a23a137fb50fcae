/** `npm run bench [-- --json] [-- --only ROW,ROW]`: the figures of docs/performance.md, each beside the raw limit of this very run. */
import { parseArgs } from 'node:util'
import { changeRows } from './changes.ts'
import { grantRows } from './grant.ts'
import { independentRows } from './independent.ts'
import { jobRowNames, jobRows } from './jobs.ts'
import { groupLiveRows, laneLiveRows } from './lane-live.ts'
import { logFileRows } from './log-file.ts'
import { idleRows } from './idle.ts'
import { memoryRowNames, memoryRows } from './memory.ts'
import { pacedRowNames, pacedRows } from './paced.ts'
import { pauseRows } from './pause.ts'
import { laneRowNames, laneRows } from './lanes.ts'
import { laneMoveRows } from './lane-move.ts'
import { lanesHotRows } from './lanes-hot.ts'
import { elsewhere } from './peers.ts'
import { replayRows } from './replay.ts'
import { type Row, table } from './row.ts'
import { takeoverRows } from './takeover.ts'
import { type BenchWorld, startClusterWorld, startWorld } from './world.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string' } } })
const only = values.only?.split(',')
const wants = (row: string) => only === undefined || only.includes(row)
const rows: Row[] = []
const say = (text: string) => void (values.json ? undefined : process.stderr.write(`${text}\n`))

const parts: readonly { readonly rows: readonly string[]; run(): Promise<Row[]> }[] = [
  { rows: jobRowNames, run: () => inWorld((world) => jobRows(world, wants, say)) },
  { rows: laneRowNames(1), run: () => laneRows(1, (measure) => inWorld(measure), wants, say) },
  { rows: laneRowNames(3), run: () => laneRows(3, (measure) => inWorld(measure, startClusterWorld), wants, say) },
  { rows: ['lanes-hot'], run: () => inWorld((world) => lanesHotRows(world, say)) },
  { rows: ['w3', 'w3-groups'], run: () => inWorld((world) => independentRows(world, wants, say)) },
  { rows: ['grant-p50', 'grant-p99'], run: () => inWorld(grantRows) },
  { rows: pacedRowNames, run: () => inWorld((world) => pacedRows(world, wants)) },
  { rows: ['idle'], run: () => inWorld(idleRows) },
  { rows: ['pause', 'pause-p99', 'pause-most'], run: () => inWorld(pauseRows) },
  { rows: ['lane-move', 'lane-move-p99', 'lane-move-most'], run: () => inWorld(laneMoveRows) },
  {
    rows: ['takeover-p50', 'takeover-p99', 'takeover-leader-p50', 'takeover-leader-p99', 'takeover-others', 'takeover-others-most'],
    run: () => inWorld((world) => takeoverRows(world, wants, say)),
  },
  { rows: ['lane-live', 'lane-snapshot'], run: () => inWorld((world) => laneLiveRows(world, { groups: 1_000, jobsPerGroup: 500, open: 20 })) },
  { rows: ['lane-live-group', 'lane-snapshot-group'], run: () => inWorld((world) => groupLiveRows(world)) },
  { rows: memoryRowNames, run: () => inWorld((world) => memoryRows(world, { groups: 1_000, jobsPerGroup: 1_000, events: 1_000_000, jobsPerEnded: 100, small: 5_000 }, say)) },
  { rows: ['export', 'export-memory', 'import', 'import-memory', 'verify'], run: () => inWorld((world) => logFileRows(world, { groups: 1_000, jobsPerGroup: 250 })) },
  { rows: ['export-memory-changes', 'import-memory-changes'], run: () => inWorld(changeRows) },
  { rows: ['replay', 'replay-memory', 'replay-memory-twice', 'replay-live-twice'], run: () => inWorld((world) => replayRows(world, { groups: 1_000, jobsPerGroup: 500 })) },
]

for (const part of parts) {
  if (!part.rows.some(wants)) continue
  say(`measuring ${part.rows.join(', ')} …`)
  rows.push(...(await part.run()))
}
process.stdout.write(values.json ? `${JSON.stringify({ rows }, null, 2)}\n` : `${table(rows)}\n${elsewhere(rows)}`)

async function inWorld(measure: (world: BenchWorld) => Promise<Row[]>, start: () => Promise<BenchWorld> = startWorld): Promise<Row[]> {
  const world = await start()
  try {
    return await measure(world)
  } finally {
    await world.stop()
  }
}
