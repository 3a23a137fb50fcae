/** Triggers with real processes and a real server: whatever is killed, every nominal time is decided once and its run happens once. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { standingOf } from '../../src/trigger/run-standing.ts'
import { commitsOf } from '../checkers/read.ts'
import { FaultRealm, patienceMs } from './realm.ts'

let realm: FaultRealm
let number = 0

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { desk: { services: 4 } } })
}, patienceMs)

beforeEach(() => realm.settled(), patienceMs)

afterEach(async () => {
  expect(await realm.judge({ triggersEndedBy: Date.now() })).toEqual([])
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

/** Until the first time of a trigger: what is done before it (a definition, kills) has been done by then on a busy machine too. */
const soonMs = 8_000

type Define = ApiRequest<'trigger', 'define'>

/** Renames the services of the site, so that no run is without a change. Resolves with the trigger's id. */
async function define(times: readonly number[], more: Partial<Define> = {}): Promise<string> {
  const trigger = `t${(number += 1)}`
  await realm.api.call('trigger', 'define', {
    trigger,
    name: trigger,
    change: { selector: { sites: ['desk'] }, operation: { name: 'rename', to: `By ${trigger}` }, includeUnchanged: true },
    when: { atMs: [...times] },
    ...more,
  })
  return trigger
}

const state = (trigger: string) => realm.view.state.triggers.get(trigger)!
const running = (trigger: string) => state(trigger).running
const standing = (trigger: string) => {
  const run = running(trigger)
  return run === null ? undefined : standingOf(realm.view.state, run)
}
const ends = (trigger: string) => realm.eventually(() => standing(trigger)?.kind === 'ended' && state(trigger).waiting.length === 0, { withinMs: 90_000, what: `the end of the run of ${trigger}` })

/** Groups that the trigger opened. */
const groupsOf = async (trigger: string) =>
  [...commitsOf(await realm.log(), 'group')].flatMap(({ commit }) => {
    const [first] = commit.events
    const opened = first?.type === 'GroupOpened' ? (first.data as { readonly trigger?: { readonly trigger: string } }) : undefined
    return opened?.trigger?.trigger === trigger ? [commit.id] : []
  })

const killLeader = async () => {
  const first = realm.leader
  await realm.agent(first).kill()
  await realm.eventually(() => realm.leader !== first, { what: 'another leader' })
  await realm.agent(first).start()
}

it('kill -9 of the leader between the decision and the run: another leader starts the very same run, once', async () => {
  const trigger = await define([Date.now() + soonMs])
  await realm.sites.get('desk')!.addSwitch({ operation: 'read', fault: { kind: 'latency', latencyMs: 3_000 } })
  await realm.eventually(() => standing(trigger)?.kind === 'to-plan', { what: 'a run that is decided and has no instruction', everyMs: 2 })
  const { command } = running(trigger)!
  await killLeader()
  await ends(trigger)
  expect(running(trigger)!.command).toBe(command)
  const log = await realm.log()
  const [due] = [...commitsOf(log, 'trigger')].filter(({ commit }) => commit.id === trigger && commit.events[0]?.type === 'TriggerDue')
  const taken = [...commitsOf(log, 'instruction')].filter(({ commit }) => commit.id === command)
  expect(taken).toHaveLength(1)
  // Not by the leader that decided: it was dead by then.
  expect(due!.commit.epoch).toBeGreaterThan(0)
  expect(taken[0]!.commit.epoch).not.toBe(due!.commit.epoch)
  const groups = await groupsOf(trigger)
  expect(groups).toHaveLength(1)
  expect(await realm.changes('desk', groups[0]!)).toEqual(realm.jobsOf(groups[0]!))
}, patienceMs)

it('the nats-server is killed before the time and comes back after it: the alarm is late, the run is not lost', async () => {
  const atMs = Date.now() + soonMs
  const trigger = await define([atMs])
  await realm.server.kill()
  await realm.eventually(() => Date.now() > atMs + 1_000, { what: 'the time' })
  await realm.server.start()
  await ends(trigger)
  expect(state(trigger).recent).toMatchObject([{ atMs, verdict: 'run' }])
  expect(await groupsOf(trigger)).toHaveLength(1)
}, patienceMs)

it('a time every two seconds while leaders are killed one after the other: each is decided once, and its run happens once', async () => {
  const firstMs = Date.now() + soonMs
  const times = Array.from({ length: 12 }, (_, index) => firstMs + index * 2_000)
  const trigger = await define(times, { overlap: { action: 'queue', limit: 100 }, missed: { action: 'run-now', graceMs: 1_000 } })
  for (let kills = 0; kills < 3; kills++) await killLeader()
  await realm.eventually(() => state(trigger).decidedMs === times.at(-1), { what: 'the last decision' })
  await ends(trigger)
  expect(state(trigger).recent.map(({ atMs }) => atMs)).toEqual(times)
  expect(new Set(await groupsOf(trigger)).size).toBe(times.length)
}, patienceMs)

it('all agents are killed and nobody leads at the time: those that are started anew find it missed, and the other change runs', async () => {
  const atMs = Date.now() + soonMs
  const other = { selector: { services: (await realm.services('desk', 1)).map((id) => `desk/${id}`) }, operation: { name: 'rename' as const, to: 'Late' } }
  const trigger = await define([atMs], { missed: { action: 'alternate', graceMs: 1_000, change: other } })
  await Promise.all([...realm.agents.values()].map((agent) => agent.kill()))
  await realm.eventually(() => Date.now() > atMs + 2_000, { what: 'the time' })
  await Promise.all([...realm.agents.values()].map((agent) => agent.start()))
  await ends(trigger)
  expect(state(trigger).recent).toMatchObject([{ verdict: 'alternate', why: 'missed' }])
  const [group] = await groupsOf(trigger)
  expect(realm.jobsOf(group!)).toEqual([1])
}, patienceMs)
