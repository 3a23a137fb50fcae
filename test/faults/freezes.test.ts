/** SIGSTOP and SIGCONT: a process that others have given up wakes, and what it goes on to do changes nothing (I4, I9, P17-P23). */
import { beforeAll, expect, it } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { judgeEach } from './judged.ts'
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

judgeEach(() => realm)

it("a lane's holder is frozen until another has taken the lane: awake again, it tries to write, and nothing of that is in the log", async () => {
  await realm.sites.get('enforced')!.addSwitch({ fault: { kind: 'latency', latencyMs: 400 } })
  // One whose holder executes none of it, so that outcomes travel to the frozen one.
  const lane = 'here-1'
  const held = await realm.holding(lane)
  const executor = ['s1', 's2'].find((agent) => agent !== held)!
  const jobs: JobSpec[] = (await realm.services('enforced', 6)).map((service) => ({ site: 'enforced', service, operation: { name: 'rename', to: 'While frozen' }, repeatable: true, skill: { name: 'simulated', need: 'required' } }))
  const group = await realm.openJobs(lane, jobs, executor)
  expect(await realm.executing(group)).toBe(executor)
  await realm.inCall(group, 'enforced')
  // Asked for now: a lane may move until here.
  const holder = await realm.eventually(() => {
    const present = realm.holderOf(lane)
    return present !== executor && present
  }, { what: 'a holder that executes nothing of it', everyMs: 2 })
  const frozen = realm.agent(holder)
  frozen.freeze()
  await eventually(() => realm.holderOf(lane) !== holder, { what: `another holder of lane ${lane}` })
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

it('an executor is frozen inside a call until its job is granted again: awake again, its outcome changes nothing, and a site that enforces refuses its late call', async () => {
  const sites = ['enforced', 'recorded'] as const
  // One executor for both: the other skilled agent is away until it has begun.
  const [frozen, other] = [realm.agent('s1'), realm.agent('s2')]
  await other.stop()
  await realm.eventually(() => realm.view.state.agents.get(other.name)!.phase !== 'started', { what: 'the end of the other executor' })
  const met = await Promise.all(
    sites.map(async (site) => {
      const services = await realm.services(site, 4)
      await realm.sites.get(site)!.addSwitch({ service: services[0]!, count: 1, fault: { kind: 'latency', latencyMs: 3_000 } })
      // Where the site enforces, the grant is of more than the job whose call is under way.
      return { site, services, group: await realm.open(site, { services, ...(site === 'enforced' ? { window: 4 } : {}) }) }
    }),
  )
  expect(await Promise.all(met.map(({ site, group }) => realm.inCall(group, site)))).toEqual([frozen.name, frozen.name])
  const instance = realm.view.state.agents.get(frozen.name)!.instance
  frozen.freeze()
  await other.start()
  for (const { group } of met) await realm.eventually(() => realm.group(group).grant?.agent === other.name || realm.group(group).position > 0, { what: `a second grant in group ${group}` })
  const thawedMs = Date.now()
  frozen.thaw()
  for (const { site, group } of met) {
    await realm.completes(group)
    expect(await realm.changes(site, group), site).toEqual([1, 2, 3, 4])
    const grants = (await realm.grantsOf(group)).filter(({ jobs }) => jobs.includes(1))
    expect(grants.map(({ agent, instance: of }) => [agent, of === instance]), group).toEqual([[frozen.name, true], [other.name, false]])
    const [first, second] = grants.map(({ grant }) => grant) as [number, number]
    // What it has to say of the job it says when it wakes; the holder takes note, and the log has the outcome of the second grant alone.
    const late = await realm.eventually(
      () => realm.wire.overheard.work.find(({ process, request, sentMs }) => process === frozen.process && sentMs >= thawedMs && request.outcomes.some((outcome) => outcome.group === group && outcome.grant === first && outcome.job === 1)),
      { what: `the late outcome of group ${group}` },
    )
    expect(late.answer.kind).toBe('taken')
    const ended = (await realm.eventsOf(group)).flatMap((event) => (event.type === 'JobSucceeded' || event.type === 'JobFailed' || event.type === 'JobUnknown' ? [event.data] : []))
    expect(ended.filter(({ job }) => job === 1)).toMatchObject([{ job: 1, grant: second }])
    expect(ended.filter(({ grant }) => grant === first)).toEqual([])
    if (site !== 'enforced') continue
    // The call for which it had checked everything when it was stopped, and which no check of its own keeps back (P23).
    const { service, operation } = (await realm.eventsOf(group)).flatMap((event) => (event.type === 'JobsAdded' ? event.data.jobs : []))[1]!
    expect(await realm.callLate(site, { group, grant: first, job: 2, service, operation })).toMatchObject({ kind: 'fenced' })
    expect(await realm.changes(site, group)).toEqual([1, 2, 3, 4])
  }
}, patienceMs)

it('the leader is frozen until another leads, then both lead for a while: the later epoch wins, and what the older one asks for changes nothing (I7, P27)', async () => {
  await realm.sites.get('enforced')!.addSwitch({ fault: { kind: 'latency', latencyMs: 300 } })
  const group = await realm.open('enforced')
  await realm.executing(group, 1)
  const former = realm.view.state.realm.leader!
  const frozen = realm.agent(former.agent)
  frozen.freeze()
  const later = await eventually(() => realm.view.state.realm.leader!.epoch > former.epoch && realm.view.state.realm.leader!, { what: 'another leader' })
  expect(later.agent).not.toBe(former.agent)
  // What it is to do wrongly when it wakes: these jobs are assigned by now, under the later epoch.
  const second = await realm.open('recorded')
  await realm.executing(second)
  const lane = laneOfGroup(second)!
  const grantsBefore = (await realm.grantsOf(second)).length
  const before = (await frozen.said()).length
  frozen.thaw()
  // In the name of the one that woke, as it may have had it in its hands: the order is refused, whoever holds the lane.
  const late = await realm.toLane(lane, { group: second, actor: `agent:${former.agent}`, epoch: former.epoch, body: { kind: 'pause' } })
  expect(late).toMatchObject({ kind: 'refused', code: 'stale' })
  for (const one of [group, second]) await realm.completes(one)
  expect(grantsBefore).toBeGreaterThan(0)
  // It has heard that it leads no longer, and is there for what else it is asked.
  await realm.eventually(async () => (await realm.api.call('agent', 'show', { agent: former.agent })).leading === false, { what: 'the end of the older leadership' })
  expect(realm.view.state.realm.leader).toMatchObject({ agent: later.agent, epoch: later.epoch })
  // It says so itself: awake, it still took itself for the leader, and was told otherwise.
  const said = await realm.eventually(async () => (await frozen.said()).slice(before).split('\n').find((line) => line.includes('leads no longer')), { what: 'what the woken leader says' })
  expect(said).toMatch(new RegExp(`\\b${former.epoch}\\b`))

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
