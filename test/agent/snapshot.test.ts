/** Snapshots of lanes with whole agents in virtual time: the leader cuts, who takes a lane starts from there. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { canonicalJson } from '../../streams/codec.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import { type SnapshotPointer, snapshotKey } from '../../streams/lane-snapshot.ts'
import { type FoldedLane, foldOn, unfoldedLane } from '../../src/lane/fold.ts'
import { World } from './world.ts'

let world: World
beforeEach(() => (world = new World()))
afterEach(() => world.end())

const lane = 'here-1'
const job = (number: number): JobSpec => ({ site: 'drill', service: `s0000${number}`, operation: { name: 'rehearse' }, repeatable: true })
const times = { turns: 20, restMs: 5_000 }

async function pointer(): Promise<SnapshotPointer | undefined> {
  const entry = await world.drive(world.observer.mappings.get(snapshotKey(lane)))
  return entry === undefined ? undefined : fromBytes<SnapshotPointer>(entry.value)
}

async function runs(count: number): Promise<string> {
  const group = await world.openGroup(lane, Array.from({ length: count }, (_, index) => job((index % 9) + 1)))
  await world.until(`the end of ${group}`, () => world.view.state.group(group)?.phase === 'completed', 60_000)
  return group
}

async function cutBy(number: number): Promise<SnapshotPointer> {
  await world.until('a snapshot', () => world.lines.some(({ message, fields }) => message === 'snapshot of a lane cut' && (fields as { lane: string; number: number }).lane === lane && (fields as { number: number }).number >= number))
  return (await pointer())!
}

async function begin(): Promise<void> {
  for (const agent of ['a', 'b', 'c']) world.start(agent, { snapshotTimes: times })
  await world.until('all lanes held', () => world.view.state.lanes.size === 4 && [...world.view.state.lanes.values()].every(({ holder }) => holder !== null && holder.agent !== world.leader()?.agent))
  await world.addSite('drill', 'drill://?services=9')
}

const holder = () => world.view.state.lanes.get(lane)!.holder!.agent

it('the leader cuts them, not the holder; they go forward, one a lane; after a take-over everything is as the log has it', async () => {
  await begin()
  await runs(30)
  const first = await cutBy(20)
  await runs(30)
  const later = await cutBy(first.number + 20)
  expect(later.position).toBeGreaterThan(first.position)
  expect(await world.drive(world.observer.snapshots.names())).toEqual([later.object])
  const cutters = world.lines.filter(({ message }) => message === 'snapshot of a lane cut').map(({ agent }) => agent)
  expect(new Set(cutters)).toEqual(new Set([world.leader()!.agent]))

  const reads = world.reads.length
  const former = holder()
  await world.kill(former)
  await world.until('another holder', () => holder() !== former)
  // Who took it read the lane from its last 100 turns at most, not from its beginning.
  const opened = world.reads.slice(reads).filter(({ subjects }) => subjects.includes(world.subjects.lane(lane)))
  expect(opened.length).toBeGreaterThan(0)
  expect(Math.min(...opened.map(({ from }) => from))).toBeGreaterThan(1)
  await runs(5)
  const fresh: FoldedLane = unfoldedLane(lane, world.view.state.realm.constants)
  await world.drive(foldOn(world.observer.log, world.clock, world.subjects.lane(lane), fresh, new AbortController().signal))
  const seen = world.view.state.lanes.get(lane)!
  expect(canonicalJson({ ...seen, groups: [...seen.groups.values()], commands: [...seen.commands] })).toBe(
    canonicalJson({ ...fresh.state, groups: [...fresh.state.groups.values()], commands: [...fresh.state.commands] }),
  )
  expect(fresh.state.fault).toBeNull()
})

it('one whose pointer lies is dropped by who takes the lane, which goes on as if there were none', async () => {
  await begin()
  await runs(30)
  await cutBy(20)
  await world.drive(world.observer.mappings.put(snapshotKey(lane), toBytes({ ...(await pointer())!, digest: '0'.repeat(64) })))
  const former = holder()
  await world.kill(former)
  await world.until('another holder', () => holder() !== former)
  expect(world.lines.filter(({ message }) => message.startsWith('the snapshot of a lane is wrong')).map(({ fields }) => fields)).toContainEqual(expect.objectContaining({ lane, why: 'it does not have its digest' }))
  await runs(5)
  expect(world.view.state.lanes.get(lane)!.fault).toBeNull()
})
