/** Replay: 1,000,000 events of 1,000 interleaved groups, folded, to reading and parsing them raw. */
import { type GroupState, absentGroup, headJob } from '../../machines/execution-group/state.ts'
import { grantLock, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { newUlid } from '../../streams/codec.ts'
import { type Commit, firstDigest } from '../../streams/envelope.ts'
import { groupId, laneName } from '../../streams/subjects.ts'
import { middleOf } from './common.ts'
import { LaneWriter, type Tail } from './lane-writer.ts'
import { type WasRead, readInProcess } from './reading.ts'
import { type Row, compared, rate } from './row.ts'
import { type BenchWorld, benchRealm } from './world.ts'

const groupsPerTurn = 25

/** Fills four lanes with histories that the real `decide` wrote; goes on where `tails` end. */
async function fill(world: BenchWorld, groups: number, jobsPerGroup: number, tails?: readonly Tail[]): Promise<Tail[]> {
  const lanes = [1, 2, 3, 4]
  return Promise.all(lanes.map((number, index) => fillLane(world, laneName('replay', number), groups / lanes.length, jobsPerGroup, tails?.[index])))
}

interface Filled extends Tail {
  /** That were opened. */
  readonly groups: readonly string[]
}

/** `ended` false: the groups are opened and assigned, and nothing of them is executed. */
export async function fillLane(world: BenchWorld, lane: string, groups: number, jobs: number, tail?: Tail, ended = true): Promise<Filled> {
  const writer = new LaneWriter(world, lane, tail)
  const states: GroupState[] = []
  const spec: JobSpec = { site: 'bench', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
  for (let index = 0; index < groups; index++) {
    const state = absentGroup(groupId(lane, newUlid(Date.now(), systemRandom)))
    states.push(state)
    const opened = { name: 'bench', decision: 1, jobs, parts: 1, plan: firstDigest, order: 'strict', mode: 'jobs', window: 1, region: 'replay', distributionFactor: 100 } as const
    await writer.append([
      writer.commit(state, [
        { type: 'GroupOpened', data: opened },
        { type: 'JobsAdded', data: { part: 1, jobs: Array.from({ length: jobs }, () => spec) } },
        { type: 'GroupSealed', data: {} },
        { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: jobs, agent: 'bench' }] } },
      ]),
    ])
  }
  const request = { agent: 'bench', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', credit: 1, callDeadlineMs: 10_000 }
  const waiting = ended ? [...states] : []
  while (waiting.length > 0) {
    const commits: Commit[] = []
    for (const state of waiting.splice(0, groupsPerTurn)) {
      const decided: GroupEvent[] = []
      const take = (decision: ReturnType<typeof grantLock>) => {
        if (decision.kind !== 'events') return
        for (const event of decision.events) foldInto(state, event)
        decided.push(...decision.events)
      }
      const revision = state.revision + 1
      if (state.grant !== null) take(takeOutcome(state, state.grant.revision, headJob(state)!, { kind: 'succeeded' }))
      take(grantLock(state, request))
      commits.push({ aggregate: 'group', id: state.group, revision, actor: 'agent:bench', events: decided })
      if (headJob(state) !== undefined) waiting.push(state)
    }
    await writer.append(commits)
  }
  return { ...writer.tail, groups: states.map(({ group }) => group) }
}

const rounds = 5

export async function replayRows(world: BenchWorld, options: { readonly groups: number; readonly jobsPerGroup: number }): Promise<Row[]> {
  const { groups, jobsPerGroup } = options
  const { log } = world.coordinator
  const tails = await fill(world, groups, jobsPerGroup)
  const events = tails.reduce((sum, { events: count }) => sum + count, 0)
  const until = await log.end()
  const place = { url: world.server.url, realm: benchRealm, stream: world.subjects.streamName(log.incarnation), until }
  const measured: { readonly raw: number; readonly replayed: number; readonly rawCpuMs: number; readonly cpuMs: number; readonly peakBytes: number; readonly liveBytes: number }[] = []
  let rawPeakBytes = 0
  for (let round = 0; round < rounds; round++) {
    const raw = await readInProcess({ ...place, how: 'raw' })
    const replayed = await readInProcess({ ...place, how: 'replay' })
    for (const read of [raw, replayed]) if (read.events !== events) throw new Error(`${read.events} events were read of ${events}`)
    measured.push({ raw: (events * 1000) / raw.tookMs, replayed: (events * 1000) / replayed.tookMs, rawCpuMs: raw.cpuMs, cpuMs: replayed.cpuMs, peakBytes: replayed.peakBytes, liveBytes: replayed.liveBytes })
    rawPeakBytes = Math.max(rawPeakBytes, raw.peakBytes)
  }
  const middle = middleOf(measured, ({ replayed, raw }) => replayed / raw)
  const peakBytes = Math.max(...measured.map((one) => one.peakBytes))
  await fill(world, groups, jobsPerGroup, tails)
  const twices: WasRead[] = []
  const end = await log.end()
  for (let round = 0; round < rounds; round++) twices.push(await readInProcess({ ...place, how: 'replay', until: end }))
  for (const twice of twices) if (twice.events !== 2 * events) throw new Error(`${twice.events} events were read of ${2 * events}`)
  const twicePeakBytes = Math.max(...twices.map((one) => one.peakBytes))
  // After a collection nothing is left to chance, so the least of the rounds is what is held.
  const liveBytes = Math.min(...measured.map((one) => one.liveBytes))
  const twiceLiveBytes = Math.min(...twices.map((one) => one.liveBytes))
  const mebibytes = (bytes: number) => bytes / 2 ** 20
  const perEvent = (cpuMs: number) => ((cpuMs * 1000) / events).toFixed(2)
  return [
    rate('replay', `replay of ${events} events, ${groups} groups interleaved, to raw ordered reads with JSON parsing`, 'events/s', middle.replayed, middle.raw, `CPU time of the process: ${perEvent(middle.cpuMs)} µs an event, raw ${perEvent(middle.rawCpuMs)}`),
    compared('replay-memory', 'most resident memory of the process that replays, to that of the one that reads raw', 'MiB', mebibytes(peakBytes), mebibytes(rawPeakBytes)),
    compared('replay-memory-twice', `the same of a log twice as long (${groups} groups after the first ${groups} have ended), to that of the log once`, 'MiB', mebibytes(twicePeakBytes), mebibytes(peakBytes), `garbage and buffers of the runtime included; the most of ${rounds} rounds each`),
    compared(
      'replay-live-twice',
      'what the heap holds after a collection at the end of the log twice as long, to that of the log once',
      'MiB',
      mebibytes(twiceLiveBytes),
      mebibytes(liveBytes),
      `${Math.round((twiceLiveBytes - liveBytes) / groups)} bytes more for each of the ${groups} further groups, which have ended and stay known to their lanes`,
    ),
  ]
}
