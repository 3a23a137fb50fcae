/** What a lane's holder says, to whom, and when (P3, P5, P9, P10): lane hosts on a realm in memory, in virtual time. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { laneClient } from '../../src/lane/client.ts'
import { digestOf, encodeTurn } from '../../streams/codec.ts'
import { fromBytes } from '../../streams/coordination.ts'
import type { FeedMessage } from '../../streams/feed.ts'
import { Stage, lane, subjects, jobsOf } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = new Stage()
  await stage.found()
})
afterEach(() => stage.end())

/** Every append takes so long to the server, and its acknowledgement so long back, milliseconds. */
function slowLog(requestMs: number, answerMs: number): void {
  stage.faults.append = () => ({ requestMs, answerMs })
}

describe('P3: yes only when durable', () => {
  test('"done", and "known already" to a repeat, leave when the turn is acknowledged, not when it is stored', async () => {
    await stage.hold('a')
    slowLog(10, 50)
    const [group, command] = [stage.newGroup(), stage.newCommand()]
    const first = stage.ask('command', stage.request(group, stage.openBody(1), command))
    await stage.pass(5)
    const again = stage.ask('command', stage.request(group, stage.openBody(1), command))
    await stage.pass(25)
    const stored = (await stage.turns()).at(-1)!
    expect(stored.turn.commits[0]!.events[0]!.type).toBe('GroupOpened')
    expect([first.heard, again.heard]).toEqual([[], []])
    await stage.drive(Promise.all([first.ended, again.ended]))
    expect(first.heard).toMatchObject([{ kind: 'done', position: stored.message.position }])
    expect(again.heard).toMatchObject([{ kind: 'done', known: true, revision: (first.heard[0] as { readonly revision: number }).revision }])
  })

  test('a grant and the word that an outcome is settled leave with the turn that holds them', async () => {
    await stage.hold('a')
    const group = await stage.openFor('e', 2)
    const asks = stage.ask('work', stage.work('e', { capacity: 1 }))
    await stage.drive(asks.ended)
    const [taken] = asks.heard
    const grant = taken?.kind === 'taken' ? taken.grants[0]!.grant : 0
    expect(grant).toBeGreaterThan(0)
    slowLog(10, 50)
    const said = stage.ask('work', stage.work('e', { capacity: 1, outcomes: [{ group, grant, job: 1, outcome: { kind: 'succeeded' } }] }))
    await stage.pass(30)
    expect((await stage.turns()).at(-1)!.turn.commits.flatMap(({ events }) => events.map(({ type }) => type))).toEqual(['JobSucceeded', 'LockGranted'])
    expect(said.heard).toEqual([])
    await stage.drive(said.ended)
    expect(said.heard).toMatchObject([{ kind: 'taken', grants: [{ group, jobs: [{ job: 2 }] }] }])
  })

  test('what another has overtaken is never said to be done', async () => {
    await stage.hold('a')
    const last = (await stage.turns()).at(-1)!
    const overtaking = { ...last.turn, turn: stage.newCommand(), number: last.turn.number + 1, previous: digestOf(last.message.bytes), commits: [] }
    await stage.drive(stage.asker.log.append({ subject: subjects.lane(lane), bytes: encodeTurn(overtaking), expectedLast: last.message.position }))
    const asked = stage.ask('command', stage.request(stage.newGroup(), stage.openBody(1)))
    await stage.drive(asked.ended)
    expect(asked.heard).toEqual([{ kind: 'not-the-holder' }])
  })
})

describe('P5: a request names the turn that it builds on', () => {
  test('a holder that is behind it answers "not the holder"; of the turn that it knows it answers', async () => {
    await stage.hold('a')
    const { number } = await stage.command(stage.newGroup(), stage.openBody(1))
    const builtOn = (incarnation: number, on: number) => stage.ask('work', stage.work('e', { builtOn: { incarnation, number: on } }))
    const cases = [builtOn(1, number), builtOn(1, number + 1), builtOn(2, 1)]
    await stage.drive(Promise.all(cases.map(({ ended }) => ended)))
    expect(cases.map(({ heard }) => heard.map(({ kind }) => kind))).toEqual([['taken'], ['not-the-holder'], ['not-the-holder']])
  })

  test('one that was replaced and does not know it is passed over: the asker goes on waiting for who holds the lane', async () => {
    const former = await stage.hold('a')
    stage.realm.setReach('a', 'silent')
    await stage.hold('b')
    const group = stage.newGroup()
    const { number } = await stage.command(group, stage.openBody(1))
    stage.realm.setReach('a', 'connected')
    // The former one is the faster.
    stage.faults.message = ({ from, answer }) => (from === 'b' && answer ? [50] : [0])
    expect(former.held).toContain(lane)
    const request = stage.work('e', { builtOn: { incarnation: 1, number } })
    const all = stage.ask('work', request)
    await stage.drive(all.ended)
    expect(all.heard.map(({ kind }) => kind)).toEqual(['not-the-holder', 'taken'])
    const told = await stage.drive(laneClient({ bus: stage.asker.bus, subjects }).work(lane, request))
    expect(told).toMatchObject({ kind: 'taken' })
    expect((told as { readonly number: number }).number).toBeGreaterThanOrEqual(number)
  })
})

test.each(['strict', 'none'] as const)('P17: what a former instance of an executor was granted, and it has not heard of, is said to it, and what it gives back is granted anew at once (order %s)', async (order) => {
  await stage.hold('a')
  const group = await stage.open([jobsOf(1)], [{ first: 1, last: 1, agent: 'e' }], { order })
  const { grants } = await stage.told('e', { capacity: 1 })
  const [grant] = grants
  const ref = { group, grant: grant!.grant }
  // Another process of the agent: it cannot know whether a call of it runs (I9).
  expect((await stage.told('e', { instance: 'e-2', capacity: 1 })).grants).toEqual([])
  expect((await stage.told('e', { instance: 'e-2', former: ['e-0', 'e-1'], held: [ref] })).grants).toEqual([])
  expect((await stage.told('e', { instance: 'e-2', former: ['e-0', 'e-1'] })).grants).toEqual([grant])
  await stage.told('e', { instance: 'e-2', former: ['e-0', 'e-1'], stopped: [ref] })
  expect((await stage.told('e', { instance: 'e-2', former: ['e-0', 'e-1'], capacity: 1 })).grants).toMatchObject([{ group, instance: 'e-2', jobs: [{ job: 1 }] }])
})

test.each(['strict', 'none'] as const)('P6: the open grant of a group whose log breaks a rule is not said over and over (order %s)', async (order) => {
  await stage.hold('a')
  const group = await stage.open([jobsOf(2)], [{ first: 1, last: 2, agent: 'e' }], { order })
  const { grants } = await stage.told('e', { capacity: 1 })
  expect((await stage.told('e')).grants).toEqual(grants)
  const last = (await stage.turns()).at(-1)!
  const revision = (await stage.turns()).flatMap(({ turn }) => turn.commits).filter(({ id }) => id === group).reduce((sum, { events }) => sum + events.length, 1)
  const broken = { ...last.turn, turn: stage.newCommand(), number: last.turn.number + 1, previous: digestOf(last.message.bytes), commits: [{ aggregate: 'group', id: group, revision, actor: 'agent:a', events: [{ type: 'GroupSealed', data: {} }] }] }
  await stage.drive(stage.asker.log.append({ subject: subjects.lane(lane), bytes: encodeTurn(broken), expectedLast: last.message.position }))
  const holder = await stage.hold('b')
  expect(holder.stateOf(lane)!.groups.get(group)!.phase).toBe('faulted')
  expect((await stage.told('e')).grants).toEqual([])
  expect((await stage.told('e', { instance: 'e-2', former: ['e-1'] })).grants).toEqual([])
})

test("P9: a new holder says the lane's last 100 turns again, in order: what the former one left unsaid is heard, and that the lane was taken", async () => {
  await stage.hold('a')
  // Nothing of it reaches anybody.
  stage.faults.message = ({ from, subject }) => (from === 'a' && subject.startsWith('reeve.feed.') ? [] : [0])
  const heard: number[] = []
  stage.asker.bus.subscribe(subjects.allFeeds, ({ data }) => void heard.push(fromBytes<FeedMessage>(data).position))
  for (let groups = 0; groups < 120; groups++) await stage.command(stage.newGroup(), stage.openBody(1))
  expect(heard).toEqual([])
  stage.realm.setReach('a', 'silent')
  await stage.hold('b')
  await stage.until('the feed', () => heard.length >= 100)
  const all = (await stage.turns()).map(({ turn, message }) => ({ position: message.position, type: turn.commits[0]?.events[0]?.type }))
  // Its own LaneTaken is the last of them.
  expect(all.at(-1)!.type).toBe('LaneTaken')
  expect(heard).toEqual(all.slice(-100).map(({ position }) => position))
})

test('who lets a lane go says first what it has held back of the feed: nothing of it comes behind what the next holder says', async () => {
  await stage.hold('a')
  const heard: number[] = []
  stage.asker.bus.subscribe(subjects.allFeeds, ({ data }) => void heard.push(fromBytes<FeedMessage>(data).position))
  const job: JobSpec = { site: 'site-1', service: 's1', operation: { name: 'rehearse' }, repeatable: true }
  const parts = Array.from({ length: 8 }, () => Array.from({ length: 100 }, () => job))
  await stage.open(parts, [{ first: 1, last: 800, agent: 'e' }])
  const heldBack = (await stage.turns()).slice(-3).map(({ message }) => message.position)
  expect(heard.filter((position) => heldBack.includes(position))).toEqual([])
  await stage.hold('b')
  await stage.pass(1_000)
  const all = (await stage.turns()).map(({ turn, message }) => ({ position: message.position, type: turn.commits[0]?.events[0]?.type }))
  const taken = all.findLast(({ type }) => type === 'LaneTaken')!.position
  expect(heard).toEqual(expect.arrayContaining([...heldBack, taken]))
  expect(heard.slice(heard.indexOf(taken)).filter((position) => position < taken)).toEqual([])
})

describe('P10: one list', () => {
  test('of one asker and one lane the later list takes the place of the one that waits', async () => {
    await stage.hold('a')
    await stage.openFor('e')
    slowLog(0, 50)
    const inFlight = stage.ask('command', stage.request(stage.newGroup(), stage.openBody(1)))
    await stage.pass(10)
    const [first, later, other] = [stage.ask('work', stage.work('e')), stage.ask('work', stage.work('e', { capacity: 1 })), stage.ask('work', stage.work('f'))]
    await stage.drive(Promise.all([inFlight.ended, later.ended, other.ended]))
    expect(later.heard).toMatchObject([{ kind: 'taken', grants: [{ jobs: [{ job: 1 }] }] }])
    expect(other.heard).toMatchObject([{ kind: 'taken' }])
    expect((await stage.drive(first.ended)).kind).toBe('timeout')
    expect(first.heard).toEqual([])
  })

  test('the order inside a turn: outcomes and expiries, pause and cancel, other commands, locks, whatever came first', async () => {
    await stage.hold('a')
    const [ending, asked, halted, ranked] = [await stage.openFor('e'), await stage.openFor('f'), await stage.openFor('g'), await stage.openFor('h')]
    const granted = stage.ask('work', stage.work('e', { capacity: 1 }))
    await stage.drive(granted.ended)
    const [taken] = granted.heard
    const grant = taken?.kind === 'taken' ? taken.grants[0]!.grant : 0
    const before = (await stage.turns()).length
    slowLog(0, 50)
    const inFlight = stage.ask('command', stage.request(stage.newGroup(), stage.openBody(1)))
    await stage.pass(10)
    // Gathered for the next turn, in the opposite order.
    const gathered = [
      stage.ask('work', stage.work('f', { capacity: 1 })),
      stage.ask('command', stage.request(ranked, { kind: 'prioritize', priority: 5 })),
      stage.ask('command', stage.request(halted, { kind: 'pause' })),
      stage.ask('work', stage.work('e', { outcomes: [{ group: ending, grant, job: 1, outcome: { kind: 'succeeded' } }] })),
    ]
    await stage.drive(Promise.all([inFlight, ...gathered].map(({ ended }) => ended)))
    const turns = (await stage.turns()).slice(before)
    expect(turns.map(({ turn }) => turn.commits.flatMap(({ id, events }) => events.map(({ type }) => [type, id])))).toEqual([
      [['GroupOpened', expect.any(String)]],
      [['JobSucceeded', ending], ['GroupCompleted', ending], ['GroupPaused', halted], ['GroupPrioritized', ranked], ['LockGranted', asked]],
    ])
  })
})
