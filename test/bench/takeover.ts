/**
 * After `kill -9`: until another leader stands in the log, and until the lanes of a holder have been taken by others; and how long the groups in lanes of
 * living holders stand still meanwhile.
 */
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { RealmView } from '../../src/realm/view.ts'
import { pause } from '../../streams/ports/clock.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { judged } from './common.ts'
import { configure } from './lane-move.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, compared, figure, percentile } from './row.ts'
import type { BenchWorld } from './world.ts'

const agents = ['g1', 'g2', 'g3', 'g4'] as const
/** Fewer, to look into something: `REEVE_BENCH_KILLS`. */
const kills = Number(process.env['REEVE_BENCH_KILLS'] ?? 50)
const killsAtWork = Math.min(kills, 10)
const executor = 'x'
/** Of each group that runs while lanes are taken: more than are done meanwhile. */
const jobsMeanwhile = 4_000
/** In each lane, of one job each that nobody can execute: whoever is killed held so many, and who takes its lane folds them. */
const groupsPerLane = 250
/** Opened at once. */
const opening = 50

export async function takeoverRows(world: BenchWorld, wants: (row: string) => boolean, say: (text: string) => void): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const view = new RealmView(world.coordinator.log, world.subjects)
  try {
    for (const agent of agents) await realm.start(agent, 'generic')
    const rows: Row[] = []
    if (wants('takeover-leader-p50') || wants('takeover-leader-p99')) {
      const took = await times(() => killLeader(realm, view), say)
      rows.push(...rowsOf('takeover-leader', `from kill -9 of the leader to LeaderElected of another agent, of ${kills}`, took))
    }
    const atRest = wants('takeover-p50') || wants('takeover-p99')
    const atWork = wants('takeover-others') || wants('takeover-others-most')
    if (atRest || atWork) {
      await settled(realm, view)
      await realm.addSite()
      const lanes = [...(await realm.mapping()).keys()]
      const waiting = lanes.flatMap((lane) => Array.from({ length: groupsPerLane }, () => lane))
      while (waiting.length > 0) await Promise.all(waiting.splice(0, opening).map(async (lane) => (await realm.open(lane, [rehearsal('nobody')])).seal()))
    }
    if (atRest) {
      const held: number[] = []
      const took = await times(() => killHolder(realm, view, held), say)
      const note = `${held.filter((count) => count > 1).length} of those killed held more than one lane`
      rows.push(...rowsOf('takeover', `from kill -9 of a lane's holder to the last LaneTaken of its lanes by others, ${groupsPerLane} groups in each lane, of ${kills}`, took, note))
    }
    if (atWork) rows.push(...(await othersRows(realm, view, say)))
    await judged(realm.world, { ended: false })
    return rows
  } finally {
    await view.stop()
    await realm.stop()
  }
}

async function times(kill: () => Promise<number>, say: (text: string) => void): Promise<number[]> {
  const took: number[] = []
  while (took.length < kills) {
    took.push(await kill())
    say(`  ${took.length} of ${kills}: ${Math.round(took.at(-1)!)} ms`)
  }
  return took
}

/** Groups in all lanes, whose executor lives, run while the lanes of a dead holder are taken. */
async function othersRows(realm: BenchRealm, view: RealmView, say: (text: string) => void): Promise<Row[]> {
  await realm.start(executor, 'skilled', [executor])
  await configure(realm.world, executor, { holdsLanes: false })
  const meanwhile: number[] = []
  const before: number[] = []
  const took: number[] = []
  while (took.length < killsAtWork) {
    const { lanes } = await victimIn(realm, view)
    const opened = await Promise.all([...lanes.keys()].map((lane) => realm.open(lane, Array.from({ length: jobsMeanwhile }, () => rehearsal(executor)))))
    /** Monotonic times at which an outcome was seen, by lane. */
    const seenMs = new Map<string, number[]>([...lanes.keys()].map((lane) => [lane, []]))
    const stop = view.onTurn(({ turn }) => {
      for (const { aggregate, id, events } of turn.commits) {
        if (aggregate === 'group' && events.some(({ type }) => type === 'JobSucceeded')) seenMs.get(laneOfGroup(id)!)!.push(systemClock.monotonicMs())
      }
    })
    await Promise.all(opened.map(({ seal }) => seal()))
    await eventually(() => opened.every(({ group }) => (view.state.group(group)?.position ?? 0) > 100), { what: 'groups at work in all lanes', withinMs: 30_000 })
    const { victim, killedMs, tookMs } = await killHolderOnce(realm, view)
    took.push(tookMs)
    stop()
    const living = [...lanes].filter(([, agent]) => agent !== victim).map(([lane]) => lane)
    for (const lane of living) {
      const group = opened.find(({ group: id }) => laneOfGroup(id) === lane)!.group
      if (view.state.group(group)?.phase !== 'running') throw new Error(`group ${group} ended before the lanes of ${victim} were taken`)
      meanwhile.push(longestGapMs(seenMs.get(lane)!, killedMs, killedMs + tookMs))
      before.push(longestGapMs(seenMs.get(lane)!, killedMs - tookMs, killedMs))
    }
    say(`  ${took.length} of ${killsAtWork}: ${Math.round(tookMs)} ms, others stood still for ${meanwhile.slice(-living.length).map(Math.round).join(', ')} ms at most, before ${before.slice(-living.length).map(Math.round).join(', ')} ms`)
    await realm.start(victim, 'generic')
    await eventually(() => opened.every(({ group }) => view.state.group(group)?.phase === 'completed'), { what: 'all jobs done', withinMs: 120_000, everyMs: 50 })
  }
  const what = `groups that run in lanes of living holders while those of a killed one are taken, ${groupsPerLane} others in each lane: longest time without an outcome, to that of as long a time before the kill, ${killsAtWork} kills`
  const note = `the lanes of the killed one were taken after ${Math.round(percentile(took, 0.5))} ms (p50) to ${Math.round(Math.max(...took))} ms, with groups at work in all lanes`
  return [
    compared('takeover-others', `${what} (p50)`, 'ms', percentile(meanwhile, 0.5), percentile(before, 0.5), note),
    compared('takeover-others-most', `${what} (the longest)`, 'ms', Math.max(...meanwhile), Math.max(...before)),
  ]
}

/** Of a lane, without an outcome, between two times. */
function longestGapMs(seenMs: readonly number[], fromMs: number, toMs: number): number {
  const between = [fromMs, ...seenMs.filter((ms) => ms > fromMs && ms < toMs), toMs]
  return Math.max(...between.slice(1).map((ms, index) => ms - between[index]!))
}

function rowsOf(row: string, what: string, took: readonly number[], more?: string): Row[] {
  const range = `least ${Math.round(Math.min(...took))} ms, most ${Math.round(Math.max(...took))} ms`
  const note = more === undefined ? range : `${range}; ${more}`
  return [figure(`${row}-p50`, what, 'ms', percentile(took, 0.5)), figure(`${row}-p99`, what, 'ms', percentile(took, 0.99), note)]
}

/** Rounds of those who watch begin at all kinds of times before a death. */
function anyMoment(): Promise<void> {
  return pause(systemClock, systemRandom.bytes(1)[0]! * 2)
}

async function killLeader(realm: BenchRealm, view: RealmView): Promise<number> {
  const { agent, epoch } = await eventually(() => view.state.realm.leader, { what: 'a leader' })
  await settled(realm, view)
  await anyMoment()
  const next = (async () => {
    for (;;) {
      const leader = view.state.realm.leader!
      if (leader.epoch > epoch && leader.agent !== agent) return systemClock.monotonicMs()
      await nextTurn(view)
    }
  })()
  const killedMs = await realm.agents.get(agent)!.kill()
  const took = (await next) - killedMs
  await realm.start(agent, 'generic')
  return took
}

/** `held`: gets how many lanes it held. */
async function killHolder(realm: BenchRealm, view: RealmView, held: number[]): Promise<number> {
  const { victim, tookMs, lanes } = await killHolderOnce(realm, view)
  held.push(lanes)
  await realm.start(victim, 'generic')
  return tookMs
}

function victimIn(realm: BenchRealm, view: RealmView): Promise<{ readonly lanes: ReadonlyMap<string, string>; readonly victim: string }> {
  return eventually(
    async () => {
      const lanes = await settled(realm, view)
      const leader = view.state.realm.leader?.agent
      const victim = [...lanes.values()].find((agent) => agent !== leader)
      return leader === undefined || victim === undefined ? undefined : { lanes, victim }
    },
    { what: 'a holder that does not lead', withinMs: 60_000, everyMs: 50 },
  )
}

async function killHolderOnce(realm: BenchRealm, view: RealmView): Promise<{ readonly victim: string; readonly killedMs: number; readonly tookMs: number; readonly lanes: number }> {
  const { lanes, victim } = await victimIn(realm, view)
  await anyMoment()
  const theirs = [...lanes].filter(([, agent]) => agent === victim).map(([lane]) => lane)
  const moved = (async () => {
    for (;;) {
      if (theirs.every((lane) => (view.state.lanes.get(lane)?.holder?.agent ?? victim) !== victim)) return systemClock.monotonicMs()
      await nextTurn(view)
    }
  })()
  const killedMs = await realm.agents.get(victim)!.kill()
  return { victim, killedMs, tookMs: (await moved) - killedMs, lanes: theirs.length }
}

/** Every lane is held as it is mapped. */
async function settled(realm: BenchRealm, view: RealmView): Promise<ReadonlyMap<string, string>> {
  return eventually(
    async () => {
      const mapping = await realm.mapping()
      const asMapped = mapping.size >= 4 && [...mapping].every(([lane, agent]) => view.state.lanes.get(lane)?.holder?.agent === agent)
      return asMapped ? mapping : undefined
    },
    { what: 'lanes at rest', withinMs: 60_000, everyMs: 50 },
  )
}

function nextTurn(view: RealmView): Promise<void> {
  return new Promise((resolve) => {
    const stop = view.onTurn(() => {
      stop()
      resolve()
    })
  })
}
