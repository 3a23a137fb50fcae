/** kill -9 of each part of a realm while groups run: everything ends, once, in order. */
import { beforeAll, expect, it } from 'vitest'
import { laneOfGroup } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { judgeEach } from './judged.ts'
import { FaultRealm, patienceMs } from './realm.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { desk: { services: 12 } } })
}, patienceMs)

judgeEach(() => realm)

/** Makes each call last, so that a group is in its middle for long enough to be met there. */
const slow = (latencyMs: number) => realm.sites.get('desk')!.addSwitch({ fault: { kind: 'latency', latencyMs } })

it('of the leader in the middle of a group: another leads, and the group ends', async () => {
  await slow(100)
  const group = await realm.open('desk')
  await realm.executing(group, 2)
  const first = realm.leader
  await realm.agent(first).kill()
  await eventually(() => realm.leader !== first, { what: 'another leader' })
  await realm.completes(group)
  expect(await realm.changes('desk', group)).toEqual(realm.jobsOf(group))
}, patienceMs)

it("of a lane's holder in the middle of a group: another takes the lane, and the group ends", async () => {
  await slow(100)
  const group = await realm.open('desk')
  const lane = laneOfGroup(group)!
  await realm.executing(group, 2)
  const holder = await realm.holding(lane)
  await realm.agent(holder).kill()
  await realm.completes(group)
  expect(realm.holderOf(lane)).not.toBe(holder)
  expect(await realm.changes('desk', group)).toEqual(realm.jobsOf(group))
}, patienceMs)

it('of an executor inside a site call: the job runs again at another agent, and the site has made each change once', async () => {
  const services = await realm.services('desk', 3)
  await realm.sites.get('desk')!.addSwitch({ service: services[0]!, count: 1, fault: { kind: 'latency', latencyMs: 3_000 } })
  const group = await realm.open('desk', { services })
  const executor = await realm.inCall(group, 'desk')
  await realm.agent(executor).kill()
  await realm.completes(group)
  const grants = await realm.grantsOf(group)
  expect(grants[0]!.agent).toBe(executor)
  expect(grants.slice(1).map(({ agent }) => agent)).not.toContain(executor)
  expect(await realm.changes('desk', group)).toEqual([1, 2, 3])
}, patienceMs)

it('of the nats-server in the middle of a group: it comes back with its data on its port, and the group ends', async () => {
  await slow(100)
  const group = await realm.open('desk')
  await realm.executing(group, 2)
  await realm.server.kill()
  await realm.server.start()
  await realm.completes(group)
  expect(await realm.changes('desk', group)).toEqual(realm.jobsOf(group))
}, patienceMs)

it('of all agents at once: those that are started anew finish the group', async () => {
  await slow(100)
  const group = await realm.open('desk')
  await realm.executing(group, 2)
  await Promise.all([...realm.agents.values()].map((agent) => agent.kill()))
  await Promise.all([...realm.agents.values()].map((agent) => agent.start()))
  await realm.completes(group)
  expect(await realm.changes('desk', group)).toEqual(realm.jobsOf(group))
}, patienceMs)
