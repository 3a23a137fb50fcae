/** What a realm at rest takes of the machine: four agents, one of which leads while the others hold the lanes, and the server. */
import { systemClock } from '../../src/platform/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import { BenchRealm } from './realm.ts'
import { type Row, figure } from './row.ts'
import type { BenchWorld } from './world.ts'

const agents = ['g1', 'g2', 'g3', 'g4'] as const
/** What was started, taken and mapped has its consequences first: the last is that each runtime collects what starting took, in three goes, the last of them seen after 236 s. */
const settleMs = 240_000
const forMs = 30_000

export async function idleRows(world: BenchWorld): Promise<Row[]> {
  const realm = new BenchRealm(world)
  try {
    for (const agent of agents) await realm.start(agent, 'generic')
    await realm.lanesHeldBy(agents, agents.length - 1)
    await pause(systemClock, settleMs)
    const before = realm.cpuMs()
    const beginMs = systemClock.monotonicMs()
    await pause(systemClock, forMs)
    const tookMs = systemClock.monotonicMs() - beginMs
    const shares = [...realm.cpuMs()].map(([name, ms]) => [name, (100 * (ms - before.get(name)!)) / tookMs] as const)
    const note = shares.map(([name, share]) => `${name} ${share.toFixed(1)}`).join(', ')
    return [figure('idle', '4 agents and the server at rest, of one core', '%', shares.reduce((sum, [, share]) => sum + share, 0), note)]
  } finally {
    await realm.stop()
  }
}
