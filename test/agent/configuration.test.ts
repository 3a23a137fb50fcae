/** Configurations of agents [FIG. 6], with whole agents in a realm in memory, in virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type PlanChange, configureAgent } from '../../machines/agent/decide.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { type AgentConfigurationValue, type MappingCollectionValue, agentConfigurationKey, fromBytes, mappingCollectionKey, toBytes } from '../../streams/coordination.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

/** Latest value by agent, and how often each was written. */
function watchConfigurations() {
  const values = new Map<string, AgentConfigurationValue>()
  const writes = new Map<string, number>()
  world.observer.config.watch((change) => {
    if (change.kind !== 'set') return
    const value = fromBytes<AgentConfigurationValue>(change.entry.value)
    values.set(value.agent, value)
    writes.set(value.agent, (writes.get(value.agent) ?? 0) + 1)
  })
  return { values, writes }
}

async function plan(agent: string, change: PlanChange): Promise<number> {
  const written = await world.drive(
    writeAggregate<AgentState, AgentEvent>(
      { log: world.observer.log, clock: world.clock, random: world.dice },
      { subject: world.subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, change), actor: 'person:test' },
    ),
  )
  if (written.kind !== 'written') throw new Error(JSON.stringify(written))
  return written.revision
}

const isReady = (agent: string) => {
  const { process } = world.members.get(agent)!.running.describe().machines['agent'] as { process?: unknown }
  return process !== undefined && process !== 'notReady'
}
const follower = () => ['a', 'b', 'c'].find((agent) => agent !== world.leader()!.agent)!

describe('configuration', () => {
  it('is made of what the build is recorded to do, once for all agents of it, and pushed to each; before that an agent is not ready [528]', async () => {
    const { values } = watchConfigurations()
    world.start('s', { role: 'skilled', skills: ['drill'] })
    await world.pass(5_000)
    expect(isReady('s')).toBe(false)
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await world.until('all configured', () => values.size === 4)
    await world.until('ready', () => isReady('s') && isReady(follower()))
    expect(world.events.filter(({ type }) => type === 'ManifestRecorded')).toHaveLength(1)
    expect(values.get('s')).toMatchObject({ configuration: { role: 'skilled', skills: ['drill'], capacity: 64 }, signature: { build: 'test', leader: 'test' } })
    expect(world.members.get('s')!.running.describe().configuration?.signature).toEqual(values.get('s')!.signature)
  })

  it('an agent that comes again as it was is ready by what was kept, also while nobody leads', async () => {
    world.start('s', { role: 'skilled' })
    world.start('a')
    await world.until('ready', () => isReady('s'))
    await world.kill('s')
    await world.kill('a')
    world.start('s', { role: 'skilled' })
    await world.until('ready again', () => isReady('s'), 10_000)
    await world.kill('s')
    world.start('s', { role: 'skilled', skills: ['drill'] })
    await world.pass(10_000)
    expect(isReady('s')).toBe(false)
  })

  it('a change of what is planned reaches the agent, and what it can do changes with it', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await world.until('all lanes held', () => world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
    const changed = follower()
    const revision = await plan(changed, { holdsLanes: false, capacity: 3 })
    await world.until('applied', () => world.members.get(changed)!.running.describe().configuration?.signature.revision === revision)
    await world.until('its lanes are with others', () => world.members.get(changed)!.running.held.length === 0 && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
    await plan(changed, { holdsLanes: null })
    await world.until('it holds lanes again', () => world.members.get(changed)!.running.held.length > 0)
  })

  it('what was planned while the agent was away holds when it comes', async () => {
    world.start('a')
    world.start('b')
    await world.until('ready', () => isReady(['a', 'b'].find((agent) => agent !== world.leader()?.agent)!))
    const away = ['a', 'b'].find((agent) => agent !== world.leader()!.agent)!
    await world.kill(away)
    const { values } = watchConfigurations()
    const revision = await plan(away, { region: 'there', skillsOn: ['drill'] })
    await world.until('configured while it is away', () => values.get(away)?.signature.revision === revision)
    world.start(away)
    await world.until('ready', () => isReady(away))
    expect(world.members.get(away)!.running.describe()).toMatchObject({ region: 'there', skills: ['drill'] })
    await world.until('its region has lanes', () => world.view.state.realm.lanes.some(({ region }) => region === 'there'))
  })

  it('a leader that is planned as skilled leads no longer, and may lead again when that is taken back', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await world.until('a leader with followers', () => world.leader() !== undefined && isReady(follower()))
    const first = world.leader()!
    await plan(first.agent, { role: 'skilled' })
    await world.until('another leader', () => world.leader() !== undefined && world.leader() !== first)
    await world.until('it goes on as a skilled agent', () => isReady(first.agent) && first.describe().role === 'skilled')
    expect(first.describe().machines['election']).toBeUndefined()
    for (const agent of ['a', 'b', 'c']) if (agent !== first.agent) await plan(agent, { role: 'skilled' })
    await world.until('nobody leads', () => world.leader() === undefined)
    await plan(first.agent, { role: null })
    // Nobody leads who could push it: a skilled agent looks at its plan from time to time while nobody does.
    await world.until('it leads again', () => world.leader() === first)
  })

  it('jobs of a skill that was switched off go to who has it; an agent that takes only jobs of its skills gets no others', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent, { skills: ['drill'] })
    await world.until('all lanes held', () => world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held'))
    const off = follower()
    const revision = await plan(off, { skillsOff: ['drill'] })
    await world.until('applied', () => world.members.get(off)!.running.describe().configuration?.signature.revision === revision)
    await world.addSite('d', 'drill:')
    const jobs = Array.from({ length: 20 }, () => ({ site: 'd', service: 's', operation: { name: 'start' }, skill: { name: 'drill', need: 'required' }, repeatable: true }) as const)
    const group = await world.openGroup('here-1', jobs)
    await world.until('done', () => world.view.state.group(group)?.phase === 'completed' || world.view.state.group(group)?.phase === 'blocked')
    expect(world.executors(group).length).toBeGreaterThan(0)
    expect(world.executors(group)).not.toContain(off)
  })

  it('is rebuilt when it is lost (I11), and so is the mapping collection', async () => {
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    const collection = async () => {
      const entry = await world.drive(world.observer.mappings.get(mappingCollectionKey))
      return entry === undefined ? undefined : fromBytes<MappingCollectionValue>(entry.value)
    }
    await world.until('ready', () => world.leader() !== undefined && isReady(follower()))
    await world.pass(5_000)
    const before = (await collection())!
    expect(before.agents.map(({ agent }) => agent)).toEqual(['a', 'b', 'c'])
    expect(before.groups).toEqual([{ region: 'here', skill: null, agents: ['a', 'b', 'c'] }])
    expect(before.lanes).toHaveLength(4)
    await world.drive(world.observer.mappings.remove(mappingCollectionKey))
    await world.drive(world.observer.config.remove(agentConfigurationKey('b')))
    await world.drive(world.observer.config.put(agentConfigurationKey('c'), new TextEncoder().encode('not JSON')))
    await world.pass(5_000)
    expect(await collection()).toMatchObject({ agents: before.agents, groups: before.groups, lanes: before.lanes })
    expect(fromBytes<AgentConfigurationValue>((await world.drive(world.observer.config.get(agentConfigurationKey('b'))))!.value).agent).toBe('b')
    expect(fromBytes<AgentConfigurationValue>((await world.drive(world.observer.config.get(agentConfigurationKey('c'))))!.value).agent).toBe('c')
  })

  it('in a realm of format 1 there is none, and agents are ready without', async () => {
    const { values } = watchConfigurations()
    for (const agent of ['a', 'b', 'c']) world.start(agent, { newestFormat: 1 })
    await world.until('ready', () => world.leader() !== undefined && isReady(follower()))
    await world.pass(5_000)
    expect(values.size).toBe(0)
    expect(world.events.some(({ type }) => type === 'ManifestRecorded')).toBe(false)
    await expect(plan('a', { capacity: 1 })).rejects.toThrow('format-too-old')
  })
})

it('a rolling upgrade does not flap: leaders of two builds alternate, and mappings are written a bounded number of times', async () => {
  const { writes, values } = watchConfigurations()
  const laneWrites: { readonly lane: string; readonly agent: string }[] = []
  let collections = 0
  world.observer.mappings.watch((change) => {
    if (change.kind !== 'set') return
    const value = fromBytes<{ lane?: string; agent: string }>(change.entry.value)
    if (value.lane === undefined) collections += 1
    else laneWrites.push({ lane: value.lane, agent: value.agent })
  })
  // Two that may lead, of two builds, and two that work; what a build makes of an agent differs with the build that computes it.
  world.start('old', { build: '1.0.0' })
  world.start('new', { build: '1.1.0' })
  for (const agent of ['w1', 'w2']) world.start(agent, { role: 'skilled', build: '1.0.0' })
  const working = () => isReady('w1') && isReady('w2') && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held')
  await world.until('at work', () => world.leader() !== undefined && working())
  // A value as a leader of a later build would have made it: none of these two may touch it.
  const entry = (await world.drive(world.observer.config.get(agentConfigurationKey('w2'))))!
  const w2 = fromBytes<AgentConfigurationValue>(entry.value)
  const later: AgentConfigurationValue = { ...w2, configuration: { ...w2.configuration, capacity: 7 }, signature: { ...w2.signature, digest: 'f'.repeat(64), leader: '1.2.0' } }
  await world.drive(world.observer.config.put(agentConfigurationKey('w2'), toBytes(later)))
  await world.pass(5_000)
  const written = { configurations: [...writes.values()].reduce((sum, count) => sum + count, 0), lanes: laneWrites.length, collections }
  const terms = 8
  for (let term = 0; term < terms; term++) {
    const leader = world.leader()!
    world.realm.setReach(world.clientOf(leader.agent), 'disconnected')
    await world.until('the other leads', () => world.leader() !== undefined && world.leader() !== leader)
    world.realm.setReach(world.clientOf(leader.agent), 'connected')
    await world.pass(15_000)
  }
  expect(values.get('w2')).toEqual(later)
  expect([...writes.values()].reduce((sum, count) => sum + count, 0) - written.configurations).toBe(0)
  // The new leader's own lanes go to others, and nothing else moves.
  const perTerm = (laneWrites.length - written.lanes) / terms
  expect(perTerm).toBeLessThanOrEqual(4)
  expect(collections - written.collections).toBeLessThanOrEqual(3 * terms)
})
