/** When nothing of a fault test's realm moves any more, so that what a test asks once (who holds, who executes) stays so until the test itself changes it. */
import type { RealmView } from '../../src/realm/view.ts'
import { type LaneMappingValue, fromBytes, laneMappingKey } from '../../streams/coordination.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import type { Program } from './program.ts'
import type { Wire } from './wire.ts'

export interface Settling {
  readonly coordinator: Coordinator
  readonly view: RealmView
  readonly wire: Wire
  readonly agents: ReadonlyMap<string, Program>
}

/** Every agent has started and the leader knows it, and each lane is held by whom the mapping names, a follower. */
export async function isSettled({ coordinator, view, wire, agents }: Settling): Promise<boolean> {
  const { realm, lanes, agents: known } = view.state
  const leader = realm.leader?.agent ?? ''
  if (![...known.values()].every(({ phase }) => phase === 'started') || !isKnownTo(leader, agents, wire)) return false
  const mapped = new Map((await coordinator.mappings.entries()).map(({ key, value }) => [key, value]))
  const isAtRest = (lane: string) => {
    const holder = lanes.get(lane)?.holder?.agent
    const value = mapped.get(laneMappingKey(lane))
    return holder !== undefined && holder !== leader && value !== undefined && fromBytes<LaneMappingValue>(value).agent === holder
  }
  return realm.lanes.length > 0 && realm.lanes.every(({ lane }) => isAtRest(lane))
}

/** Each has answered the leader twice since it runs: with the first answer the leader gives it jobs and lanes again, with the second it has begun to. */
function isKnownTo(leader: string, agents: ReadonlyMap<string, Program>, wire: Wire): boolean {
  const asker = agents.get(leader)
  if (asker === undefined) return false
  const answers = (agent: Program) => (wire.pings.get(`${asker.process} ${agent.name}`) ?? []).filter((atMs) => atMs > agent.awakeMs).length
  return [...agents.values()].every((agent) => agent === asker || answers(agent) >= 2)
}
