/** P10: what comes first in a turn, and that a pause that waits goes into the next one. */
import { expect, test } from 'vitest'
import { emptyLane, foldCommit } from '../../machines/lane/state.ts'
import { defaultConstants } from '../../machines/realm/realm.ts'
import { Schedule } from '../../src/lane/schedule.ts'
import { TurnBuilder } from '../../src/lane/turn-builder.ts'
import { inTurnOrder } from '../../src/lane/turn-order.ts'
import { encodeTurn } from '../../streams/codec.ts'
import type { LaneCommand, LaneCommandBody } from '../../streams/lane-protocol.ts'
import { granted, readyWith, spec } from '../support/group-events.ts'

const command = (body: LaneCommandBody, group = 'here-1-x'): { readonly command: LaneCommand } => ({
  command: { builtOn: { incarnation: 1, number: 0 }, group, actor: 'person:p', body },
})

test('expiries, then pauses and cancels as they came, then the others as they came', () => {
  const waiting = [command({ kind: 'retry' }), command({ kind: 'cancel' }), command({ kind: 'resume' }), command({ kind: 'pause' }), command({ kind: 'expire', grant: 5 })]
  expect(inTurnOrder(waiting).map(({ command: { body } }) => body.kind)).toEqual(['expire', 'cancel', 'pause', 'retry', 'resume'])
})

/** More outcomes than a turn holds, and how many of them went into one beside so many urgent commands. */
function outcomesBeside(urgent: number) {
  const lane = emptyLane('here-1')
  const schedule = new Schedule()
  const ids = Array.from({ length: 1_200 }, (_, index) => `here-1-${String(index).padStart(26, '0')}`)
  for (const id of ids) {
    foldCommit(lane, { aggregate: 'group', id, revision: 1, events: [...readyWith({ jobs: 2 }, [spec, spec]), granted([[1, 1]])] }, { incarnation: 1, timeMs: 1 })
    expect(lane.groups.get(id)!.grant!.revision).toBe(5)
    schedule.update(lane.groups.get(id)!)
  }
  const builder = new TurnBuilder({ lane, schedule, constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 })
  builder.reserve(urgent)
  const outcomes = ids.map((group) => ({ group, grant: 5, job: 1, outcome: { kind: 'succeeded' as const } }))
  const taken = builder.takeWork({ builtOn: { incarnation: 1, number: 0 }, agent: 'a1', instance: 'a1-i', capacity: 64, held: [], outcomes, stopped: [] }, 0)
  return { builder, lane, ids, taken, most: outcomes.length }
}

test('outcomes fill a turn where nothing urgent waits', () => {
  const { builder, taken, most } = outcomesBeside(0)
  expect(taken).toBeLessThan(most)
  expect(builder.full).toBe(true)
})

test('outcomes leave room for the pauses that wait, and go on in the next turn', () => {
  const { builder, lane, ids, taken } = outcomesBeside(20)
  expect(taken).toBeGreaterThan(100)
  for (const id of ids.slice(-20)) {
    expect(builder.full).toBe(false)
    builder.command(command({ kind: 'pause' }, id).command)
    expect(lane.groups.get(id)!.phase).toBe('paused')
  }
  expect(outcomesBeside(4_096).taken).toBeGreaterThan(100)
})

test('what an executor hands back is not granted to it in the same turn, in which the leader could not assign it to another; in the next one it is', () => {
  const lane = emptyLane('here-1')
  const schedule = new Schedule()
  const id = `here-1-${'0'.repeat(26)}`
  foldCommit(lane, { aggregate: 'group', id, revision: 1, events: [...readyWith({ jobs: 2 }, [spec, spec]), granted([[1, 1]])] }, { incarnation: 1, timeMs: 1 })
  const group = lane.groups.get(id)!
  schedule.update(group)
  schedule.heard('a1', group.grant!.instance, 64, 0)
  const turn = (stopped: readonly { readonly group: string; readonly grant: number }[]) => {
    const builder = new TurnBuilder({ lane, schedule, constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 })
    builder.takeWork({ builtOn: { incarnation: 1, number: 0 }, agent: 'a1', instance: 'a1-i', capacity: 64, held: [], outcomes: [], stopped }, 0)
    builder.grantLocks(0, new Set())
    return builder.commits.flatMap(({ events }) => events.map(({ type }) => type))
  }
  expect(turn([{ group: id, grant: 5 }])).toEqual(['LockReturned'])
  expect(turn([])).toEqual(['LockGranted'])
})

test('what is handed back fills a turn before it is larger than one may be, and goes on in the next (P16)', () => {
  const lane = emptyLane('here-1')
  const schedule = new Schedule()
  const ids = Array.from({ length: 2_500 }, (_, index) => `here-1-${String(index).padStart(26, '0')}`)
  for (const id of ids) foldCommit(lane, { aggregate: 'group', id, revision: 1, events: [...readyWith({ jobs: 2 }, [spec, spec]), granted([[1, 1]])] }, { incarnation: 1, timeMs: 1 })
  const work = { builtOn: { incarnation: 1, number: 0 }, agent: 'a1', instance: 'a1-i', capacity: 0, held: [], outcomes: [], stopped: ids.map((group) => ({ group, grant: 5 })) }
  let taken = 0
  for (let turns = 0; taken < ids.length; turns++) {
    expect(turns).toBeLessThan(10)
    const builder = new TurnBuilder({ lane, schedule, constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 })
    const before = taken
    taken = builder.takeWork(work, taken)
    expect(builder.commits.map(({ id }) => id)).toEqual(ids.slice(before, taken))
    expect(() => encodeTurn({ turn: '0'.repeat(26), schema: 1, incarnation: 1, number: 1, timeMs: 2, previous: '0'.repeat(64), commits: builder.commits })).not.toThrow()
  }
  expect(ids.every((id) => lane.groups.get(id)!.grant === null)).toBe(true)
})

test('a list that takes several turns is taken in its order: what was done under a lock that is given back is on record before that', () => {
  const lane = emptyLane('here-1')
  const schedule = new Schedule()
  const ids = Array.from({ length: 2_500 }, (_, index) => `here-1-${String(index).padStart(26, '0')}`)
  for (const id of ids) {
    foldCommit(lane, { aggregate: 'group', id, revision: 1, events: [...readyWith({ jobs: 3, window: 3 }, [spec, spec, spec]), granted([[1, 3]])] }, { incarnation: 1, timeMs: 1 })
    schedule.update(lane.groups.get(id)!)
  }
  const outcomes = [1, 2].flatMap((job) => ids.map((group) => ({ group, grant: 5, job, outcome: { kind: 'succeeded' as const } })))
  const work = { builtOn: { incarnation: 1, number: 0 }, agent: 'a1', instance: 'a1-i', capacity: 0, held: [], outcomes, stopped: ids.map((group) => ({ group, grant: 5 })) }
  let taken = 0
  let turns = 0
  for (; taken < outcomes.length + ids.length; turns++) {
    expect(turns).toBeLessThan(50)
    taken = new TurnBuilder({ lane, schedule, constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 }).takeWork(work, taken)
    expect(ids.filter((id) => lane.groups.get(id)!.grant === null && lane.groups.get(id)!.position < 2)).toEqual([])
  }
  expect(turns).toBeGreaterThan(1)
  expect(ids.every((id) => lane.groups.get(id)!.grant === null && lane.groups.get(id)!.position === 2)).toBe(true)
})

test('who has said something that is not taken yet is granted nothing: its list would seem to lack it, and it would be sent twice', () => {
  const lane = emptyLane('here-1')
  const schedule = new Schedule()
  const id = `here-1-${'0'.repeat(26)}`
  foldCommit(lane, { aggregate: 'group', id, revision: 1, events: readyWith({ jobs: 2 }, [spec, spec]) }, { incarnation: 1, timeMs: 1 })
  schedule.update(lane.groups.get(id)!)
  schedule.heard('a1', 'a1-i', 64, 0)
  const grants = (waiting: readonly string[]) => {
    const builder = new TurnBuilder({ lane, schedule, constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 })
    builder.grantLocks(0, new Set(waiting))
    return builder.commits.length
  }
  expect(grants(['a1'])).toBe(0)
  expect(grants(['a2'])).toBe(1)
})

test('commands with the longest names that a lane takes fill a turn before it is larger than one may be (P16)', () => {
  const lane = emptyLane('here-1')
  const id = `here-1-${'0'.repeat(26)}`
  foldCommit(lane, { aggregate: 'group', id, revision: 1, events: readyWith({ jobs: 2 }, [spec, spec]) }, { incarnation: 1, timeMs: 1 })
  for (const longest of ['x'.repeat(400), '\u0001'.repeat(400)]) {
    const builder = new TurnBuilder({ lane, schedule: new Schedule(), constants: defaultConstants, realm: { format: 2, quarantine: null }, incarnation: 1, timeMs: 2 })
    for (let turns = 0; !builder.full; turns++) {
      const { command: paused } = command({ kind: turns % 2 === 0 ? 'pause' : 'resume' }, id)
      builder.command({ ...paused, actor: longest, cause: { aggregate: longest, id: longest, revision: 1 }, correlation: longest })
    }
    expect(() => encodeTurn({ turn: '0'.repeat(26), schema: 1, incarnation: 1, number: 1, timeMs: 2, previous: '0'.repeat(64), commits: builder.commits })).not.toThrow()
  }
})
