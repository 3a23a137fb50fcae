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
import type { Dice } from './dice.ts'

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

/** Kills whoever passes a failpoint for the n-th time. */
export interface Aim {
  readonly at: Failpoint
  readonly pass: number
}

/** What only some worlds pass, and there a few times. */
const ofFormat1: readonly Failpoint[] = ['FormatRaised-before', 'FormatRaised-after']
const ofTriggers: readonly Failpoint[] = ['TriggerDue-before', 'TriggerDue-after', 'TriggerRunStarted-before', 'TriggerRunStarted-after']
const ofServices: readonly Failpoint[] = ['InstructionTaken-before', 'InstructionTaken-after', 'text-kept-before', 'text-kept-after', 'group-open-before', 'group-open-after', 'group-add-before', 'group-add-after', 'group-seal-before', 'group-seal-after']
const everywhere = failpoints.filter((name) => ![ofFormat1, ofTriggers, ofServices].some((some) => some.includes(name)))

/**
 * Chance alone strikes what is passed seldom less than once in a thousand worlds. So worlds aim: at two of those failpoints that any world
 * passes, and at one of each kind that few do, where this is such a world.
 */
export function aimsOf(world: { readonly format: 1 | 2; readonly services: number; readonly triggers: number }, dice: Dice): Aim[] {
  const kinds = [everywhere, everywhere, ...(world.format === 1 ? [ofFormat1] : []), ...(world.triggers > 0 ? [ofTriggers] : []), ...(world.services > 0 ? [ofServices] : [])]
  return kinds.map((names) => ({ at: dice.pick(names), pass: dice.pick([1, 1, 1, 2, 5]) }))
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

/** Counts who passes where in a world, and decides who is struck. */
export class Strikes {
  readonly counts: Struck = new Map()
  readonly #dice: Dice
  readonly #chance: number
  readonly #aims: readonly Aim[]

  constructor(dice: Dice, chance: number, aims: readonly Aim[]) {
    this.#dice = dice
    this.#chance = chance
    this.#aims = aims
  }

  /** `kill`: aimed at, never only paused. */
  passes(name: Failpoint, isCalm: boolean, isRunning: boolean): 'kill' | 'any' | undefined {
    const count = this.counts.get(name) ?? { passed: 0, struck: 0 }
    this.counts.set(name, count)
    count.passed += 1
    if (!isRunning) return undefined
    const isAimedAt = this.#aims.some(({ at, pass }) => at === name && pass === count.passed)
    if (!isAimedAt && (isCalm || !this.#dice.chance(chanceAt(name, this.#chance)))) return undefined
    count.struck += 1
    return isAimedAt ? 'kill' : 'any'
  }
}

export function tableOf(struck: Struck): string {
  const rows = failpoints.map((name) => {
    const { passed, struck: times } = struck.get(name) ?? { passed: 0, struck: 0 }
    return `${name.padEnd(34)} ${String(passed).padStart(8)} ${String(times).padStart(7)}`
  })
  return [`${'failpoint'.padEnd(34)} ${'passed'.padStart(8)} ${'struck'.padStart(7)}`, ...rows].join('\n')
}
