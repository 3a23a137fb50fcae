/**
 * Lanes balanced by load (docs/lanes.md): all the work lies in the lanes of one agent of four, for as long as it takes until the leader has
 * spread them. Jobs a second before the first lane moves and after the last one has, and whose turns those are, by the log's own stamps.
 */
import { systemClock } from '../../src/platform/clock.ts'
import { RealmView } from '../../src/realm/view.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { StoredTurn } from '../checkers/read.ts'
import { eventually } from '../support/eventually.ts'
import { judged, workers } from './common.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, rate } from './row.ts'
import type { BenchWorld } from './world.ts'

const lanes = 16
const groupsPerLane = 10
/** More than are done before the figures are taken; the rest is left. */
const jobsPerGroup = 10_000
/** Of the time before and after, at least; what an agent has just begun to do is slower. */
const lookedAtMs = 8_000
const settleMs = 3_000

interface Part {
  readonly perSecond: number
  /** Share of the jobs, by who held their lane. */
  readonly shares: ReadonlyMap<string, number>
}

export async function lanesHotRows(world: BenchWorld, say: (text: string) => void): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const view = new RealmView(world.coordinator.log, world.subjects)
  try {
    await realm.found(lanes)
    await realm.start('leader', 'generic')
    await realm.addSite()
    for (const agent of workers) await realm.start(agent, 'skilled', [agent])
    const held = await realm.lanesHeldBy(workers, workers.length, lanes)
    await eventually(() => workers.every((worker) => [...view.state.lanes.values()].filter(({ holder }) => holder?.agent === worker).length === lanes / workers.length), { what: 'as many lanes each', withinMs: 30_000 })
    const hot = [...held].filter(([, agent]) => agent === workers[0]).map(([lane]) => lane)
    // Who executes is not who holds, but for one of them: only the holding is uneven.
    const opened = []
    for (const [index, lane] of hot.entries()) {
      for (let group = 0; group < groupsPerLane; group++) opened.push(await realm.open(lane, Array.from({ length: jobsPerGroup }, () => rehearsal(workers[index % workers.length]!))))
      say(`  lanes-hot: groups of lane ${lane} are open`)
    }
    const holders = () => new Set(hot.map((lane) => view.state.lanes.get(lane)?.holder?.agent).filter((agent) => agent !== undefined))
    const from = await world.coordinator.log.end()
    await Promise.all(opened.map(({ seal }) => seal()))
    await eventually(() => holders().size === hot.length, { what: 'the lanes at work held by as many agents', withinMs: 90_000, everyMs: 50 })
    say('  lanes-hot: they are spread')
    await pause(systemClock, settleMs + lookedAtMs)
    const { turns } = await judged(world, { ended: false })
    return [rowOf(turns, hot, from)]
  } finally {
    await view.stop()
    await realm.stop()
  }
}

function rowOf(all: readonly StoredTurn[], hot: readonly string[], from: number): Row {
  const turns = all.filter(({ lane, message }) => lane !== undefined && message.position > from)
  const moves = turns.filter((stored) => holds(stored, 'LaneTaken'))
  const firstMs = turns.find((stored) => holds(stored, 'LockGranted'))!.message.storedMs
  const endMs = turns.at(-1)!.message.storedMs
  const [movedMs, restMs] = [moves[0]!.message.storedMs, moves.at(-1)!.message.storedMs]
  const holderOf = holdersAt(all)
  const before = partOf(turns, movedMs - lookedAtMs, movedMs, holderOf)
  const after = partOf(turns, endMs - lookedAtMs, endMs, holderOf)
  const note = [
    `${moves.length} lanes moved, the first ${((movedMs - firstMs) / 1_000).toFixed(1)} s after the first lock, the last ${restMs - movedMs} ms later, none in the ${((endMs - restMs) / 1_000).toFixed(1)} s after that`,
    `jobs by who holds their lane: before ${sharesText(before)}; after ${sharesText(after)}`,
  ].join('; ')
  const what = `${hot.length} lanes at work of ${lanes}, all held by one agent of ${workers.length}: jobs a second once lanes are balanced by load, to before`
  return rate('lanes-hot', what, 'jobs/s', after.perSecond, before.perSecond, note)
}

/** Who held the lane when the turn was written. */
function holdersAt(turns: readonly StoredTurn[]): ReadonlyMap<StoredTurn, string> {
  const now = new Map<string, string>()
  const at = new Map<StoredTurn, string>()
  for (const stored of turns) {
    if (stored.lane === undefined) continue
    for (const { events } of stored.turn.commits) for (const { type, data } of events) if (type === 'LaneTaken') now.set(stored.lane, (data as unknown as { readonly agent: string }).agent)
    at.set(stored, now.get(stored.lane) ?? 'nobody')
  }
  return at
}

function partOf(turns: readonly StoredTurn[], fromMs: number, untilMs: number, holderOf: ReadonlyMap<StoredTurn, string>): Part {
  const jobs = new Map<string, number>(workers.map((worker) => [worker, 0]))
  let total = 0
  for (const stored of turns) {
    if (stored.message.storedMs < fromMs || stored.message.storedMs >= untilMs) continue
    const settled = stored.turn.commits.reduce((sum, { events }) => sum + events.filter(({ type }) => type === 'JobSucceeded').length, 0)
    const holder = holderOf.get(stored)!
    jobs.set(holder, (jobs.get(holder) ?? 0) + settled)
    total += settled
  }
  return { perSecond: (total * 1_000) / (untilMs - fromMs), shares: new Map([...jobs].map(([holder, count]) => [holder, total === 0 ? 0 : count / total])) }
}

function sharesText({ shares }: Part): string {
  return [...shares].map(([holder, share]) => `${holder} ${Math.round(100 * share)} %`).join(', ')
}

function holds({ turn }: StoredTurn, event: string): boolean {
  return turn.commits.some(({ events }) => events.some(({ type }) => type === event))
}
