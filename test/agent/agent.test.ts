/** Whole agents in a realm in memory, in virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

describe('agents', () => {
  it('of several generic agents one leads, and its epoch is the revision of LeaderElected', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await world.until('a leader', () => world.leader() !== undefined)
    await world.until('the election seen in the log', () => world.view.state.realm.leader?.epoch === world.leader()!.leading)
  })

  it('every lane is mapped and held, none by the leader while there are others', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await world.until('all lanes held', () => {
      const { realm, lanes } = world.view.state
      return realm.lanes.length > 0 && realm.lanes.every(({ lane }) => lanes.get(lane)?.phase === 'held' && lanes.get(lane)?.holder?.agent !== world.leader()?.agent)
    })
    expect([...world.members.values()].map(({ running }) => running.held.length).sort()).toEqual([0, 2, 2])
  })
})
