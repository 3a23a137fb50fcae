/**
 * A lane that is taken, from nothing in memory until its holder has carried out a command: from its snapshot, and from the beginning. Once a lane of many
 * groups that have ended, and once a lane of one group, the largest that may be opened, of which half of the jobs wait.
 */
import { grantLock, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { jobLimit } from '../../machines/execution-group/decide/opening.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { absentGroup, headJob } from '../../machines/execution-group/state.ts'
import { partsOf } from '../../src/change/parts.ts'
import { type SnapshotContext, cutSnapshot } from '../../src/lane/snapshot.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { firstDigest } from '../../streams/envelope.ts'
import { newUlid } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import { middleOf } from './common.ts'
import { LaneWriter } from './lane-writer.ts'
import { type LaneTaken, type From, snapshotContext, stateOf, takeLane } from './lane-taken.ts'
import { rehearsal } from './realm.ts'
import { fillLane } from './replay.ts'
import { type Row, compared, figure } from './row.ts'
import type { BenchWorld } from './world.ts'

const rounds = 5

/** `groups` that have ended, of so many jobs each, and `open` more that wait with all of their jobs. */
export async function laneLiveRows(world: BenchWorld, options: { readonly groups: number; readonly jobsPerGroup: number; readonly open: number }): Promise<Row[]> {
  const lane = 'live-1'
  const ended = await fillLane(world, lane, options.groups, options.jobsPerGroup)
  const waiting = await fillLane(world, lane, options.open, options.jobsPerGroup, ended, false)
  const { cut, taken } = await measured(world, lane, waiting.groups[0]!)
  const all = ended.events + waiting.events
  return [
    compared('lane-live', `a lane of ${all} events is live again from its snapshot, to the same without one`, 'ms', taken.snapshot.tookMs, taken.beginning.tookMs, noteOf(taken)),
    figure('lane-snapshot', `the snapshot of that lane is cut, from the beginning (${Math.round(cut.bytes / 1024)} KiB)`, 'ms', cut.tookMs),
  ]
}

/** One group of as many jobs as there may be in one, half of them done: two events each, so a million events. */
export async function groupLiveRows(world: BenchWorld, jobs = jobLimit): Promise<Row[]> {
  const lane = 'live-2'
  const { group, events } = await fillGroup(world, lane, jobs)
  const { cut, taken } = await measured(world, lane, group)
  return [
    compared('lane-live-group', `a lane with one group of ${events} events, of whose ${jobs} jobs half wait, is live again from its snapshot, to the same without one`, 'ms', taken.snapshot.tookMs, taken.beginning.tookMs, noteOf(taken)),
    figure('lane-snapshot-group', `the snapshot of that lane is cut, from the beginning (${Math.round(cut.bytes / 1024)} KiB)`, 'ms', cut.tookMs),
  ]
}

type BothWays = Readonly<Record<From, LaneTaken>>

function noteOf({ snapshot }: BothWays): string {
  return `${Math.round(snapshot.foldedMs)} ms of it until it is folded; then it is taken, and a command carried out; the whole state is that from the beginning`
}

async function measured(world: BenchWorld, lane: string, group: string) {
  const context = snapshotContext(world)
  const cut = await cutOf(context, lane)
  await compare(context, lane)
  const took: Record<From, LaneTaken[]> = { snapshot: [], beginning: [] }
  let paused = false
  const take = async (from: From) => {
    took[from].push(await takeLane(context, lane, from, group, paused ? 'resume' : 'pause'))
    paused = !paused
  }
  for (let round = 0; round < rounds; round++) {
    await take('beginning')
    await take('snapshot')
  }
  await compare(context, lane)
  const middle = (from: From) => middleOf(took[from], ({ tookMs }) => tookMs)
  return { cut, taken: { snapshot: middle('snapshot'), beginning: middle('beginning') } }
}

async function cutOf(context: SnapshotContext, lane: string): Promise<{ readonly bytes: number; readonly tookMs: number }> {
  const beganMs = performance.now()
  const cut = await cutSnapshot(context, lane, 'bench', new AbortController().signal)
  if (cut.kind !== 'cut') throw new Error(`no snapshot: ${cut.kind}`)
  return { bytes: cut.bytes, tookMs: performance.now() - beganMs }
}

async function compare(context: SnapshotContext, lane: string): Promise<void> {
  const [short, whole] = [await stateOf(context, lane, 'snapshot'), await stateOf(context, lane, 'beginning')]
  if (short !== whole) throw new Error('the snapshot leads to another state')
}

/** In one turn, but for the last ones: how it came to where it stands is nothing to its snapshot. */
const settledATurn = 500
/** As they are in life, one job each: a new holder says a hundred turns again. */
const lastTurns = 200

/** A group in strict order, opened in parts as a service opens it, half of whose jobs have succeeded. */
async function fillGroup(world: BenchWorld, lane: string, jobs: number): Promise<{ readonly group: string; readonly events: number }> {
  const writer = new LaneWriter(world, lane)
  const state = absentGroup(groupId(lane, newUlid(Date.now(), systemRandom)))
  const append = (...decided: readonly GroupEvent[]) => writer.append([writer.commit(state, decided)])
  const specs: JobSpec[] = Array.from({ length: jobs }, (_, index) => ({ ...rehearsal('bench'), service: `s${String((index % 1_000) + 1).padStart(5, '0')}` }))
  const parts = partsOf(specs)
  await append({ type: 'GroupOpened', data: { name: 'bench', decision: 1, jobs, parts: parts.length, plan: firstDigest, order: 'strict', mode: 'jobs', window: 1, region: 'live', distributionFactor: 100 } })
  for (const [index, part] of parts.entries()) await append({ type: 'JobsAdded', data: { part: index + 1, jobs: part } })
  await append({ type: 'GroupSealed', data: {} }, { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: jobs, agent: 'bench' }] } })
  const request = { agent: 'bench', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', credit: 1, callDeadlineMs: 10_000 }
  const half = Math.floor(jobs / 2)
  for (let settled = 0; settled < half; ) {
    const count = Math.min(half - settled, settled < half - lastTurns ? Math.min(settledATurn, half - lastTurns - settled) : 1)
    const decided: GroupEvent[] = []
    const revision = state.revision + 1
    const take = (decision: ReturnType<typeof grantLock>) => {
      if (decision.kind !== 'events') throw new Error(`nothing was decided: ${decision.kind}`)
      for (const event of decision.events) foldInto(state, event)
      decided.push(...decision.events)
    }
    for (let index = 0; index < count; index++) {
      take(grantLock(state, request))
      take(takeOutcome(state, state.grant!.revision, headJob(state)!, { kind: 'succeeded' }))
    }
    await writer.append([{ aggregate: 'group', id: state.group, revision, actor: 'agent:bench', events: decided }])
    settled += count
  }
  return { group: state.group, events: writer.tail.events }
}
