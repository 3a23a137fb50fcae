/** What stops a group and lets it go on, through the command line; who is given which job; an agent that asks too early. */
import { beforeAll, expect, it } from 'vitest'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { laneOfGroup } from '../../streams/subjects.ts'
import { eventually } from '../support/eventually.ts'
import { judgeEach } from './judged.ts'
import { FaultRealm, patienceMs } from './realm.ts'

let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ sites: { desk: { services: 6 } } })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: 'drill://?services=20' })
}, patienceMs)

judgeEach(() => realm)

it('a failed job stops its group, and --wait exits with 1 and the reason; a retry puts a new job in its place', async () => {
  const services = await realm.services('desk', 4)
  await realm.sites.get('desk')!.addSwitch({ service: services[1]!, count: 1, fault: { kind: 'refuse', reason: 'the disk is full' } })
  const applied = await realm.command(['change', 'apply', 'maintenance-on', '--service', ...services.map((service) => `desk/${service}`), '--wait', '--yes'])
  expect(applied.code).toBe(1)
  expect(applied.stderr).toContain('the disk is full')
  const group = /group (\S+) is blocked/.exec(applied.stderr)![1]!
  expect(realm.group(group)).toMatchObject({ phase: 'blocked', position: 1, grant: null })
  expect(await realm.changes('desk', group)).toEqual([1])
  const retried = await realm.command(['group', 'retry', group, '--wait'])
  expect(retried).toMatchObject({ code: 0, stderr: '' })
  expect(realm.group(group)).toMatchObject({ phase: 'completed', retries: [{ job: 5, retryOf: 2 }], queue: [[1, 1], [5, 5], [3, 4]] })
  expect(await realm.changes('desk', group)).toEqual([1, 5, 3, 4])
}, patienceMs)

it('a blocked group is cancelled: what was done stays, what was pending never runs', async () => {
  const services = await realm.services('desk', 4)
  await realm.sites.get('desk')!.addSwitch({ service: services[2]!, count: 1, fault: { kind: 'refuse' } })
  const group = await realm.open('desk', { services })
  expect(await realm.stopped(group)).toBe('blocked')
  const cancelled = await realm.command(['group', 'cancel', group, '--yes', '--wait'])
  expect(cancelled.code).toBe(0)
  expect(realm.group(group)).toMatchObject({ phase: 'cancelled', failed: [{ job: 3 }], cancelled: [[4, 4]] })
  expect(await realm.changes('desk', group)).toEqual([1, 2])
}, patienceMs)

it.each(['succeeded', 'failed'] as const)('a job that may not be repeated and whose executor died in a call is unknown and blocks its group; a person settles it as %s', async (as) => {
  const services = await realm.services('desk', 3)
  await realm.sites.get('desk')!.addSwitch({ service: services[1]!, count: 1, fault: { kind: 'latency', latencyMs: 3_000 } })
  const to = `Once ${as}`
  const group = await realm.openJobs('here-1', services.map((service) => ({ site: 'desk', service, operation: { name: 'rename', to }, skill: { name: 'simulated', need: 'required' }, repeatable: false })))
  await realm.executing(group, 1)
  await realm.agent(await realm.inCall(group, 'desk')).kill()
  expect(await realm.stopped(group)).toBe('blocked')
  expect(realm.group(group)).toMatchObject({ position: 1, grant: null })
  expect((await realm.eventsOf(group)).filter(({ type }) => type === 'JobUnknown')).toMatchObject([{ data: { job: 2 } }])
  // Neither a job that is not in doubt, nor a second time.
  expect(await realm.command(['group', 'resolve', group, '3', as])).toMatchObject({ code: 3, stderr: `reeve: job 3 of group ${group} is not in the state "unknown"\n` })
  const resolved = await realm.command(['group', 'resolve', group, '2', as, '--json', ...(as === 'succeeded' ? ['--wait'] : [])])
  expect(resolved).toMatchObject({ code: 0, stderr: '' })
  await realm.view.current()
  const settled = (await realm.eventsOf(group)).filter(({ type }) => type === 'JobResolved')
  expect(settled).toMatchObject([{ data: { job: 2, as } }])
  expect(await realm.command(['group', 'resolve', group, '2', as])).toMatchObject({ code: 3 })
  if (as === 'succeeded') expect(realm.group(group)).toMatchObject({ phase: 'completed', position: 3 })
  else {
    expect(realm.group(group)).toMatchObject({ phase: 'blocked', failed: [{ job: 2 }] })
    expect(await realm.command(['group', 'retry', group, '--wait'])).toMatchObject({ code: 0 })
    expect(realm.group(group).phase).toBe('completed')
  }
  // The lost call was made once, whatever was said about it.
  expect((await realm.grantsOf(group)).filter(({ jobs }) => jobs.includes(2))).toHaveLength(1)
}, patienceMs)

it('agent stop --force ends a process in the middle of a call: the agent did not stop gracefully, and the job runs again elsewhere', async () => {
  // It is in some call for as long as its share of the group lasts, however long the command takes to be heard.
  const services = await realm.services('desk', 16)
  for (const service of services) await realm.sites.get('desk')!.addSwitch({ service, count: 1, fault: { kind: 'latency', latencyMs: 1_500 } })
  const group = await realm.open('desk', { services })
  const executor = await realm.inCall(group, 'desk')
  const { instance } = realm.view.state.agents.get(executor)!
  const { child } = realm.agent(executor)
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  expect(await realm.command(['agent', 'stop', executor, '--force', '--wait', '--json'])).toMatchObject({ code: 0, stderr: '' })
  // It did what it was told: whoever started it does not start it again.
  expect(await ended).toEqual({ code: 0, signal: null })
  await realm.completes(group)
  const grants = await realm.grantsOf(group)
  const last = grants.filter(({ agent }) => agent === executor).at(-1)!
  expect(grants.filter(({ jobs }) => jobs.includes(last.jobs[0]!)).map(({ agent }) => agent)).toEqual([executor, executor === 's1' ? 's2' : 's1'])
  const ends = (await realm.log()).turns.flatMap(({ turn }) => turn.commits).filter(({ aggregate, id }) => aggregate === 'agent' && id === executor).flatMap(({ events }) => events as readonly { readonly type: string; readonly data: { readonly instance?: string } }[])
  expect(ends.filter(({ type, data }) => type === 'AgentStopped' && data.instance === instance)).toEqual([])
}, patienceMs)

it('what is so already is a success, and the site was not changed for it', async () => {
  const services = await realm.services('desk', 3)
  for (const [index, service] of services.entries()) await realm.sites.get('desk')!.request('PATCH', `/v1/services/${service}`, { maintenance: index < 2 })
  const applied = await realm.command(['change', 'apply', 'maintenance-on', '--service', ...services.map((service) => `desk/${service}`), '--include-unchanged', '--wait', '--yes', '--json'])
  expect(applied.code).toBe(0)
  const { group } = JSON.parse(applied.stdout.trim().split('\n').at(-1)!) as { readonly group: string }
  const events = await realm.eventsOf(group)
  expect(events.filter(({ type }) => type === 'JobSucceeded').map(({ data }) => data)).toMatchObject([{ job: 1, already: true }, { job: 2, already: true }, { job: 3 }])
  expect(await realm.changes('desk', group)).toEqual([3])
}, patienceMs)

it('jobs that require a skill go to agents that reported it and are alive; the others to generic ones that do not lead', async () => {
  const grantees = async (group: string) => [...new Set((await realm.grantsOf(group)).map(({ agent }) => agent))].sort()
  const both = await realm.open('desk')
  const drill = (await realm.api.call('change', 'apply', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' } })).group!
  await Promise.all([realm.completes(both), realm.completes(drill)])
  expect(await grantees(both)).toEqual(['s1', 's2'])
  expect(await grantees(drill)).not.toContain(realm.leader)

  await realm.agent('s1').kill()
  await eventually(() => realm.view.state.agents.get('s1')!.phase === 'lost', { what: 'the loss of s1' })
  const one = await realm.open('desk')
  await realm.completes(one)
  expect(await grantees(one)).toEqual(['s2'])

  await realm.agent('s2').kill()
  await eventually(() => realm.view.state.agents.get('s2')!.phase === 'lost', { what: 'the loss of s2' })
  const none = await realm.open('desk')
  // Generic agents go on with what needs no skill; this group waits.
  await realm.completes((await realm.api.call('change', 'apply', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' } })).group!)
  expect(realm.group(none)).toMatchObject({ phase: 'running', position: 0, grant: null, assignments: [] })
  await realm.agent('s2').start()
  await realm.completes(none)
  expect(await grantees(none)).toEqual(['s2'])

  // What needs a skill was assigned on behalf of a leader, under its epoch (claim 1); the service proposes for the others at most.
  const commits = (await realm.log()).turns.flatMap(({ turn }) => turn.commits)
  const assigned = commits.filter(({ events }) => events.some(({ type }) => type === 'JobsAssigned'))
  const bySkill = assigned.filter(({ id }) => [both, one, none].includes(id))
  expect(bySkill.length).toBeGreaterThanOrEqual(3)
  expect(bySkill.every(({ epoch }) => epoch !== undefined)).toBe(true)
  expect(assigned.every(({ epoch, actor }) => epoch !== undefined || actor.startsWith('service:') || actor.startsWith('program:') || actor.startsWith('person:'))).toBe(true)
}, patienceMs)

it('an agent that asks for a job by name too early, or for one that is not its own, is refused, and the order stays', async () => {
  const services = await realm.services('desk', 4)
  // The leader may not have heard yet that both skilled agents are back: then one of them gets all jobs, and another group is tried.
  const { group, first, later } = await realm.eventually(
    async () => {
      await realm.sites.get('desk')!.addSwitch({ service: services[0]!, count: 1, fault: { kind: 'latency', latencyMs: 3_000 } })
      const opened = await realm.open('desk', { services })
      const executor = await realm.inCall(opened, 'desk')
      const other = realm.group(opened).assignments.find(({ agent }) => agent !== executor)
      if (other !== undefined) return { group: opened, first: executor, later: other }
      await realm.completes(opened)
      return undefined
    },
    { withinMs: patienceMs / 2, what: 'a group that is spread over both skilled agents' },
  )
  expect(later.first).toBeGreaterThan(1)
  expect(await realm.ask(laneOfGroup(group)!, later.agent, { group, job: later.first })).toMatchObject({ kind: 'taken', refused: { code: 'too-early' }, grants: [] })
  expect(await realm.ask(laneOfGroup(group)!, 'g1', { group, job: 1 })).toMatchObject({ kind: 'taken', refused: { code: 'too-early' }, grants: [] })
  expect(realm.group(group)).toMatchObject({ position: 0, grant: { agent: first } })
  await realm.completes(group)
  expect(groupTable.isFinal(realm.group(group).phase)).toBe(true)
  expect((await realm.grantsOf(group)).flatMap(({ jobs }) => jobs)).toEqual([1, 2, 3, 4])
  expect(await realm.changes('desk', group)).toEqual([1, 2, 3, 4])
}, patienceMs)
