/** P7: alive means working. A holder whose ping is answered, with work waiting and no progress, loses its lane. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { laneWatchTimes } from '../../src/leader/lane-watch.ts'
import { laneMappingKey, toBytes } from '../../streams/coordination.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const jobs = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ site: 'site-1', service: `s${String((index % 100) + 1).padStart(5, '0')}`, operation: { name: 'rehearse' as const }, repeatable: true }))
const holderOf = (lane: string) => world.view.state.lanes.get(lane)?.holder

async function started(): Promise<void> {
  world.logDelayMs = 5
  for (const agent of ['a', 'b', 'c']) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent).length === 4)
  await world.addSite('site-1', 'drill://', 'none')
}

/** No append of this process to this lane gets through any more; everything else of it does, its pings among it. */
function stickIn(lane: string, agent: string): void {
  const client = world.clientOf(agent)
  const subject = world.subjects.lane(lane)
  world.faults.append = (seen) => (seen.client === client && seen.subject === subject ? { lose: 'request' } : { requestMs: world.logDelayMs, answerMs: world.logDelayMs })
}

const unfit = () => world.lines.filter(({ message }) => message.startsWith('the holder of a lane is unfit'))

it('its lane is mapped elsewhere within the time of P7 while the rest of the log moves; its groups end, in order', async () => {
  await started()
  const group = await world.openGroup('here-1', jobs(60))
  // The log as a whole moves, so that it is the holder that stands still and not the stream.
  const [elsewhere] = [...world.view.state.lanes.values()].filter(({ lane, holder }) => lane !== 'here-1' && holder?.agent !== holderOf('here-1')!.agent)
  const other = await world.openGroup(elsewhere!.lane, jobs(600))
  await world.until('an executor at work', () => (world.view.state.group(group)?.position ?? 0) > 5)
  const stuck = holderOf('here-1')!
  stickIn('here-1', stuck.agent)
  const fromMs = world.time.nowMs
  const at = world.view.state.group(group)!.position
  await world.until('another holder', () => holderOf('here-1')?.agent !== stuck.agent && holderOf('here-1') !== null, 60_000)
  const { stuckMs, pingMs, answerMs } = laneWatchTimes
  const tookMs = world.time.nowMs - fromMs
  expect(tookMs).toBeGreaterThanOrEqual(stuckMs)
  // One round to find it, two rounds of asking it to release, which it cannot.
  expect(tookMs).toBeLessThan(stuckMs + pingMs + 2 * answerMs + world.view.state.realm.constants.presenceMs)
  expect(unfit()).toMatchObject([{ fields: { lane: 'here-1', holder: stuck.agent, why: 'stuck' } }])
  // It lives: it was its lane that stood still, nothing else of it.
  expect(world.view.state.agents.get(stuck.agent)?.phase).toBe('started')
  expect(world.view.state.group(group)!.position).toBeGreaterThanOrEqual(at)
  await world.until('both groups completed', () => [group, other].every((id) => world.view.state.group(id)?.phase === 'completed'), 300_000)
  expect(world.returnedLost(group)).toBe(0)
})

it('nor does it keep the lane that it was asked to release while its turn was in flight, and that is mapped to it again (seed 500000232)', async () => {
  await started()
  const stuck = holderOf('here-1')!
  stickIn('here-1', stuck.agent)
  const asked = world.openGroup('here-1', jobs(3))
  asked.catch(() => {})
  await world.pass(100)
  const mapped = (agent: string) => world.drive(world.observer.mappings.put(laneMappingKey('here-1'), toBytes({ lane: 'here-1', agent, epoch: world.view.state.realm.leader!.epoch })))
  const other = [...world.members.keys()].find((agent) => agent !== stuck.agent && agent !== world.leader()!.agent)!
  let asksToRelease = 0
  const heard = world.observer.bus.subscribe(world.subjects.releaseLane(stuck.agent, 'here-1'), () => void (asksToRelease += 1))
  await mapped(other)
  await world.until('it is asked to release', () => asksToRelease > 0)
  heard.stop()
  await mapped(stuck.agent)
  await world.until('another holder', () => holderOf('here-1')?.agent !== stuck.agent && holderOf('here-1') !== null, 60_000)
  expect(unfit()).toMatchObject([{ fields: { lane: 'here-1', holder: stuck.agent, why: 'stuck' } }])
})

it('a lane in which nothing waits is not taken from its holder, however long it says nothing', async () => {
  await started()
  stickIn('here-1', holderOf('here-1')!.agent)
  const before = holderOf('here-1')
  await world.pass(60_000)
  expect(holderOf('here-1')).toEqual(before)
  expect(unfit()).toEqual([])
})
