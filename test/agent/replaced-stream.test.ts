/** P11: what stands at the position of a holder's last turn after a reconnection is not what it wrote; P12: the realm was restored. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CannotGoOn } from '../../src/agent/agent.ts'
import { laneClient } from '../../src/lane/client.ts'
import { decodeTurn, encodeTurn, newUlid } from '../../streams/codec.ts'
import { LogMissing } from '../../streams/ports/event-log.ts'
import { groupId } from '../../streams/subjects.ts'
import { World } from './world.ts'

let world: World
beforeEach(async () => {
  world = new World()
  for (const agent of ['a', 'b', 'c']) world.start(agent)
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent).length === 4)
})
afterEach(() => world.end())

const holderOf = (lane: string) => world.view.state.lanes.get(lane)!.holder!.agent

/** The server is away, and its stream comes back as `change` leaves the last turn of the lane. */
async function comesBack(lane: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const last = (await world.drive(world.observer.log.last(world.subjects.lane(lane))))!
  world.realm.stop()
  world.realm.replaceMessage(last.position, change(last.bytes))
  await world.pass(100)
  world.realm.start()
}

it('another turn at the position of its own: the process stops with one line, and writes nothing more', async () => {
  const holder = holderOf('here-1')
  const { running, client } = world.members.get(holder)!
  const appended: string[] = []
  world.faults.append = ({ client: by, subject }) => {
    if (by === client && subject === world.subjects.lane('here-1')) appended.push(subject)
    return {}
  }
  await comesBack('here-1', (bytes) => encodeTurn({ ...decodeTurn(bytes), turn: newUlid(world.clock.nowMs(), world.dice) }))
  const end = await world.drive(running.ended)
  expect(end).toEqual({ kind: 'failed', error: expect.any(CannotGoOn) })
  const { message } = (end as { readonly error: Error }).error
  expect(message).toBe('the log does not allow this program to go on (wrong-incarnation): start it again')
  expect(message.split('\n')).toHaveLength(1)
  expect(appended).toEqual([])
})

it('the same bytes there: it goes on', async () => {
  const holder = holderOf('here-1')
  let over = false
  void world.members.get(holder)!.running.ended.then(() => (over = true))
  await comesBack('here-1', (bytes) => bytes)
  await world.addSite('site-1', 'drill://')
  const group = await world.openGroup('here-1', [{ site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }])
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')
  expect(over).toBe(false)
  expect(holderOf('here-1')).toBe(holder)
})

it('a restored realm: nothing of the former incarnation can be read, and each agent stops with one line', async () => {
  const leader = [...world.members].find(([, { running }]) => running.leading !== undefined)![0]
  world.realm.raiseIncarnation()
  await world.kill(leader)
  const ends = await world.drive(Promise.all([...world.members.values()].map(({ running }) => running.ended)))
  expect(ends).toHaveLength(2)
  for (const end of ends) {
    expect(end).toEqual({ kind: 'failed', error: expect.any(LogMissing) })
    expect((end as { readonly error: Error }).error.message).toBe('stream of incarnation 1 is not there: the log was removed, or restored under another incarnation; start again')
  }
})

it('a restored realm whose readers have not heard of it yet: the holder whose append is refused stops with one line too', async () => {
  world.faults.readLag = () => 600_000
  const holder = holderOf('here-1')
  const { running } = world.members.get(holder)!
  world.realm.raiseIncarnation()
  const lanes = laneClient({ bus: world.observer.bus, subjects: world.subjects })
  const group = groupId('here-1', newUlid(world.clock.nowMs(), world.dice))
  void lanes.send('here-1', { builtOn: { incarnation: 1, number: 0 }, group, actor: 'program:test', body: { kind: 'open', name: 'a group', jobs: 1, parts: 1, plan: '0'.repeat(64), window: 1, region: 'here', distributionFactor: 100 } })
  const end = await world.drive(running.ended)
  expect(end).toEqual({ kind: 'failed', error: expect.any(CannotGoOn) })
  expect((end as { readonly error: Error }).error.message).toBe('the log does not allow this program to go on (wrong-incarnation): start it again')
})
