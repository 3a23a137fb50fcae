/** What queues that people use otherwise do with the workloads of `w1` to `w4`: figures to print beside our own, not measured here. */
import type { Row } from './row.ts'

type Workload = 'W1 jobs/s' | 'W2 jobs/s' | 'W3 jobs/s' | 'W4 p50 / p99, ms'

interface Peer {
  readonly name: string
  readonly figures: Readonly<Record<Workload, string>>
  /** Whether the order within a group outlives a job that fails once; absent for what knows no jobs. */
  readonly keepsOrder?: 'yes' | 'no'
}

/** Medians, stores synced on every write, order checked, 4 executing processes on two cores. A dash: there is none. */
const peers: readonly Peer[] = [
  peer('GroupMQ on Redis', '14,200', '1,300', '4,500', '0.6 / 2.5', 'yes'),
  peer('graphile-worker on Postgres, tuned', '9,000', '180', '14,200-18,700', '0.65 / 3.1', 'no'),
  peer('BullMQ on Redis, a queue a group, split by hand', '8,800', '2,700', '9,800', '0.65 / 1.7', 'no'),
  peer('pg-boss on Postgres', '1,800', '290', '9,400-21,800', '2.2 / 7.4', 'yes'),
  peer('DBOS on Postgres, one workflow a group', '1,360', '710', '1,300', '6.8 / 19', 'yes'),
  peer('raw JetStream', '24,000-30,000', '2,400-2,900', '80,000', '0.35-0.42'),
]

function peer(name: string, w1: string, w2: string, w3: string, w4: string, keepsOrder?: 'yes' | 'no'): Peer {
  return { name, figures: { 'W1 jobs/s': w1, 'W2 jobs/s': w2, 'W3 jobs/s': w3, 'W4 p50 / p99, ms': w4 }, ...(keepsOrder === undefined ? {} : { keepsOrder }) }
}

/** What was asked of JetStream alone. */
const rawOf: Readonly<Record<Workload, string>> = {
  'W1 jobs/s': 'atomic batches of 100',
  'W2 jobs/s': 'serial conditional appends',
  'W3 jobs/s': 'atomic batches of 500',
  'W4 p50 / p99, ms': 'one append',
}

/** Which of our rows are of the workload, with its defaults: the others have a window, which these queues do not know. */
const ours: Readonly<Record<Workload, readonly string[]>> = {
  'W1 jobs/s': ['w1', 'w1-remote', 'w1-batches'],
  'W2 jobs/s': ['w2'],
  'W3 jobs/s': ['w3', 'w3-groups'],
  'W4 p50 / p99, ms': ['w4-p50', 'w4-p99', 'w4-asked-p50', 'w4-asked-p99', 'w4-leader-p50', 'w4-leader-p99'],
}

/** Of each workload that was measured, what was found elsewhere; nothing where none was. */
export function elsewhere(rows: readonly Row[]): string {
  const lines: string[] = []
  for (const workload of Object.keys(ours) as Workload[]) {
    const measured = rows.filter(({ row }) => ours[workload].includes(row))
    if (measured.length === 0) continue
    lines.push(`  ${workload}; here: ${measured.map(({ row, value, raw }) => `${row} ${value} (raw ${raw})`).join(', ')}`)
    for (const { name, figures, keepsOrder } of peers) {
      const more = keepsOrder === undefined ? `, ${rawOf[workload]}` : keepsOrder === 'no' ? '; loses the order when a job fails once' : ''
      lines.push(`    ${figures[workload].padEnd(15)}${name}${more}`)
    }
  }
  if (lines.length === 0) return ''
  return ['', 'elsewhere, on such a machine (medians, stores synced on every write, order checked; machines differ, so compare each with the raw figures of its own):', ...lines, ''].join('\n')
}
