/** After `kill -9`: until another leader stands in the log, and until the lanes of a holder have been taken by others. */
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { RealmView } from '../../src/realm/view.ts'
import { pause } from '../../streams/ports/clock.ts'
import { eventually } from '../support/eventually.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, figure, percentile } from './row.ts'
import type { BenchWorld } from './world.ts'

const agents = ['g1', 'g2', 'g3', 'g4'] as const
const kills = 50
/** In all lanes together, of one job each that nobody can execute: they are folded by who takes their lane. */
const groups = 250

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
    if (wants('takeover-p50') || wants('takeover-p99')) {
      await settled(realm, view)
      await realm.addSite()
      const lanes = [...(await realm.mapping()).keys()]
      for (let index = 0; index < groups; index++) await (await realm.open(lanes[index % lanes.length]!, [rehearsal('nobody')])).seal()
      const took = await times(() => killHolder(realm, view), say)
      rows.push(...rowsOf('takeover', `from kill -9 of a lane's holder to the last LaneTaken of its lanes by others, ${groups} groups in all lanes, of ${kills}`, took))
    }
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

function rowsOf(row: string, what: string, took: readonly number[]): Row[] {
  const note = `least ${Math.round(Math.min(...took))} ms, most ${Math.round(Math.max(...took))} ms`
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

async function killHolder(realm: BenchRealm, view: RealmView): Promise<number> {
  const { lanes, victim } = await eventually(
    async () => {
      const lanes = await settled(realm, view)
      const leader = view.state.realm.leader?.agent
      const victim = [...lanes.values()].find((agent) => agent !== leader)
      return leader === undefined || victim === undefined ? undefined : { lanes, victim }
    },
    { what: 'a holder that does not lead', withinMs: 60_000, everyMs: 50 },
  )
  await anyMoment()
  const theirs = [...lanes].filter(([, agent]) => agent === victim).map(([lane]) => lane)
  const moved = (async () => {
    for (;;) {
      if (theirs.every((lane) => (view.state.lanes.get(lane)?.holder?.agent ?? victim) !== victim)) return systemClock.monotonicMs()
      await nextTurn(view)
    }
  })()
  const killedMs = await realm.agents.get(victim)!.kill()
  const took = (await moved) - killedMs
  await realm.start(victim, 'generic')
  return took
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
