/**
 * The life cycle decides about execution: calls begin only in states with the tag `works`. Whole agents in virtual time.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { configureAgent } from '../../machines/agent/decide.ts'
import { lifeCycleMachine } from '../../machines/agent/life-cycle.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { pause } from '../../streams/ports/clock.ts'
import { drillBefore } from './drill-before.ts'
import { World } from './world.ts'

const callMs = 200

interface SeenCall {
  readonly agent: string
  readonly key: string
  readonly works: boolean
  readonly hasConfiguration: boolean
  readonly atMs: number
  ended: boolean
}

let world: World
let calls: SeenCall[]
beforeEach(() => {
  world = new World()
  calls = []
})
afterEach(() => world.end())

/** A drill site whose calls take a while, and are noted with what the agent's life cycle said when they began. */
const noting = (agent: string) =>
  drillBefore(async (call) => {
    const { machines, configuration } = world.members.get(agent)!.running.describe()
    const works = lifeCycleMachine.resolveState({ value: machines['agent'] as never, context: { role: 'generic', reconnectMs: 500, queue: 'waiting', nearer: false } }).hasTag('works')
    const seen = { agent, key: call.idempotencyKey, works, hasConfiguration: configuration !== null, atMs: world.time.nowMs, ended: false }
    calls.push(seen)
    await pause(world.clock, callMs)
    seen.ended = true
  })

const job = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, skill: { name: 'drill', need: 'required' }, repeatable: true } as const

it('nobody leads, something is planned for an agent, and it is disconnected for 300 ms: no call begins before it is ready again', async () => {
  world.start('leader')
  await world.until('a leader', () => world.leader() !== undefined)
  for (const agent of ['s1', 's2']) world.start(agent, { role: 'skilled', skills: ['drill'], adapterOf: () => noting(agent) })
  await world.addSite('site-1', 'drill://')
  await world.until('lanes held', () => world.view.state.realm.lanes.every(({ lane }) => ['s1', 's2'].includes(world.view.state.lanes.get(lane)?.holder?.agent ?? '')))
  const groups: string[] = []
  for (let index = 0; index < 8; index++) groups.push(await world.openGroup('here-1', Array.from({ length: 20 }, () => job), 1, 4))
  // Not who holds the lane: it goes on offering and granting while the other is away.
  const agent = ['s1', 's2'].find((each) => each !== world.view.state.lanes.get('here-1')!.holder!.agent)!
  const inFlightNow = () => calls.filter((call) => call.agent === agent && !call.ended)
  await world.until('it works', () => inFlightNow().length > 0)
  await world.kill('leader')
  const planned = await world.drive(
    writeAggregate<AgentState, AgentEvent>(
      { log: world.observer.log, clock: world.clock, random: world.dice },
      { subject: world.subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, { capacity: 3 }), actor: 'person:test' },
    ),
  )
  expect(planned.kind).toBe('written')
  await world.until('calls in flight', () => inFlightNow().length > 0)
  const inFlight = inFlightNow()
  const cutMs = world.time.nowMs
  world.realm.setReach(world.clientOf(agent), 'disconnected')
  await world.pass(300)
  world.realm.setReach(world.clientOf(agent), 'connected')
  const since = () => calls.filter((call) => call.agent === agent && call.atMs > cutMs)
  await world.pass(100)
  const grantsTo = () => world.events.filter(({ type, data }) => type === 'LockGranted' && data['agent'] === agent).length
  const granted = grantsTo()
  await world.pass(3_000)
  // Room was offered by nobody, and what had not been begun was given back.
  expect(grantsTo()).toBe(granted)
  expect(world.members.get(agent)!.running.describe().load.held).toBe(0)
  expect(world.members.get(agent)!.running.describe()).toMatchObject({ configuration: null, machines: { agent: { process: 'notReady' } } })
  expect(since()).toEqual([])
  // What was in flight ended at the site; its outcome is offered and counts, ready or not.
  const succeeded = (key: string) => world.events.some(({ id, type, data }) => type === 'JobSucceeded' && key === `${id}/${data['job']}`)
  expect(inFlight.map(({ key }) => succeeded(key))).toEqual(inFlight.map(() => true))

  world.start('another')
  await world.until('all groups completed', () => groups.every((group) => world.view.state.group(group)?.phase === 'completed'), 120_000)
  expect(since().length).toBeGreaterThan(0)
  expect(calls.filter(({ works, hasConfiguration }) => !works || !hasConfiguration)).toEqual([])
  expect(calls.filter(({ key }, index) => calls.findIndex((call) => call.key === key) !== index)).toEqual([])
})

it('jobs in the queue of an agent that is present but does not become ready go to others', async () => {
  world.start('leader')
  await world.until('a leader', () => world.leader() !== undefined)
  // Its start cannot be recorded, so that it has no configuration that counts.
  world.faults.append = (seen) => (seen.client.startsWith('s2 ') ? { lose: 'request' } : {})
  for (const agent of ['s1', 's2']) world.start(agent, { role: 'skilled', skills: ['drill'], adapterOf: () => noting(agent) })
  await world.addSite('site-1', 'drill://')
  await world.until('s1 ready', () => JSON.stringify(world.members.get('s1')!.running.describe().machines['agent']).includes('watch'))
  const groups: string[] = []
  for (let index = 0; index < 4; index++) groups.push(await world.openGroup('here-1', Array.from({ length: 4 }, () => job), 100))
  await world.until('something in the queue of s2', () => groups.some((group) => world.events.some(({ id, type, data }) => id === group && type === 'JobsAssigned' && JSON.stringify(data).includes('"s2"'))))
  await world.until('all groups completed', () => groups.every((group) => world.view.state.group(group)?.phase === 'completed'), 60_000)
  expect(new Set(calls.map(({ agent }) => agent))).toEqual(new Set(['s1']))
})
