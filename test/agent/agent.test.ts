/** Whole agents in a realm in memory, in virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TransitionMessage } from '../../streams/agent-messages.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { FeedMessage } from '../../streams/feed.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const laneCount = 4

function lanesHeldBy(agents: (agent: string) => boolean): number {
  return [...world.view.state.lanes.values()].filter((lane) => lane.holder !== null && agents(lane.holder.agent)).length
}

async function startThree(): Promise<void> {
  for (const agent of ['a', 'b', 'c']) world.start(agent)
  await world.until('all lanes held by followers', () => lanesHeldBy((agent) => agent !== world.leader()?.agent) === laneCount)
}

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

  it('after kill -9 of the leader another leads within 300 ms, without waiting for the lease', async () => {
    await startThree()
    const dead = world.leader()!.agent
    await world.kill(dead)
    const fromMs = world.time.nowMs
    await world.until('another leader', () => world.leader() !== undefined)
    expect(world.time.nowMs - fromMs).toBeLessThanOrEqual(300)
    await world.until('its election in the log', () => world.view.state.realm.leader?.agent === world.leader()!.agent)
  })

  it('what agents write of themselves, of others, of elections and of lanes is on the feed, as what jobs do is', async () => {
    const heard: string[] = []
    const written: string[] = []
    world.observer.bus.subscribe(world.subjects.allFeeds, ({ data }) => {
      const { commit } = fromBytes<FeedMessage>(data)
      heard.push(`${commit.aggregate} ${commit.id} ${commit.revision}`)
    })
    world.view.onTurn(({ turn }) => {
      for (const { aggregate, id, revision, events } of turn.commits) if (events[0]?.type !== 'RealmFounded') written.push(`${aggregate} ${id} ${revision}`)
    })
    await startThree()
    await world.kill(world.leader()!.agent)
    await world.until('it is recorded as lost', () => world.events.some(({ type }) => type === 'AgentLost'))
    await world.members.get(world.leader()!.agent)!.running.stop()
    await world.until('it is recorded as stopped', () => world.events.some(({ type }) => type === 'AgentStopped'))
    await world.until('all of it on the feed', () => written.every((one) => heard.includes(one)))
    expect(new Set(written.map((one) => one.split(' ')[0]))).toEqual(new Set(['agent', 'config', 'lane', 'realm']))
  })

  it('a leader that is cut off leads no longer, and another leads when the lease is over', async () => {
    await startThree()
    const cut = world.leader()!
    world.realm.setReach(world.clientOf(cut.agent), 'disconnected')
    expect(cut.leading).toBeUndefined()
    await world.until('another leader', () => world.leader() !== undefined && world.leader() !== cut)
    world.realm.setReach(world.clientOf(cut.agent), 'connected')
    await world.until('it follows again', () => machineOf(cut.agent, 'election') === 'following')
  })

  it('after kill -9 of the holder of lanes they are held by others within 600 ms (P7)', async () => {
    await startThree()
    const leader = world.leader()!.agent
    const dead = ['a', 'b', 'c'].find((agent) => agent !== leader)!
    await world.kill(dead)
    const fromMs = world.time.nowMs
    await world.until('its lanes held by others', () => lanesHeldBy((agent) => agent !== dead) === laneCount)
    expect(world.time.nowMs - fromMs).toBeLessThanOrEqual(600)
  })

  it('an agent that was killed and started again is fit to hold lanes at once: the instance was unfit, not the agent', async () => {
    await startThree()
    const leader = world.leader()!.agent
    const killed = ['a', 'b', 'c'].find((agent) => agent !== leader)!
    await world.kill(killed)
    await world.until('lanes taken over', () => lanesHeldBy((agent) => agent !== killed) === laneCount, 1_000)
    world.start(killed)
    await world.until('its share is its own again', () => lanesHeldBy((agent) => agent === killed) === laneCount / 2, 3_000)
  })

  it('the lanes of a killed agent move all at once, and none to it', async () => {
    await startThree()
    world.start('d')
    await world.until('lanes spread over three', () => new Set(world.view.state.realm.lanes.map(({ lane }) => world.view.state.lanes.get(lane)?.holder?.agent)).size === 3 && !world.view.state.realm.lanes.some(({ lane }) => world.view.state.lanes.get(lane)?.holder?.agent === world.leader()?.agent))
    const leader = world.leader()!.agent
    const holders = ['a', 'b', 'c', 'd'].filter((agent) => agent !== leader)
    const killed = holders.find((agent) => lanesHeldBy((holder) => holder === agent) > 1)!
    const mapped: string[] = []
    world.observer.mappings.watch((change) => {
      if (change.kind === 'set') mapped.push(fromBytes<{ readonly agent: string }>(change.entry.value).agent)
    })
    await world.pass(10)
    mapped.length = 0
    await world.kill(killed)
    await world.until('lanes taken over', () => lanesHeldBy((agent) => agent !== killed) === laneCount, 600)
    expect(mapped).not.toContain(killed)
  })

  it('a leader records an agent as lost only 1.1 presence times after its last sign (P18)', async () => {
    await startThree()
    const leader = world.leader()!.agent
    const dead = ['a', 'b', 'c'].find((agent) => agent !== leader)!
    await world.kill(dead)
    const fromMs = world.time.nowMs
    await world.until('AgentLost', () => world.view.state.agents.get(dead)?.phase === 'lost')
    const { presenceMs } = world.view.state.realm.constants
    expect(world.time.nowMs - fromMs).toBeGreaterThanOrEqual(presenceMs * 1.1 - presenceMs / 3)
    expect(world.time.nowMs - fromMs).toBeLessThanOrEqual(presenceMs * 1.1 + 3_000)
  })

  it('a realm of skilled agents alone elects nobody', async () => {
    world.start('s', { role: 'skilled', skills: ['simulated'] })
    await world.until('ready', () => machineOf('s', 'agent') !== undefined && world.members.get('s')!.running.instance !== '')
    await world.pass(20_000)
    expect(world.view.state.realm.leader).toBeNull()
    expect(machineOf('s', 'election')).toBeUndefined()
    expect(world.lines.filter((line) => line.message.startsWith('no generic agent is here'))).toHaveLength(1)
  })

  it('stops gracefully: gives up its lanes and its lease, records it, and nothing of it is left', async () => {
    await startThree()
    const leader = world.leader()!
    const end = await world.drive(leader.stop())
    expect(end).toEqual({ kind: 'graceful' })
    expect(world.view.state.agents.get(leader.agent)?.phase).toBe('stopped')
    const keys = (await world.observer.agents.entries()).map((entry) => entry.key)
    expect(keys.filter((key) => key.startsWith('instance.'))).toHaveLength(2)
    world.members.delete(leader.agent)
    await world.until('another leader', () => world.leader() !== undefined, 1_000)
  })

  it('the last agent holds the lanes itself although it leads', async () => {
    world.start('a')
    await world.until('all lanes held', () => lanesHeldBy((agent) => agent === 'a') === laneCount)
    expect(world.leader()?.agent).toBe('a')
  })

  it('of two processes of one agent the later one stays (P20)', async () => {
    const first = world.start('a')
    await world.until('ready', () => first.leading !== undefined)
    const second = world.start('a')
    expect(await world.drive(first.ended)).toEqual({ kind: 'replaced', by: second.instance })
    await world.until('the second leads', () => second.leading !== undefined)
  })

  it('an agent whose presence expired while it was frozen goes on as a new instance (P17)', async () => {
    await startThree()
    const leader = world.leader()!.agent
    const frozen = ['a', 'b', 'c'].find((agent) => agent !== leader)!
    const { running } = world.members.get(frozen)!
    const former = running.instance
    world.realm.setReach(world.clientOf(frozen), 'silent')
    await world.pass(10_000)
    expect(world.view.state.agents.get(frozen)?.phase).toBe('lost')
    world.realm.setReach(world.clientOf(frozen), 'connected')
    await world.until('present again', () => world.view.state.agents.get(frozen)?.phase === 'started')
    expect(running.instance).not.toBe(former)
    expect(world.view.state.agents.get(frozen)?.instance).toBe(running.instance)
  })

  it('a lock that an agent was granted but never heard of, before it went on as a new instance, is given back at once, not when the former one counts as lost (P17, P19)', async () => {
    await startThree()
    await world.addSite('site-1', 'drill://', 'none')
    world.start('x', { role: 'skilled', skills: ['rare'] })
    await world.until('x is there', () => world.view.state.agents.get('x')?.phase === 'started')
    // Locks never reach it.
    world.faults.message = ({ to, subject }) => (to === world.clientOf('x') && /\.(grants|work)$/.test(subject) ? [] : [0])
    const lane = [...world.view.state.lanes.values()].find(({ holder }) => holder !== null && holder.agent !== 'x')!.lane
    const group = await world.openGroup(lane, [{ site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, skill: { name: 'rare', need: 'required' }, repeatable: true }])
    await world.until('its lock', () => world.events.some(({ id, type, data }) => id === group && type === 'LockGranted' && data['agent'] === 'x'))
    const former = world.members.get('x')!.running.instance
    world.realm.setReach(world.clientOf('x'), 'disconnected')
    await world.pass(9_000)
    world.faults.message = () => [0]
    world.realm.setReach(world.clientOf('x'), 'connected')
    await world.until('a new instance', () => world.members.get('x')!.running.instance !== former)
    const fromMs = world.time.nowMs
    await world.until('its end', () => world.events.some(({ id, type }) => id === group && type === 'GroupCompleted'))
    expect(world.events.filter(({ id, type }) => id === group && type === 'LockReturned').map(({ data }) => data['why'])).toEqual(['handed-back'])
    expect(world.time.nowMs - fromMs).toBeLessThan(3_000)
  })

  it('an agent whose clock is an hour wrong takes no lane, and says so (P15)', async () => {
    await startThree()
    world.start('z', { clock: { ...world.clock, nowMs: () => world.clock.nowMs() + 3_600_000 } })
    await world.until('ready', () => world.lines.some((line) => line.agent === 'z' && line.message.includes('clock of this machine')))
    await world.pass(30_000)
    expect(world.members.get('z')!.running.held).toEqual([])
    expect(lanesHeldBy((agent) => agent !== 'z')).toBe(laneCount)
  })

  it('a change in ordered jobs goes to agents with the skill they report, and ends', async () => {
    await startThree()
    world.start('s', { role: 'skilled', skills: ['drill'] })
    await world.addSite('site-1', 'drill://')
    const plain = { site: 'site-1', operation: { name: 'rehearse' as const }, repeatable: true }
    const group = await world.openGroup('here-1', [
      { ...plain, service: 's00001' },
      { ...plain, service: 's00002', skill: { name: 'drill', need: 'required' } },
      { ...plain, service: 's00003' },
    ])
    await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')
    expect(world.executors(group)).toEqual([expect.not.stringMatching(/^s$/), 's', expect.not.stringMatching(/^s$/)])
    expect(world.executors(group)).not.toContain(world.leader()!.agent)
  })

  it('jobs that require a skill nobody has wait, and the leader says so; they run as soon as somebody has it', async () => {
    await startThree()
    await world.addSite('site-1', 'drill://')
    const group = await world.openGroup('here-1', [
      { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true, skill: { name: 'drill', need: 'required' } },
    ])
    await world.until('said', () => world.lines.some((line) => line.message.startsWith('jobs wait')))
    world.start('s', { role: 'skilled', skills: ['drill'] })
    await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')
    expect(world.executors(group)).toEqual(['s'])
  })

  it.each([
    { fencing: 'none' as const, waitsForCalls: true },
    { fencing: 'enforced' as const, waitsForCalls: false },
  ])('what a killed executor held runs again elsewhere, where the site fences $fencing after the waits of P18 and I9', async ({ fencing, waitsForCalls }) => {
    world.logDelayMs = 5
    await startThree()
    await world.addSite('site-1', 'drill://', fencing)
    const group = await world.openGroup(
      'here-1',
      Array.from({ length: 200 }, (_, index) => ({
        site: 'site-1',
        service: `s${String((index % 100) + 1).padStart(5, '0')}`,
        operation: { name: 'rehearse' as const },
        repeatable: true,
      })),
    )
    await world.until('an executor at work', () => (world.view.state.group(group)?.position ?? 0) > 20)
    const state = world.view.state.group(group)!
    const executor = state.assignments[0]!.agent
    await world.kill(executor)
    const fromMs = world.time.nowMs
    await world.until('the lock taken back', () => world.returnedLost(group) === 1, 60_000)
    const tookMs = world.time.nowMs - fromMs
    const { presenceMs, siteCallDeadlineMs } = world.view.state.realm.constants
    const leastMs = presenceMs * 1.1 + (waitsForCalls ? siteCallDeadlineMs * 1.1 : 0)
    // Counted from the last renewal, at most a third of the presence time before the death.
    expect(tookMs).toBeGreaterThanOrEqual(leastMs - presenceMs / 3)
    expect(tookMs).toBeLessThanOrEqual(leastMs + 1_000)
    await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 60_000)
    expect(new Set(world.executors(group)).size).toBe(2)
  })

  it('a leader that is alone executes itself, and says so', async () => {
    world.start('a')
    await world.until('all lanes held', () => lanesHeldBy((agent) => agent === 'a') === laneCount)
    await world.addSite('site-1', 'drill://')
    const group = await world.openGroup('here-1', [{ site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }])
    await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')
    expect(world.lines.some((line) => line.message.startsWith('the leader executes jobs itself'))).toBe(true)
  })

  it('publishes every transition of its machines, numbered without a gap', async () => {
    const heard: TransitionMessage[] = []
    world.observer.bus.subscribe(world.subjects.allInspect, ({ data }) => void heard.push(fromBytes<TransitionMessage>(data)))
    await startThree()
    await world.pass(1)
    for (const agent of ['a', 'b', 'c']) {
      for (const machine of ['agent', 'presence', 'election']) {
        const numbers = heard.filter((message) => message.agent === agent && message.machine === machine).map((message) => message.number)
        expect(numbers.length).toBeGreaterThan(0)
        expect(numbers).toEqual(numbers.map((_, index) => index + 1))
      }
    }
    // An agent has one for each lane that was ever mapped to it.
    const holders = heard.filter((message) => message.machine.startsWith('lane-holder-'))
    for (const { agent, machine } of holders) {
      const numbers = holders.filter((message) => message.agent === agent && message.machine === machine).map((message) => message.number)
      expect(numbers).toEqual(numbers.map((_, index) => index + 1))
    }
    const { running } = world.members.get(holders.at(-1)!.agent)!
    const described = Object.entries(running.describe().machines).filter(([machine]) => machine.startsWith('lane-holder-'))
    expect(described).toEqual(described.map(([machine]) => [machine, holders.findLast((message) => message.agent === running.agent && message.machine === machine)!.to]))
    expect(described.length).toBeGreaterThan(0)
    const election = heard.filter((message) => message.agent === world.leader()!.agent && message.machine === 'election')
    expect(election.map(({ to }) => to)).toEqual(['preparing', 'campaigning', { elected: 'declaring' }, { elected: 'leading' }])
    for (let index = 1; index < election.length; index++) expect(election[index]!.from).toEqual(election[index - 1]!.to)
  })

  it('a stop while the coordinator is away ends all the same, and nothing waits for ever', async () => {
    await startThree()
    const { running } = world.members.get('b')!
    world.realm.setReach(world.clientOf('b'), 'disconnected')
    expect(await world.drive(running.stop())).toEqual({ kind: 'graceful' })
  })

  it('reads the realm again after a reconnection, before it takes part', async () => {
    await startThree()
    const follower = ['a', 'b', 'c'].find((agent) => agent !== world.leader()!.agent)!
    world.realm.setReach(world.clientOf(follower), 'disconnected')
    expect(machineOf(follower, 'agent')).toBe('disconnected')
    expect(world.members.get(follower)!.running.describe().leading).toBeNull()
    world.realm.setReach(world.clientOf(follower), 'connected')
    await world.until('in the agent process again', () => JSON.stringify(machineOf(follower, 'agent')).includes('process'))
  })

  it('answers to describe and stop on its own subjects', async () => {
    const running = world.start('a')
    await world.drive(running.ready)
    const ask = async (verb: 'describe' | 'stop', message: unknown) => {
      const asked = await world.drive(world.observer.bus.ask(world.subjects.toAgent('a', verb), toBytes(message), { timeoutMs: 1_000 }))
      return asked.kind === 'answer' ? fromBytes<Record<string, unknown>>(asked.data) : asked
    }
    expect(await ask('describe', {})).toMatchObject({ agent: 'a', instance: running.instance, role: 'generic', adapters: expect.arrayContaining(['drill']) })
    expect(await ask('stop', { mode: 'soon' })).toMatchObject({ kind: 'refused' })
    expect(await ask('stop', { mode: 'graceful', instance: 'another' })).toMatchObject({ kind: 'refused' })
    expect(await ask('stop', { mode: 'graceful' })).toEqual({ kind: 'stopping', instance: running.instance })
    expect(await world.drive(running.ended)).toEqual({ kind: 'graceful' })
  })
})

function machineOf(agent: string, machine: string): unknown {
  return world.members.get(agent)?.running.describe().machines[machine]
}
