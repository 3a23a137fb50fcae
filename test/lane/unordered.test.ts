/** A lane's holder and groups without order: many locks in one turn, to several executors, each of them known by itself. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { absentGroup } from '../../machines/execution-group/state.ts'
import { Schedule } from '../../src/lane/schedule.ts'
import { type Opening, assigned, blocked, failed, granted, paused, readyWith, resumed, retried, returned, spec, succeeded, unblocked } from '../support/group-events.ts'
import { Stage, type WorkTaken, jobsOf, successesOf } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await Stage.heldBy('a')
})
afterEach(() => stage.end())

/** Its jobs in the queues of `shares`, so many each. */
function openFor(shares: readonly (readonly [agent: string, jobs: number])[], window = 1): Promise<string> {
  let jobs = 0
  const assignments = shares.map(([agent, count]) => ({ first: jobs + 1, last: (jobs += count), agent }))
  return stage.open([jobsOf(jobs)], assignments, { order: 'none', window })
}

const numbers = ({ grants }: WorkTaken) => grants.map(({ jobs }) => jobs.map(({ job }) => job))
const lastEvents = async () => (await stage.turns()).at(-1)!.turn.commits.flatMap(({ events }) => events.map(({ type }) => type))

test('as many locks as an executor has room for, in one turn; its outcomes and the next locks are one turn too', async () => {
  await openFor([['e', 6], ['f', 3]])
  const mine = await stage.told('e', { capacity: 4 })
  expect(numbers(mine)).toEqual([[1], [2], [3], [4]])
  expect(mine.grants.every(({ unordered }) => unordered)).toBe(true)
  expect(await lastEvents()).toEqual(['LockGranted', 'LockGranted', 'LockGranted', 'LockGranted'])
  expect(numbers(await stage.told('f', { capacity: 9 }))).toEqual([[7], [8], [9]])
  const next = await stage.told('e', { capacity: 4, outcomes: successesOf(mine).slice(1), held: [mine.grants[0]!] })
  expect(numbers(next)).toEqual([[5], [6]])
  expect(await lastEvents()).toEqual(['JobSucceeded', 'JobSucceeded', 'JobSucceeded', 'LockGranted', 'LockGranted'])
})

test('P6: each lock that an executor lacks is sent again, each that it holds without right is stopped, the others stay', async () => {
  const group = await openFor([['e', 3]])
  const { grants } = await stage.told('e', { capacity: 3 })
  const ref = (index: number) => ({ group, grant: grants[index]!.grant })
  expect((await stage.told('e', { capacity: 3, held: [ref(0), ref(1)] })).grants).toEqual([grants[2]])
  const again = await stage.told('e', { capacity: 3, held: [ref(0), ref(1), { group, grant: 3 }], outcomes: successesOf({ grants: [grants[2]!] }) })
  expect(again.stops).toEqual([{ group, grant: 3 }])
  expect(again.grants).toEqual([])
  expect((await stage.told('e', { capacity: 0, held: [ref(0), ref(1), ref(2)], stopped: [ref(1)] })).stops).toEqual([ref(1), ref(2)])
})

test('two groups take turns at one executor; what has an order does not wait for the end of what has none', async () => {
  const many = await openFor([['e', 5]])
  const strict = await stage.openFor('e', 2)
  const { grants } = await stage.told('e', { capacity: 4 })
  expect(grants.map(({ group }) => group)).toEqual([many, strict, many, many])
  const other = await openFor([['e', 5]])
  const more = await stage.told('e', { capacity: 8, held: grants })
  expect(more.grants.map(({ group }) => group)).toEqual([many, other, many, other])
})

test('what one executor hands back is not granted to it again in the same turn; another one gets what is its', async () => {
  const group = await openFor([['e', 2], ['f', 2]])
  const mine = await stage.told('e', { capacity: 2 })
  await stage.told('f', { capacity: 0 })
  const handing = stage.ask('work', stage.work('e', { capacity: 2, held: [mine.grants[1]!], stopped: [{ group, grant: mine.grants[0]!.grant }] }))
  const asking = stage.ask('work', stage.work('f', { capacity: 2 }))
  await stage.drive(Promise.all([handing.ended, asking.ended]))
  expect(numbers(handing.heard.at(-1) as WorkTaken)).toEqual([])
  expect(numbers(asking.heard.at(-1) as WorkTaken)).toEqual([[3], [4]])
  expect(numbers(await stage.told('e', { capacity: 2, held: [mine.grants[1]!] }))).toEqual([[1]])
})

test('a window is one lock; of a paused group what comes after the job that runs is given back, lock by lock', async () => {
  const group = await openFor([['e', 7]], 3)
  const { grants } = await stage.told('e', { capacity: 2 })
  expect(grants.map(({ jobs }) => jobs.map(({ job }) => job))).toEqual([[1, 2, 3], [4, 5, 6]])
  await stage.command(group, { kind: 'pause' })
  const { yields } = await stage.told('e', { capacity: 2, held: grants.map(({ grant }) => ({ group, grant })) })
  expect(yields).toEqual(grants.map(({ grant }) => ({ group, grant })))
})

test('one expired lock of many is granted anew, to another; a retry says which chain it is of', async () => {
  const group = await openFor([['e', 2]])
  const { grants } = await stage.told('e', { capacity: 2 })
  stage.state.leader = { agent: 'l', instance: 'l-1', epoch: 3 } as never
  const { heard, ended } = stage.ask('command', { ...stage.request(group, { kind: 'expire', grant: grants[0]!.grant }), epoch: 3 })
  await stage.drive(ended)
  expect(heard.at(-1)?.kind).toBe('done')
  expect(numbers(await stage.told('e', { capacity: 0, held: grants }))).toEqual([])
  const again = await stage.told('e', { capacity: 2, held: [grants[1]!] })
  expect(numbers(again)).toEqual([[1]])
  await stage.told('e', { capacity: 0, held: [grants[1]!], outcomes: [{ group, grant: again.grants[0]!.grant, job: 1, outcome: { kind: 'failed', reason: { code: 'no', text: 'no' } } }] })
  await stage.command(group, { kind: 'retry' })
  expect((await stage.told('e', { capacity: 2, held: [grants[1]!] })).grants[0]!.jobs).toMatchObject([{ job: 3, chain: 1 }])
})

test('by name: the next job of the group in its queue, as long as there is one', async () => {
  const group = await openFor([['e', 2]])
  const asked = await stage.told('e', { byName: true })
  expect(asked.queue).toEqual([{ group, job: 1 }])
  const first = await stage.told('e', { byName: true, asks: asked.queue![0]! })
  expect(numbers(first)).toEqual([[1]])
  expect(first.queue).toEqual([{ group, job: 2 }])
  expect((await stage.told('e', { byName: true, held: first.grants, asks: { group, job: 1 } })).refused).toMatchObject({ code: 'too-early' })
})

/** The steps of a plain schedule, followed by events, and made anew from the state: both say the same. */
test('what is followed event by event is what the state says', () => {
  const state = absentGroup('east-1-G')
  const schedule = new Schedule()
  const then = (...events: GroupEvent[]) => {
    for (const event of events) foldInto(state, event)
    expect(state.fault).toBeNull()
    schedule.update(state, events)
    const anew = new Schedule()
    anew.update(state)
    const say = (one: Schedule) => ['a1', 'a2'].map((agent) => ({ open: [...one.unorderedGrantsOf(`${agent}-i`)], waits: [...one.runnableFor(agent)], queued: one.queued(agent), room: one.room(one.heard(agent, `${agent}-i`, 9, 0)) }))
    expect(say(schedule)).toEqual(say(anew))
    return say(schedule)
  }
  const opening: Opening = { order: 'none' }
  then(...readyWith(opening, [spec, spec, spec, spec]).slice(0, 3))
  then(assigned({ first: 1, last: 2, agent: 'a1' }, { first: 3, last: 4, agent: 'a2' }))
  then(granted([[1, 1]]))
  expect(then(granted([[2, 2]])).map(({ waits }) => waits)).toEqual([[], ['east-1-G']])
  then(granted([[3, 3]], 'a2'), granted([[4, 4]], 'a2'))
  then(succeeded(2, 6))
  expect(then(returned(5, 'lost')).map(({ waits }) => waits)).toEqual([['east-1-G'], []])
  then(succeeded(1, 5))
  then(failed(3, 7), blocked(3))
  then(retried(5, 3), unblocked)
  then(paused)
  then(resumed)
  then(granted([[5, 5]], 'a2'))
  then(succeeded(4, 8))
  expect(then(succeeded(5, 18), { type: 'GroupCompleted', data: {} }).map(({ open, queued }) => [open, queued])).toEqual([[[], 0], [[], 0]])
})

test('10,000 jobs cost what their number says, not its square', () => {
  const jobs = 10_000
  const state = absentGroup('east-1-G')
  const schedule = new Schedule()
  const apply = (...events: GroupEvent[]) => {
    for (const event of events) foldInto(state, event)
    schedule.update(state, events)
  }
  for (const event of readyWith({ order: 'none' }, Array.from({ length: jobs }, () => spec))) apply(event)
  // Arrays that are read as a whole for each job would be read 10,000 times.
  let reads = 0
  const { phases } = state.unordered!
  state.unordered!.phases = new Proxy(phases, {
    get(target, key) {
      reads += 1
      return Reflect.get(target, key) as unknown
    },
  })
  const tokens: number[] = []
  for (let job = 1; job <= jobs; job++) {
    apply(granted([[job, job]]))
    tokens.push(state.revision)
    if (job > 64) apply(succeeded(job - 64, tokens[job - 65]!))
  }
  expect(state.fault).toBeNull()
  expect(reads).toBeLessThan(20 * jobs)
})
