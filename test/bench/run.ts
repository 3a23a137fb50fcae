/** `npm run bench [-- --json] [-- --only ROW,ROW]`: the figures of docs/performance.md, each beside the raw limit of this very run. */
import { parseArgs } from 'node:util'
import { jobRows } from './jobs.ts'
import { replayRows } from './replay.ts'
import { type Row, table } from './row.ts'
import { startWorld } from './world.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, only: { type: 'string' } } })
const only = values.only?.split(',')
const rows: Row[] = []
const say = (text: string) => void (values.json ? undefined : process.stderr.write(`${text}\n`))

const parts: readonly { readonly rows: readonly string[]; run(): Promise<Row[]> }[] = [
  { rows: ['turns', 'jobs', 'jobs-remote'], run: () => inWorld((world) => jobRows(world, only)) },
  { rows: ['replay', 'replay-memory'], run: () => inWorld((world) => replayRows(world, { groups: 1_000, jobsPerGroup: 500 })) },
]

for (const part of parts) {
  if (only !== undefined && !part.rows.some((row) => only.includes(row))) continue
  say(`measuring ${part.rows.join(', ')} …`)
  rows.push(...(await part.run()))
}
process.stdout.write(values.json ? `${JSON.stringify({ rows }, null, 2)}\n` : `${table(rows)}\n`)

async function inWorld(measure: (world: Awaited<ReturnType<typeof startWorld>>) => Promise<Row[]>): Promise<Row[]> {
  const world = await startWorld()
  try {
    return await measure(world)
  } finally {
    await world.stop()
  }
}
