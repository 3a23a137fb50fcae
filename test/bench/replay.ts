/** Replay: 1,000,000 events of 1,000 interleaved groups, folded, to reading and parsing them raw. */
import { type GroupState, absentGroup, headJob } from '../../machines/execution-group/state.ts'
import { grantLock, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { replayLanes } from '../../src/replay/lanes.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import { type Commit, firstDigest, schemaVersion } from '../../streams/envelope.ts'
import { groupId, laneName } from '../../streams/subjects.ts'
import { rawReads } from './raw.ts'
import { type Row, figure, rate } from './row.ts'
import type { BenchWorld } from './world.ts'

const groupsPerTurn = 25

/** Fills four lanes with histories that the real `decide` wrote. Returns how many events they hold. */
export async function fill(world: BenchWorld, groups: number, jobsPerGroup: number): Promise<number> {
  const lanes = [1, 2, 3, 4]
  const counts = await Promise.all(lanes.map((number) => fillLane(world, laneName('replay', number), groups / lanes.length, jobsPerGroup)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function fillLane(world: BenchWorld, lane: string, groups: number, jobs: number): Promise<number> {
  const { log } = world.coordinator
  const subject = world.subjects.lane(lane)
  let number = 0
  let position = 0
  let previous = firstDigest
  let events = 0
  const append = async (commits: Commit[]) => {
    const bytes = encodeTurn({ turn: newUlid(Date.now(), systemRandom), schema: schemaVersion, incarnation: log.incarnation, number: ++number, timeMs: Date.now(), previous, commits })
    const outcome = await log.append({ subject, bytes, expectedLast: position })
    if (outcome.kind !== 'landed') throw new Error(`append ended as ${outcome.kind}`)
    position = outcome.position
    previous = digestOf(bytes)
    for (const commit of commits) events += commit.events.length
  }
  const states: GroupState[] = []
  const commit = (state: GroupState, decided: readonly GroupEvent[]): Commit => {
    const made = { aggregate: 'group', id: state.group, revision: state.revision + 1, actor: 'agent:bench', events: decided }
    for (const event of decided) foldInto(state, event)
    return made
  }
  const spec: JobSpec = { site: 'bench', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }
  for (let index = 0; index < groups; index++) {
    const state = absentGroup(groupId(lane, newUlid(Date.now(), systemRandom)))
    states.push(state)
    const opened = { name: 'bench', decision: 1, jobs, parts: 1, plan: firstDigest, order: 'strict', mode: 'jobs', window: 1, region: 'replay', distributionFactor: 100 } as const
    await append([
      commit(state, [
        { type: 'GroupOpened', data: opened },
        { type: 'JobsAdded', data: { part: 1, jobs: Array.from({ length: jobs }, () => spec) } },
        { type: 'GroupSealed', data: {} },
        { type: 'JobsAssigned', data: { assignments: [{ first: 1, last: jobs, agent: 'bench' }] } },
      ]),
    ])
  }
  const request = { agent: 'bench', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAV', credit: 1, callDeadlineMs: 10_000 }
  const waiting = [...states]
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
    await append(commits)
  }
  return events
}

export async function replayRows(world: BenchWorld, options: { readonly groups: number; readonly jobsPerGroup: number }): Promise<Row[]> {
  const events = await fill(world, options.groups, options.jobsPerGroup)
  const stream = world.subjects.streamName(world.coordinator.log.incarnation)
  const filter = world.subjects.allLanes
  const until = await world.coordinator.log.end()
  const rates: number[] = []
  const raws: number[] = []
  let peakBytes = 0
  const beforeBytes = process.memoryUsage.rss()
  for (let run = 0; run < 3; run++) {
    const raw = await rawReads(world.server.url, stream, filter)
    raws.push((events * 1000) / raw.tookMs)
    const begin = performance.now()
    const replayed = await replayLanes((read) => world.coordinator.log.read(read), world.subjects, until)
    rates.push((replayed.events * 1000) / (performance.now() - begin))
    if (replayed.events !== events) throw new Error(`${replayed.events} events were replayed of ${events}`)
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
  }
  const median = (values: number[]) => values.sort((left, right) => left - right)[1]!
  return [
    rate('replay', `replay of ${events} events, ${options.groups} groups interleaved, to raw ordered reads with JSON parsing`, 'events/s', median(rates), median(raws)),
    figure('replay-memory', 'resident memory after three such replays', 'MiB', peakBytes / 2 ** 20, `${Math.round(beforeBytes / 2 ** 20)} MiB before the first`),
  ]
}
