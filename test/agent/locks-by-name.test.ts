/** Locks asked for by name (claim 9): refused when too early, and then the agent tries the next job of its own queue. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { LaneLink } from '../../src/executor/lane-link.ts'
import type { GrantMessage, QueuedJob, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { World } from './world.ts'

const plain: JobSpec = { site: 'site-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
const needs = (name: string): JobSpec => ({ ...plain, skill: { name, need: 'required' } })

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

it('an executor asks for the next job of each group in its queue, and goes on to the next one where it is too early', async () => {
  const asked: WorkRequest[] = []
  const queue: QueuedJob[] = [{ group: 'g1', job: 2 }, { group: 'g2', job: 7 }, { group: 'g3', job: 1 }]
  const held: { group: string; grant: number }[] = []
  const grantOf = ({ group, job }: QueuedJob): GrantMessage => ({ group, grant: 9, agent: 'x', instance: 'x-1', incarnation: 1, callDeadlineMs: 1_000, jobs: [{ job, spec: plain }] })
  const link = new LaneLink({
    lane: 'here-1', agent: 'x', clock: world.clock, client: { work: async () => ({ kind: 'no-answer', why: 'timeout' }) } as never, incarnation: 1,
    instance: () => 'x-1', formerInstances: () => [], capacity: () => 2, held: () => [...held], byName: true, onSettled() {},
    onGrants: ({ grants }) => held.push(...grants.map(({ group, grant }) => ({ group, grant }))),
    workHere: async (_lane, request): Promise<WorkAnswer> => {
      asked.push(request)
      const refused = request.asks?.group === 'g1' ? { refused: { code: 'too-early', text: 'job 2 waits for job 1' } } : {}
      const grants = request.asks === undefined || request.asks.group === 'g1' ? [] : [grantOf(request.asks)]
      return { kind: 'taken', number: 1, queued: 3, grants, stops: [], queue, ...refused }
    },
  })
  await world.pass(500)
  // No credit is offered; the first exchange asks for nothing, and learns what lies in the queue.
  expect(asked.map(({ capacity }) => capacity)).toEqual([0, 0, 0, 0])
  expect(asked.map(({ asks }) => asks)).toEqual([undefined, ...queue])
  // Two are held, as many as it takes: nothing more is asked for until one of them has ended.
  await world.pass(1_000)
  expect(asked.at(-1)!.asks).toBeUndefined()
  held.shift()
  link.report([{ group: 'g2', grant: 9, job: 7, outcome: { kind: 'succeeded' } }])
  await world.pass(100)
  expect(asked.slice(-3).map(({ asks }) => asks)).toEqual([undefined, queue[0], queue[1]])
  link.close()
})

it('agents that ask by name carry out groups in order; one whose job is too early does another group meanwhile', async () => {
  for (const agent of ['a', 'b']) world.start(agent)
  for (const agent of ['s', 't']) world.start(agent, { role: 'skilled', skills: [agent], locks: 'name' })
  await world.addSite('site-1', 'drill://')
  await world.until('all lanes held', () => [...world.view.state.lanes.values()].filter(({ holder }) => holder !== null).length === 4)
  // The first job of this group waits for a skill that nobody has yet.
  const early = await world.openGroup('here-1', [needs('rare'), needs('s'), needs('t'), needs('s')])
  await world.until('its queues', () => (world.view.state.group(early)?.assignments.length ?? 0) > 0)
  const other = await world.openGroup('here-1', [needs('s'), needs('t'), needs('s')])
  await world.until('the other group completed', () => world.view.state.group(other)?.phase === 'completed')
  expect(world.executors(other)).toEqual(['s', 't', 's'])
  expect(world.executors(early)).toEqual([])
  world.start('r', { role: 'skilled', skills: ['rare'], locks: 'name' })
  await world.until('the group completed', () => world.view.state.group(early)?.phase === 'completed')
  expect(world.executors(early)).toEqual(['r', 's', 't', 's'])
})
