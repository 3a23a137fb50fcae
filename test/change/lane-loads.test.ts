/** What a service knows of the lanes' work, and which lane it chooses, on a realm in memory in virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type InstructionEvent, type InstructionState, absentInstruction, foldInstruction, takeInstruction } from '../../machines/instruction/instruction.ts'
import { LaneLoads } from '../../src/change/lane-loads.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { RealmView } from '../../src/realm/view.ts'
import { newUlid } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import { World } from '../agent/world.ts'

let world: World
let loads: LaneLoads
beforeEach(async () => {
  world = new World()
  for (const agent of ['a', 'b']) world.start(agent)
  await world.addSite('site-1', 'drill://')
  await world.until('all lanes held', () => lanes().length === 4 && lanes().every((lane) => world.view.state.lanes.get(lane)?.phase === 'held'))
  loads = new LaneLoads(world.view, { clock: world.clock, random: world.dice })
})
afterEach(async () => {
  loads.stop()
  await world.end()
})

const lanes = () => world.view.state.realm.lanes.map(({ lane }) => lane)
const jobs = (count: number) => Array.from({ length: count }, () => ({ site: 'site-1', service: 's00001', operation: { name: 'rehearse' as const }, repeatable: true, skill: { name: 'nobody has it', need: 'required' as const } }))
const command = () => newUlid(world.clock.nowMs(), world.dice)
const counts = (chosen: readonly (string | undefined)[]) => lanes().map((lane) => chosen.filter((one) => one === lane).length)

it('many that are asked for before the log shows the first are spread evenly, by their jobs', () => {
  expect(counts(Array.from({ length: 40 }, () => loads.choose(command(), jobs(10))))).toEqual([10, 10, 10, 10])
  const long = loads.choose(command(), jobs(100))
  expect(counts(Array.from({ length: 30 }, () => loads.choose(command(), jobs(10)))).filter((_, index) => lanes()[index] !== long)).toEqual([10, 10, 10])
})

it('services that know nothing of one another do not all begin with the same lane', () => {
  const services = Array.from({ length: 40 }, (_, index) => new LaneLoads(world.view, { clock: world.clock, random: world.dice.stream(`service ${index}`) }))
  const chosen = counts(services.map((one) => one.choose(command(), jobs(1))))
  for (const one of services) one.stop()
  expect(Math.max(...chosen)).toBeLessThan(20)
})

it('goes by jobs that wait or run, not by groups: one of many jobs weighs more than three of one', async () => {
  await world.openGroup(lanes()[0]!, jobs(50))
  for (const lane of lanes().slice(1)) for (let group = 0; group < 3; group++) await world.openGroup(lane, jobs(1))
  expect(lanes().map((lane) => loads.of(lane))).toEqual([{ groups: 1, jobs: 50, work: 50 }, ...[1, 2, 3].map(() => ({ groups: 3, jobs: 3, work: 3 }))])
  expect(counts(Array.from({ length: 9 }, () => loads.choose(command(), jobs(1))))).toEqual([0, 3, 3, 3])
})

it('what was sent counts once: as soon as its group is in the log by what is there, not at all when it is forgotten, or given up after a minute', async () => {
  const sent = command()
  const lane = loads.choose(sent, jobs(8))!
  const others = lanes().filter((one) => one !== lane)
  expect(others).toContain(loads.choose(command(), jobs(3)))
  const given = command()
  const chosen = loads.choose(given, jobs(100))!
  loads.forget(chosen, given)
  // 8, 3 and twice nothing.
  expect(counts([loads.choose(command(), jobs(8)), loads.choose(command(), jobs(8)), loads.choose(command(), jobs(5))]).sort()).toEqual([0, 1, 1, 1])
  await world.pass(60_001)
  expect(counts(Array.from({ length: 4 }, () => loads.choose(command(), jobs(1))))).toEqual([1, 1, 1, 1])
})

it('of a log that is read from its beginning only what was taken in the last minute is on its way', async () => {
  const take = async (lane: string) => {
    const id = command()
    const write = { subject: world.subjects.aggregate('instruction', id), aggregate: 'instruction', id, command: id, empty: absentInstruction(id), fold: foldInstruction, actor: 'program:test' }
    const decide = (state: InstructionState) => takeInstruction(state, lane, '0'.repeat(64), 'never opened')
    await world.drive(writeAggregate<InstructionState, InstructionEvent>({ log: world.observer.log, clock: world.clock, random: world.dice }, { ...write, decide }))
  }
  const [old, late] = lanes()
  for (let count = 0; count < 20; count++) await take(old!)
  await world.pass(60_001)
  for (let count = 0; count < 3; count++) await take(late!)
  const view = new RealmView(world.observer.log, world.subjects)
  const begun = new LaneLoads(view, { clock: world.clock, random: world.dice })
  await world.drive(view.current())
  expect(counts(Array.from({ length: 9 }, () => begun.choose(command(), jobs(1))))).toEqual([3, 0, 3, 3])
  begun.stop()
  await world.drive(view.stop())
})

it('ends to count when its groups end', async () => {
  const group = await world.openGroup(lanes()[0]!, jobs(5).map(({ skill: _, ...spec }) => spec))
  expect(group.startsWith(groupId(lanes()[0]!, ''))).toBe(true)
  await world.until('completed', () => world.view.state.group(group)?.phase === 'completed')
  expect(loads.of(lanes()[0]!)).toEqual({ groups: 0, jobs: 0, work: 0 })
})
