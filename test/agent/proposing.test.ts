/** Who says where jobs go: the service for what asks for no skill (claim 2), the leader for the rest (claim 1). In virtual time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type PlanChange, configureAgent } from '../../machines/agent/decide.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { type InstructionEvent, type InstructionState, type InstructionTerms, absentInstruction, foldInstruction, takeInstruction } from '../../machines/instruction/instruction.ts'
import { planBytes } from '../../src/change/plan-bytes.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { type RunningService, startService } from '../../src/service/service.ts'
import { drillAdapter } from '../../src/sites/drill/adapter.ts'
import { digestOf, newUlid } from '../../streams/codec.ts'
import type { Commit } from '../../streams/envelope.ts'
import { groupId } from '../../streams/subjects.ts'
import { World } from './world.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const plain: JobSpec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
const skilled: JobSpec = { ...plain, skill: { name: 'drill', need: 'required' } }

let world: World
let service: RunningService
/** By group: what was appended of it, with who did it. */
let commits: { readonly group: string; readonly actor: string; readonly events: readonly GroupEvent[] }[]

beforeEach(() => begin({ generic: ['a', 'b', 'c', 'd'], skilled: ['s'] }))
afterEach(end)

async function begin(agents: { readonly generic: readonly string[]; readonly skilled: readonly string[] }): Promise<void> {
  world = new World()
  commits = []
  world.view.onTurn(({ turn }) => {
    for (const { aggregate, id, actor, events } of turn.commits) if (aggregate === 'group') commits.push({ group: id, actor, events: events as readonly GroupEvent[] })
  })
  for (const agent of agents.generic) world.start(agent)
  for (const agent of agents.skilled) world.start(agent, { role: 'skilled', skills: ['drill'] })
  await world.addSite('site-1', 'drill://')
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
  const { clock, subjects, dice } = world
  const coordinator = world.realm.connect({ name: 's1', clock })
  service = await world.drive(
    startService({ coordinator, subjects, clock, random: dice.stream('s1'), logger: silent, service: 's1', build: '0.1.0', region: 'here', adapterOf: () => drillAdapter, timings: { continueMs: 100 } }),
  )
}

async function end(): Promise<void> {
  await world.drive(service.stop())
  await world.end()
}

/** As a service that took it and was killed would leave it: whoever is here opens the group. */
async function change(jobs: readonly JobSpec[], terms: InstructionTerms = {}): Promise<string> {
  const { observer, clock, dice, subjects } = world
  const command = newUlid(clock.nowMs(), dice)
  const bytes = planBytes(jobs)
  await world.drive(observer.texts.put(bytes))
  await world.drive(
    writeAggregate<InstructionState, InstructionEvent>(
      { log: observer.log, clock, random: dice },
      {
        subject: subjects.aggregate('instruction', command), aggregate: 'instruction', id: command, empty: absentInstruction(command), fold: foldInstruction,
        decide: (state) => takeInstruction(state, 'here-1', digestOf(bytes), 'a change', terms), actor: 'person:tester', command, correlation: command,
      },
    ),
  )
  return groupId('here-1', command)
}

async function plan(agent: string, change: PlanChange): Promise<void> {
  await world.drive(
    writeAggregate<AgentState, AgentEvent>(
      { log: world.observer.log, clock: world.clock, random: world.dice },
      { subject: world.subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, change), actor: 'person:test' },
    ),
  )
}

const assignmentsOf = (group: string) =>
  commits.filter((commit) => commit.group === group).flatMap(({ actor, events }) => events.flatMap((event) => (event.type === 'JobsAssigned' ? [{ actor, assignments: event.data.assignments }] : [])))
const ended = (group: string) => world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')

it('claims 1 and 2: in one change the service proposes where jobs go, over the share that the factor says, and the leader assigns those that need a skill', async () => {
  const leader = world.leader()!.agent
  const group = await change([plain, plain, skilled, skilled, plain, plain], { distributionFactor: 50 })
  await ended(group)
  const given = assignmentsOf(group)
  expect(given.map(({ actor }) => actor)).toEqual(['service:s1', `agent:${leader}`])
  const [proposal, rest] = given
  const proposedJobs = proposal!.assignments.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
  expect(proposedJobs).toEqual([1, 2, 5, 6])
  // Four may work beside the leader: half of them do.
  expect(new Set(proposal!.assignments.map(({ agent }) => agent)).size).toBe(2)
  expect(proposal!.assignments.map(({ agent }) => agent)).not.toContain(leader)
  expect(rest!.assignments).toEqual([{ first: 3, last: 4, agent: 's' }])
  const types = commits.filter((commit) => commit.group === group).flatMap(({ events }) => events.map(({ type }) => type))
  expect(types.slice(0, 4)).toEqual(['GroupOpened', 'JobsAdded', 'JobsAssigned', 'GroupSealed'])
  // The jobs of the proposal were in their queues before the leader said anything.
  expect(types.indexOf('LockGranted')).toBeGreaterThan(types.indexOf('GroupSealed'))
  expect(world.executors(group).filter((agent) => agent === 's').length).toBeGreaterThanOrEqual(2)
})

it('claim 2: with no leader alive, and nobody who could lead, a group reaches its queues by the proposal of the service alone, and ends', async () => {
  await end()
  // Skilled agents never lead; the lanes are theirs, as one that leads holds lanes only where no other can.
  await begin({ generic: ['a'], skilled: ['s', 't', 'u'] })
  expect(world.leader()!.agent).toBe('a')
  expect([...world.view.state.lanes.values()].map(({ holder }) => holder!.agent)).not.toContain('a')
  await world.kill('a')
  const since: Commit[] = []
  world.view.onTurn(({ turn }) => since.push(...turn.commits))
  const group = await change([plain, plain, plain, plain, plain, plain])
  await ended(group)
  expect(world.leader()).toBeUndefined()
  const given = assignmentsOf(group)
  expect(given.map(({ actor }) => actor)).toEqual(['service:s1'])
  const queued = given[0]!.assignments
  expect(queued.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index))).toEqual([1, 2, 3, 4, 5, 6])
  expect(queued.map(({ agent }) => agent)).not.toContain('a')
  // Whoever has a job in its queue has carried it out; nobody who leads has written anything since.
  expect(new Set(world.executors(group))).toEqual(new Set(queued.map(({ agent }) => agent)))
  expect(since.length).toBeGreaterThan(0)
  expect(since.filter(({ epoch, actor }) => epoch !== undefined || actor === 'agent:a')).toEqual([])
})

it('what was proposed to an agent that is lost by then is assigned anew by the leader', async () => {
  const leader = world.leader()!.agent
  world.logDelayMs = 5
  const group = await change(Array.from({ length: 400 }, () => plain))
  await world.until('the proposal', () => assignmentsOf(group).length > 0)
  const [proposal] = assignmentsOf(group)
  const gone = proposal!.assignments.at(-1)!.agent
  await world.kill(gone)
  await ended(group)
  expect(assignmentsOf(group).at(-1)!.actor).toBe(`agent:${leader}`)
})

describe('groups for agents of one role', () => {
  it('skilled agents only', async () => {
    const group = await change([plain, plain, skilled], { agents: 'skilled' })
    await ended(group)
    expect(new Set(world.executors(group))).toEqual(new Set(['s']))
  })

  it('generic agents only: jobs that need a skill wait until a generic agent has it', async () => {
    const group = await change([plain, skilled], { agents: 'generic' })
    await world.until('said', () => world.lines.some(({ message }) => message.startsWith('jobs wait')))
    expect(world.executors(group)).not.toContain('s')
    world.start('g', { skills: ['drill'] })
    await ended(group)
    expect(world.executors(group).at(-1)).toBe('g')
  })

  it('a group is carried out near its sites', async () => {
    world.start('far', { region: 'elsewhere' })
    await world.until('far is here', () => world.view.state.agents.get('far')?.phase === 'started')
    // Over all that are mapped: those are the ones of the region, where there are any.
    const group = await change(Array.from({ length: 8 }, () => plain))
    await ended(group)
    expect(world.executors(group)).not.toContain('far')
    expect(assignmentsOf(group)[0]!.actor).toBe('service:s1')
  })
})

it('what is proposed goes by the configuration in force, not by how an agent was started', async () => {
  const leader = world.leader()!.agent
  const [away, skilledNow, stays] = ['a', 'b', 'c', 'd'].filter((agent) => agent !== leader) as [string, string, string]
  await plan('s', { role: 'generic', skilledOnly: true })
  await plan(away, { region: 'elsewhere' })
  await plan(skilledNow, { role: 'skilled' })
  await world.until('all applied', () => [...world.members.values()].every(({ running }) => running.describe().configuration !== null) && world.members.get(away)!.running.describe().region === 'elsewhere' && world.members.get(skilledNow)!.running.describe().role === 'skilled' && world.members.get('s')!.running.describe().role === 'generic')
  const near = await change(Array.from({ length: 6 }, () => plain))
  await ended(near)
  const [proposal] = assignmentsOf(near)
  expect(proposal!.actor).toBe('service:s1')
  expect(new Set(proposal!.assignments.map(({ agent }) => agent))).toEqual(new Set([skilledNow, stays]))
  const bySkilled = await change([plain, plain], { agents: 'skilled' })
  await ended(bySkilled)
  expect(assignmentsOf(bySkilled)).toMatchObject([{ actor: 'service:s1', assignments: [{ agent: skilledNow }] }])
})

it('without order the jobs are spread over the agents that the factor says, all of whom work at once; what one that is killed held runs again at the others', async () => {
  world.logDelayMs = 5
  const one = await change(Array.from({ length: 6 }, () => plain), { order: 'none', distributionFactor: 1 })
  await ended(one)
  expect(new Set(world.executors(one)).size).toBe(1)
  const group = await change(Array.from({ length: 900 }, () => plain), { order: 'none' })
  await world.until('locks of several agents open', () => new Set((world.view.state.group(group)?.unordered?.grants ?? []).map(({ agent }) => agent)).size >= 3)
  const { unordered, assignments } = world.view.state.group(group)!
  expect(new Set(assignments.map(({ agent }) => agent)).size).toBeGreaterThanOrEqual(3)
  expect(unordered!.grants.length).toBeGreaterThan(3)
  const holder = world.view.state.lanes.get('here-1')!.holder!.agent
  const lost = unordered!.grants.find(({ agent }) => agent !== world.leader()!.agent && agent !== holder)!.agent
  await world.kill(lost)
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed', 90_000)
  expect(world.returnedLost(group)).toBeGreaterThan(1)
  expect(world.view.state.group(group)).toMatchObject({ position: 900, failed: [] })
  expect(world.executors(group)).toHaveLength(900 + world.returnedLost(group))
})

it('in a graph a branch goes on while the agent of another one is away (I1)', async () => {
  // Job 2 needs a skill that nobody has yet; 3 waits for it, 4 and 5 do not.
  const rare: JobSpec = { ...plain, skill: { name: 'rare', need: 'required' } }
  const group = await change([plain, rare, { ...plain, after: [[2, 2]] }, { ...plain, after: [[1, 1]] }, plain], { order: 'graph' })
  await world.until('the others done', () => world.view.state.group(group)?.position === 3)
  expect(world.view.state.group(group)).toMatchObject({ phase: 'running', grant: null })
  world.start('r', { role: 'skilled', skills: ['rare'] })
  await ended(group)
  expect(world.executors(group).slice(-2)).toEqual(['r', expect.not.stringMatching(/^r$/)])
})
