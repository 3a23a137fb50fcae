/**
 * Every named place where a process of a simulated world is killed or paused. Those of holder and executor are passed within the
 * product; the others lie at the gate between a process and its coordinator: before a request leaves it, and after its answer came and
 * before its code hears of it. `npm run sim -- --seeds N` sums over its worlds how often each was struck.
 */
import type { ExecutorFailpoint } from '../../src/executor/held-grant.ts'
import type { HolderFailpoint } from '../../src/lane/holding.ts'
import type { LaneCommand } from '../../streams/lane-protocol.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { BucketKind } from '../../streams/subjects.ts'

const within = ['turn-before-append', 'turn-after-append', 'turn-after-answers', 'call-before', 'call-after'] as const satisfies readonly (HolderFailpoint | ExecutorFailpoint)[]

/** Of the log: the turn that holds an event of this type. */
const events = ['LaneTaken', 'LaneReleased', 'LeaderElected', 'AgentStarted', 'AgentLost', 'InstructionTaken', 'TriggerDue', 'TriggerRunStarted', 'FormatRaised'] as const
/** Of buckets and stores, and of commands to lanes. */
const writes = ['lease-created', 'presence-created', 'present-instance-written', 'mapping-written', 'configuration-written', 'snapshot-stored', 'snapshot-pointer-written', 'text-kept', 'group-open', 'group-add', 'group-seal'] as const

export type Crossing = (typeof events)[number] | (typeof writes)[number]
export type Failpoint = (typeof within)[number] | `${Crossing}-before` | `${Crossing}-after`

export const failpoints: readonly Failpoint[] = [...within, ...[...events, ...writes].flatMap((name) => [`${name}-before`, `${name}-after`] as const)]

const rare: ReadonlySet<string> = new Set(['turn-before-append', 'turn-after-append', 'turn-after-answers', 'call-before', 'call-after', 'group-add-before', 'group-add-after', 'text-kept-before', 'text-kept-after'])

/** Chance that whoever passes it is struck, in a world where it is `chance` at what is passed all the time. */
export function chanceAt(name: Failpoint, chance: number): number {
  return rare.has(name) ? chance : Math.min(0.25, 8 * chance)
}

/** Larger turns hold work of groups. */
const mostBytes = 3_000

export function crossingOfTurn(bytes: Uint8Array): Crossing | undefined {
  if (bytes.length > mostBytes) return undefined
  const text = Buffer.from(bytes).toString('latin1')
  return events.find((type) => text.includes(`"type":"${type}"`))
}

export function crossingOfWrite(kind: BucketKind, write: 'create' | 'createOnce' | 'update' | 'put', key: string): Crossing | undefined {
  const creates = write === 'create' || write === 'createOnce'
  switch (kind) {
    case 'lease':
      return creates ? 'lease-created' : undefined
    case 'agents':
      if (!key.startsWith('instance.')) return 'present-instance-written'
      return creates ? 'presence-created' : undefined
    case 'config':
      return 'configuration-written'
    case 'mappings':
      return key.startsWith('snapshot.') ? 'snapshot-pointer-written' : 'mapping-written'
    default:
      return undefined
  }
}

export function crossingOfRequest(subject: string, data: Uint8Array): Crossing | undefined {
  if (!/\.lane\.[^.]+\.command$/.test(subject)) return undefined
  const { kind } = fromBytes<LaneCommand>(data).body
  return kind === 'open' || kind === 'add' || kind === 'seal' ? `group-${kind}` : undefined
}

export type Struck = Map<Failpoint, { passed: number; struck: number }>

export function tableOf(struck: Struck): string {
  const rows = failpoints.map((name) => {
    const { passed, struck: times } = struck.get(name) ?? { passed: 0, struck: 0 }
    return `${name.padEnd(34)} ${String(passed).padStart(8)} ${String(times).padStart(7)}`
  })
  return [`${'failpoint'.padEnd(34)} ${'passed'.padStart(8)} ${'struck'.padStart(7)}`, ...rows].join('\n')
}
