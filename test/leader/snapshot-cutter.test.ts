/** When the leader cuts snapshots: one lane at a time, the one that went on furthest first. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defaultConstants } from '../../machines/realm/realm.ts'
import type { AgentContext } from '../../src/agent/context.ts'
import { SnapshotCutter } from '../../src/leader/snapshot-cutter.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { RealmView } from '../../src/realm/view.ts'
import { MemoryRealm } from '../../streams/memory/realm.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { Unavailable, logWith } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { record } from '../replay/recorded.ts'
import { Dice } from '../simulation/dice.ts'
import { VirtualTime, epochMs } from '../simulation/virtual-time.ts'

const subjects = subjectsOf('reeve')
const [first, second, third, fourth] = [1, 2, 3, 4].map((number) => `here-${number}`) as [string, string, string, string]
const times = { turns: 5, restMs: 10_000 }

let time: VirtualTime
let clock: AgentContext['clock']
let coordinator: Coordinator
let view: RealmView
let cutter: SnapshotCutter
/** Lanes in the order in which they were cut, with the time. */
let cuts: { readonly lane: string; readonly atMs: number }[]
/** Of this lane nothing can be read. */
let mute: string | undefined

async function drive<T>(work: Promise<T>): Promise<T> {
  let done = false
  void work.finally(() => (done = true)).catch(() => {})
  expect(await time.run(() => done, { steps: 1_000_000, untilMs: time.nowMs + 60_000 })).toBe('reached')
  return work
}

async function until(condition: () => boolean, withinMs: number): Promise<void> {
  expect(await time.run(condition, { steps: 1_000_000, untilMs: time.nowMs + withinMs })).toBe('reached')
}

async function stayFor(ms: number): Promise<void> {
  await time.run(() => false, { steps: 1_000_000, untilMs: time.nowMs + ms })
}

beforeEach(async () => {
  time = new VirtualTime()
  clock = { nowMs: () => epochMs + Math.floor(time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) }
  const dice = new Dice('snapshots')
  const connected = new MemoryRealm({ realm: 'reeve', clock, random: dice.stream('realm') }).connect({ name: 'one', clock })
  mute = undefined
  const log = logWith(connected.log, {
    last: async (subject) => {
      if (mute !== undefined && subject === subjects.lane(mute)) throw new Unavailable('nobody answers')
      return connected.log.last(subject)
    },
  })
  coordinator = { ...connected, log }
  await drive(joinRealm({ log, clock, random: dice.stream('join') }, subjects, { actor: 'program:test', region: 'here', constants: defaultConstants, durability: { level: 'synced' }, acceptWeakDurability: false }))
  view = new RealmView(connected.log, subjects)
  cuts = []
})

afterEach(async () => {
  cutter.stop()
  await drive(view.stop())
})

/** Most turns in the second lane, then in the third, then in the first; none in the fourth. */
async function write(): Promise<void> {
  for (const [lane, jobs] of [[first, 8], [second, 60], [third, 25]] as const) await drive(record(coordinator, subjects, 1, jobs, [lane]))
  const { lanes } = await drive(view.current())
  const numbers = [second, third, first, fourth].map((lane) => lanes.get(lane)?.number ?? 0)
  expect(numbers).toEqual([...numbers].sort((a, b) => b - a))
  expect(new Set(numbers).size).toBe(4)
}

function begin(): void {
  const info = (fields: object, message: string) => {
    if (message === 'snapshot of a lane cut') cuts.push({ lane: (fields as { lane: string }).lane, atMs: time.nowMs })
  }
  const context = { agent: 'leader', coordinator, subjects, clock, constants: defaultConstants, logger: { info, debug() {}, warn() {}, error() {} } } as unknown as AgentContext
  cutter = new SnapshotCutter(context, view, times)
}

const cutLanes = () => cuts.map(({ lane }) => lane)

it('cuts one lane a round, the one with most turns since its last snapshot first', async () => {
  await write()
  begin()
  await until(() => cuts.length === 3, times.restMs)
  expect(cutLanes()).toEqual([second, third, first])
  for (const [index, { atMs }] of cuts.slice(1).entries()) expect(atMs - cuts[index]!.atMs).toBeGreaterThanOrEqual(times.restMs / 10)
  // None has gone on; the fourth has no turns.
  await stayFor(10 * times.restMs)
  expect(cutLanes()).not.toContain(fourth)
  expect(cuts).toHaveLength(3)
})

it('does not let a lane that cannot be read keep others from it', async () => {
  await write()
  mute = second
  begin()
  await until(() => cuts.length === 2, times.restMs)
  expect(cutLanes()).toEqual([third, first])
  mute = undefined
  await until(() => cuts.length === 3, 2 * times.restMs)
  expect(cutLanes()).toEqual([third, first, second])
})
