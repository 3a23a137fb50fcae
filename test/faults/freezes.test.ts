/** SIGSTOP and SIGCONT: a process that others have given up wakes, and what it goes on to do changes nothing (I4, I9, P17-P23). */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { laneOfGroup } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { FaultRealm, patienceMs } from './realm.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({
    sites: {
      enforced: { services: 6, seed: 'e', fencing: 'enforced' },
      recorded: { services: 6, seed: 'r', fencing: 'recorded' },
      none: { services: 6, seed: 'n', fencing: 'none' },
    },
  })
}, patienceMs)

beforeEach(() => realm.settled(), patienceMs)

afterEach(async () => {
  expect(await realm.judge({ frozen: true })).toEqual([])
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

it("a lane's holder is frozen until another has taken the lane: awake again, it tries to write, and nothing of that is in the log", async () => {
  await realm.sites.get('enforced')!.addSwitch({ fault: { kind: 'latency', latencyMs: 400 } })
  // One whose holder executes none of it, so that outcomes travel to the frozen one.
  const { group, lane, holder } = await eventually(async () => {
    const opened = await realm.open('enforced')
    const its = laneOfGroup(opened)!
    const executor = await realm.executing(opened)
    if (realm.holderOf(its) !== executor) return { group: opened, lane: its, holder: realm.holderOf(its)! }
    await realm.completes(opened)
    return undefined
  }, { withinMs: patienceMs / 2, what: 'a group whose lane is held elsewhere' })
  const frozen = realm.agent(holder)
  await realm.inCall(group, 'enforced')
  frozen.freeze()
  await eventually(() => realm.holderOf(lane) !== holder, { withinMs: 40_000, what: `another holder of lane ${lane}` })
  frozen.thaw()
  await realm.completes(group)
  const { turns } = await realm.log()
  const ofLane = turns.filter((stored) => stored.lane === lane)
  const taken = ofLane.findLast(({ turn }) => turn.commits.some(({ events }) => events[0]?.type === 'LaneTaken'))!
  // The outcome that waited for it led to an attempt, which the log refused.
  const tried = await eventually(
    () => {
      const late = realm.wire.attempts.filter(({ process, subject, number }) => process === frozen.process && subject === taken.message.subject && number >= taken.turn.number)
      return late.length > 0 && late
    },
    { what: 'an append of the frozen holder' },
  )
  const written = new Set((await realm.log()).turns.map(({ turn }) => turn.turn))
  expect(tried.filter(({ turn }) => written.has(turn))).toEqual([])
}, patienceMs)

it('an executor is frozen inside a call until its job is granted again: awake again, its outcome changes nothing', async () => {
  const sites = ['enforced', 'recorded', 'none']
  const groups: { readonly site: string; readonly group: string; readonly executor: string }[] = []
  for (const site of sites) {
    const services = await realm.services(site, 4)
    await realm.sites.get(site)!.addSwitch({ service: services[0]!, count: 1, fault: { kind: 'latency', latencyMs: 1_500 } })
  }
  const opened = await Promise.all(sites.map(async (site) => ({ site, group: await realm.open(site, { services: await realm.services(site, 4) }) })))
  for (const { site, group } of opened) groups.push({ site, group, executor: await realm.inCall(group, site) })
  const executors = new Set(groups.map(({ executor }) => executor))
  for (const executor of executors) realm.agent(executor).freeze()
  if (executors.size === 2) realm.agent([...executors][1]!).thaw()
  const [frozen] = executors
  const met = groups.filter(({ executor }) => executor === frozen)
  for (const { group } of met) await eventually(() => realm.group(group).grant !== null && realm.group(group).grant!.agent !== frozen || realm.group(group).position > 0, { withinMs: 40_000, what: `a second grant in group ${group}` })
  realm.agent(frozen!).thaw()
  for (const { group } of groups) await realm.completes(group)
  for (const { site, group } of groups) expect(await realm.changes(site, group), site).toEqual([1, 2, 3, 4])
  for (const { group } of met) {
    const grants = (await realm.grantsOf(group)).filter(({ jobs }) => jobs.includes(1))
    expect(grants.length, group).toBe(2)
    expect(grants[0]!.agent).toBe(frozen)
  }
}, patienceMs)

it('the leader is frozen until another leads, then both lead for a while: the later epoch wins, and what the older one asks for changes nothing (I7, P27)', async () => {
  await realm.sites.get('enforced')!.addSwitch({ fault: { kind: 'latency', latencyMs: 300 } })
  const group = await realm.open('enforced')
  await realm.executing(group, 1)
  const former = realm.view.state.realm.leader!
  const frozen = realm.agent(former.agent)
  frozen.freeze()
  const later = await eventually(() => realm.view.state.realm.leader!.epoch > former.epoch && realm.view.state.realm.leader!, { withinMs: 40_000, what: 'another leader' })
  expect(later.agent).not.toBe(former.agent)
  // What it is to do wrongly when it wakes: these jobs are assigned by now, under the later epoch.
  const second = await realm.open('recorded')
  await realm.executing(second)
  const lane = laneOfGroup(second)!
  const grantsBefore = (await realm.grantsOf(second)).length
  frozen.thaw()
  // In the name of the one that woke, as it may have had it in its hands: the order is refused, whoever holds the lane.
  const late = await realm.toLane(lane, { group: second, actor: `agent:${former.agent}`, epoch: former.epoch, body: { kind: 'pause' } })
  expect(late).toMatchObject({ kind: 'refused', code: 'stale' })
  for (const one of [group, second]) await realm.completes(one)
  expect(grantsBefore).toBeGreaterThan(0)
  // It has heard that it leads no longer, and is there for what else it is asked.
  await realm.eventually(async () => (await realm.api.call('agent', 'show', { agent: former.agent })).leading === false, { withinMs: 60_000, what: 'the end of the older leadership' })
  expect(realm.view.state.realm.leader).toMatchObject({ agent: later.agent, epoch: later.epoch })

  const { turns } = await realm.log()
  const epochs = new Map<string, number>()
  for (const { turn, lane: of = '', message } of turns) {
    for (const { epoch, aggregate, id } of turn.commits) {
      if (epoch === undefined) continue
      // No aggregate, and no lane, has taken anything of an older epoch once it has seen a later one.
      const where = of === '' ? `${aggregate} ${id}` : of
      expect(epoch, `position ${message.position}`).toBeGreaterThanOrEqual(epochs.get(where) ?? 0)
      epochs.set(where, epoch)
    }
  }
  expect(epochs.get(lane)).toBe(later.epoch)
}, patienceMs)
