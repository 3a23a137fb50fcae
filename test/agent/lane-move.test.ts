/** A lane moves gracefully (P1): under load, with nothing lost, doubled or out of order, and without a pause that its groups could notice. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type PlanChange, configureAgent } from '../../machines/agent/decide.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { checkRun } from '../checkers/all.ts'
import type { ReadLog } from '../checkers/read.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

/** Each way between an agent and the log, virtual time. */
const logMs = 5
const jobs = 400

async function plan(agent: string, change: PlanChange): Promise<void> {
  await world.drive(
    writeAggregate<AgentState, AgentEvent>(
      { log: world.observer.log, clock: world.clock, random: world.dice },
      { subject: world.subjects.aggregate('agent', agent), aggregate: 'agent', id: agent, empty: absentAgent(agent), fold: foldAgent, decide: (state) => configureAgent(state, change), actor: 'person:test' },
    ),
  )
}

interface Move {
  /** Turns of the lane from the one before `LaneReleased` to the one that goes on with its groups. */
  readonly turns: number
  readonly ms: number
}

/** Every graceful change of holder in the middle of the group's work. */
function movesOf(log: ReadLog, lane: string): Move[] {
  const turns = log.turns.filter((stored) => stored.lane === lane)
  const works = (index: number) => turns[index]!.turn.commits.some((commit) => commit.aggregate === 'group')
  const moves: Move[] = []
  turns.forEach(({ turn }, released) => {
    if (!turn.commits.some(({ events }) => events.some((event) => event.type === 'LaneReleased'))) return
    let before = released
    while (before > 0 && !works(before)) before -= 1
    let after = released + 1
    while (after < turns.length && !works(after)) after += 1
    if (after === turns.length || before === 0) return
    // A turn in which a holder lets go may hold work besides.
    moves.push({ turns: after - before, ms: turns[after]!.message.storedMs - turns[before]!.message.storedMs })
  })
  return moves
}

it('under load: one release and one taking, the next turn goes on with the work; nobody is given a job twice', async () => {
  world.logDelayMs = logMs
  for (const agent of ['a', 'b', 'c', 'd']) world.start(agent)
  await world.addSite('site-1', 'drill://')
  const held = () => world.view.state.realm.lanes.length > 0 && world.view.state.realm.lanes.every(({ lane }) => world.view.state.lanes.get(lane)?.phase === 'held')
  await world.until('all lanes held', held)
  // Until the last agent has come, lanes are balanced among those that are there.
  await world.pass(10_000)
  const lane = 'here-1'
  const spec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true } as const
  const group = await world.openGroup(lane, Array.from({ length: jobs }, () => spec))
  const position = () => world.view.state.group(group)!.position
  await world.until('at work', () => position() > 20)
  const holder = () => world.view.state.lanes.get(lane)!.holder!.agent
  const holders = [holder()]
  for (const at of [60, 140, 220]) {
    await world.until('further on', () => position() > at)
    const former = holder()
    await plan(former, { holdsLanes: false })
    await world.until('it moved', () => world.view.state.lanes.get(lane)!.holder !== null && holder() !== former)
    holders.push(holder())
    await plan(former, { holdsLanes: null })
    expect(world.view.state.group(group)?.phase).toBe('running')
  }
  await world.until('the group completed', () => world.view.state.group(group)?.phase === 'completed')
  const log = await world.wholeLog()
  expect(checkRun(log, { ended: true })).toEqual([])
  const events = world.events.filter(({ id }) => id === group)
  const count = (type: string) => events.filter((event) => event.type === type).length
  expect([count('JobSucceeded'), count('LockGranted'), count('LockReturned')]).toEqual([jobs, jobs, 0])
  const moves = movesOf(log, lane)
  expect(moves.length).toBeGreaterThanOrEqual(holders.length - 1)
  for (const { turns, ms } of moves) {
    // Work, release, taking, work: no turn more.
    expect(turns).toBeLessThanOrEqual(3)
    // Three appends one after the other, and room for one way more.
    expect(ms).toBeLessThanOrEqual(4 * 2 * logMs)
  }
})

it('an agent that could not read to whom a lane is mapped looks again by itself: its connection is there, and nothing else would tell it', async () => {
  world.start('a')
  const heldBy = (agent: string) => [...world.view.state.lanes.values()].filter(({ holder }) => holder?.agent === agent).length
  await world.until('all lanes held', () => world.view.state.realm.lanes.length > 0 && heldBy('a') === world.view.state.realm.lanes.length)
  world.start('b')
  let isReadable = false
  world.faults.bucketRead = ({ client, bucket }) => (client === world.clientOf('b') && bucket === world.subjects.bucketName('mappings') && !isReadable ? { lose: true } : undefined)
  await world.pass(3_000)
  expect(heldBy('b')).toBe(0)
  isReadable = true
  // The reading that is under way is waited for, and one more.
  await world.until('all lanes at who follows', () => heldBy('b') === world.view.state.realm.lanes.length, 6_000)
})
