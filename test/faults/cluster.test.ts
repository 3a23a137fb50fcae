/**
 * Three nats-servers as one cluster, R3, every write synced, under a running load; something is done to servers, and one agent is killed in
 * the same moment. Nothing acknowledged is lost, nothing doubled or reordered, and all of it goes on by itself soon after the repair.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { electionTimes } from '../../src/election/election.ts'
import { FaultRealm, patienceMs, shortTimes } from './realm.ts'
import { type ServerRole, serverWith } from './servers.ts'
import { UnderFault, drillAndDesk, sitesOfLoad } from './under-fault.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({
    cluster: {},
    agents: [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }, { id: 's1', role: 'skilled', skills: ['simulated'] }, { id: 's2', role: 'skilled', skills: ['simulated'] }],
    sites: sitesOfLoad,
  })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=40' })
}, patienceMs)

beforeEach(() => realm.settled(), patienceMs)

afterEach(async () => {
  for (const [name, server] of realm.cluster.servers) {
    realm.cluster.mend(name)
    await server.thawOrStart()
  }
  expect(await realm.judge()).toEqual([])
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

/** Which agent is killed in the same moment. */
const victims = {
  leader: () => realm.leader,
  /** Of a lane, and of jobs. */
  holder: () => realm.eventually(() => ['s1', 's2'].find((agent) => [...realm.view.state.lanes.values()].some(({ holder }) => holder?.agent === agent)), { what: 'a holder that executes' }),
  executor: async () => 's2',
}

it.each([
  ['leader of the log', 'holder'],
  ['leader of the cluster', 'leader'],
  ['follower', 'executor'],
] as const satisfies readonly (readonly [ServerRole, keyof typeof victims])[])('kill -9 of the %s together with the %s of agents: work goes on while it is away, and when it is back', async (role, victim) => {
  const name = await serverWith(realm, role)
  const run = await UnderFault.begin(realm, await drillAndDesk(realm), await victims[victim]())
  await run.strike(() => realm.cluster.server(name).kill())
  await run.goesOn(20)
  await run.repair(() => realm.cluster.server(name).start())
  await run.end()
}, patienceMs)

it("SIGSTOP of the log's leader for longer than the lease together with a kill of the leading agent", async () => {
  const name = await serverWith(realm, 'leader of the log')
  const run = await UnderFault.begin(realm, await drillAndDesk(realm), await victims.leader())
  const frozenMs = Date.now()
  await run.strike(async () => realm.cluster.server(name).freeze())
  await run.goesOn(20)
  const longerMs = Math.max(electionTimes.leaseMs, shortTimes.presenceMs) + 1_000
  await realm.eventually(() => Date.now() - frozenMs > longerMs, { what: 'more than a lease', withinMs: 2 * longerMs })
  await run.repair(async () => realm.cluster.server(name).thaw())
  await run.end()
}, patienceMs)

it("the log's leader is cut off from the others and from its clients, together with a kill of a holder: what it goes on to believe changes nothing", async () => {
  const name = await serverWith(realm, 'leader of the log')
  const run = await UnderFault.begin(realm, await drillAndDesk(realm), await victims.holder())
  await run.strike(async () => realm.cluster.cut(name))
  await run.goesOn(20)
  await run.repair(async () => realm.cluster.mend(name))
  await run.end()
}, patienceMs)

it('kill -9 of all three at once together with an executor, and a start of all three', async () => {
  const run = await UnderFault.begin(realm, await drillAndDesk(realm), await victims.executor())
  const servers = [...realm.cluster.servers.values()]
  await run.strike(() => Promise.all(servers.map((server) => server.kill())))
  await run.repair(() => Promise.all(servers.map((server) => server.start())))
  await run.end()
}, patienceMs)
