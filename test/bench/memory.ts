/**
 * What the leader and the agents hold in memory: 1,000,000 jobs that wait in 1,000 groups, beside an empty realm; and what is left of
 * 1,000,000 further events of other groups once these have ended. Skilled agents hold the lanes and execute; the leader does neither.
 */
import type { GroupEvent, JobSpec } from '../../machines/execution-group/events.ts'
import { beginQuarantine, endQuarantine } from '../../machines/realm/decide.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { pause } from '../../streams/ports/clock.ts'
import { workers } from './common.ts'
import { toRealm } from './independent.ts'
import { type Held, HeapWatch, residentBytes } from './process-memory.ts'
import { BenchRealm, rehearsal } from './realm.ts'
import { type Row, compared, figure } from './row.ts'
import type { BenchWorld } from './world.ts'

const leader = 'leader'
const all = [leader, ...workers]
/** What was started, taken and collected by itself has come to rest. */
const settleMs = 5_000
/** The leader may be cutting snapshots, or have something to read yet: looked at until nothing changes, at most so often. */
const looks = 12
/** Groups that are opened at once. */
const opening = 50
/** Groups that run at once. */
const running = 400
const mebibyte = 2 ** 20

export interface MemoryOptions {
  readonly groups: number
  readonly jobsPerGroup: number
  /** Further events. */
  readonly events: number
  /** Jobs of each group that comes and ends. */
  readonly jobsPerEnded: number
  /** Groups of one job that come and end. */
  readonly small: number
}

export const memoryRowNames = ['memory-leader', 'memory-agent', 'memory-job-leader', 'memory-job-agent', 'memory-growth-leader', 'memory-growth-agent', 'memory-ended-leader', 'memory-ended-agent', 'memory-takeover'] as const

interface State {
  /** Before any collection was asked for, bytes. */
  readonly resident: ReadonlyMap<string, number>
  readonly held: ReadonlyMap<string, Held>
}

export async function memoryRows(world: BenchWorld, options: MemoryOptions, say: (text: string) => void): Promise<Row[]> {
  const realm = new BenchRealm(world)
  const heaps = new Map<string, HeapWatch>()
  try {
    await realm.start(leader, 'generic')
    await realm.addSite()
    for (const agent of workers) await realm.start(agent, 'skilled', [agent])
    const lanes = await realm.lanesHeldBy(workers)
    let atRest: State | undefined
    /** A snapshot that is being cut lies in buffers until it is written. */
    const isAtRest = (agent: string, held: ReadonlyMap<string, Held>, before: ReadonlyMap<string, Held>) =>
      Math.abs(heldBytes(held.get(agent)) - heldBytes(before.get(agent))) < mebibyte && held.get(agent)!.externalBytes < (atRest?.held.get(agent)!.externalBytes ?? Infinity) + 2 * mebibyte
    const look = async (): Promise<State> => {
      await pause(systemClock, settleMs)
      const resident = new Map(all.map((agent) => [agent, residentBytes(realm.agents.get(agent)!.child.pid!)]))
      let held = new Map<string, Held>()
      for (let look = 0; look < looks; look++) {
        const before = held
        held = new Map()
        for (const agent of all) {
          if (!heaps.has(agent)) heaps.set(agent, await HeapWatch.of(realm.agents.get(agent)!))
          held.set(agent, await heaps.get(agent)!.held())
        }
        if (all.every((agent) => isAtRest(agent, held, before))) break
        await pause(systemClock, settleMs)
      }
      return { resident, held }
    }
    const show = (what: string, { resident, held }: State) => {
      const of = (agent: string) => `${agent} ${toMebibytes(resident.get(agent)!)} (${toMebibytes(held.get(agent)!.residentBytes)} after a collection, heap ${toMebibytes(held.get(agent)!.heapBytes)} of ${toMebibytes(held.get(agent)!.committedBytes)}, outside ${toMebibytes(held.get(agent)!.externalBytes)})`
      say(`  ${what}, MiB: ${all.map(of).join('; ')}; server ${toMebibytes(serverBytes(world))}`)
    }

    await work(realm, lanes, running, 1)
    const empty = (atRest = await look())
    show('at rest', empty)

    const beganMs = systemClock.monotonicMs()
    const { jsonBytes } = await fill(realm, lanes, options)
    const filledMs = systemClock.monotonicMs() - beganMs
    const waiting = await look()
    const jobs = options.groups * options.jobsPerGroup
    say(`  ${jobs} jobs of ${Math.round(jsonBytes / jobs)} bytes were taken, assigned and held back in ${Math.round(filledMs / 1000)} s`)
    show('with all that wait', waiting)

    const events = async (atLeast: number) => {
      const groups = Math.ceil(atLeast / (5 + 2 * options.jobsPerEnded))
      const ran = await work(realm, lanes, groups, options.jobsPerEnded)
      say(`  ${ran.events} events of ${groups} groups in ${Math.round(ran.tookMs / 1000)} s`)
      return ran
    }
    // Snapshots are cut, and buffers have the size that they go on having.
    await events(options.events / 10)
    const before = await look()
    show('after the first of them', before)
    const ran = await events(options.events)
    const after = await look()
    show('afterwards', after)

    const small = await work(realm, lanes, options.small, 1)
    const ended = await look()
    say(`  ${small.events} events of ${small.groups} groups of one job in ${Math.round(small.tookMs / 1000)} s`)
    show('after small groups', ended)

    const [lane, holder] = [...lanes][0]!
    const takenMs = await taken(realm, lane, holder)
    say(`  the lane of ${holder} was taken by another after ${Math.round(takenMs)} ms`)

    const busiest = most(waiting.resident)
    const heapGrowth = (agent: string, before: State, later: State) => heldBytes(later.held.get(agent)) - heldBytes(before.held.get(agent))
    const residentGrowth = (agent: string, before: State, later: State) => later.held.get(agent)!.residentBytes - before.held.get(agent)!.residentBytes
    const what = `${options.groups} groups of ${options.jobsPerGroup} queued jobs`
    const of = (row: string, agent: string, who: string) => {
      const { heapBytes, residentBytes: collected } = waiting.held.get(agent)!
      const note = `heap ${toMebibytes(heapBytes)} MiB, resident ${toMebibytes(collected)} MiB after a collection; the jobs took ${Math.round(filledMs / 1000)} s to be taken, assigned and paused`
      return compared(row, `resident memory of ${who} at ${what}, to that of the same process in the empty realm`, 'MiB', waiting.resident.get(agent)! / mebibyte, empty.resident.get(agent)! / mebibyte, note)
    }
    const jobRow = (row: string, agent: string, share: number, who: string) =>
      compared(row, `heap of ${who} for each queued job that it knows, to the JSON of the job`, 'bytes', heapGrowth(agent, empty, waiting) / (jobs * share), jsonBytes / jobs)
    const growthRow = (row: string, agent: string, who: string) =>
      figure(row, `resident memory of ${who} after a further ${ran.events} events of ${ran.groups} groups that have ended (${options.jobsPerEnded} jobs each), more than before`, 'MiB', residentGrowth(agent, before, after) / mebibyte, `heap after a collection ${toMebibytes(heapGrowth(agent, before, after))} MiB more, of ${toMebibytes(before.held.get(agent)!.heapBytes)}; ${Math.round(ran.groups * options.jobsPerEnded * 1000 / ran.tookMs)} jobs/s beside those that wait; server ${toMebibytes(serverBytes(world))} MiB`)
    const mostGrown = [...workers].sort((one, other) => residentGrowth(other, before, after) - residentGrowth(one, before, after))[0]!
    const endedRow = (row: string, agents: readonly string[], who: string) =>
      figure(row, `heap of ${who} for each group of one job that has ended, and stays known`, 'bytes', agents.reduce((sum, agent) => sum + heapGrowth(agent, after, ended), 0) / small.groups, `${small.groups} groups, ${Math.round((small.groups * 1000) / small.tookMs)} groups/s`)
    return [
      of('memory-leader', leader, 'the leader'),
      of('memory-agent', busiest, 'the largest of 4 agents, which hold a lane and execute'),
      jobRow('memory-job-leader', leader, 1, 'the leader'),
      jobRow('memory-job-agent', busiest, 1 / workers.length, 'that agent'),
      growthRow('memory-growth-leader', leader, 'the leader'),
      growthRow('memory-growth-agent', mostGrown, 'the agent that grew most'),
      endedRow('memory-ended-leader', [leader], 'the leader'),
      endedRow('memory-ended-agent', workers, 'the 4 agents together'),
      figure('memory-takeover', `from kill -9 of the holder of a lane with ${jobs / lanes.size} queued jobs to LaneTaken of another`, 'ms', takenMs),
    ]
  } finally {
    for (const heap of heaps.values()) heap.close()
    await realm.stop()
  }

  function most(resident: ReadonlyMap<string, number>): string {
    return [...workers].sort((one, other) => resident.get(other)! - resident.get(one)!)[0]!
  }
}

/** Groups whose jobs lie in the queues of the agents that hold their lanes, and are held back: each group is paused. */
async function fill(realm: BenchRealm, lanes: ReadonlyMap<string, string>, { groups, jobsPerGroup }: MemoryOptions): Promise<{ readonly jsonBytes: number }> {
  const { world } = realm
  const jobsOf = (holder: string): JobSpec[] => Array.from({ length: jobsPerGroup }, (_, index) => ({ ...rehearsal(holder), service: `s${String((index % 1_000) + 1).padStart(5, '0')}` }))
  const of = [...lanes]
  let jsonBytes = 0
  for (const [, holder] of of) jsonBytes += (JSON.stringify(jobsOf(holder)).length * groups) / of.length
  await toRealm(world, (state) => beginQuarantine(state, 'the benchmark fills the queues'))
  const from = (await world.coordinator.log.end()) + 1
  const opened: { readonly lane: string; readonly group: string }[] = []
  await inParallel(opening, groups, async (index) => {
    const [lane, holder] = of[index % of.length]!
    const { group, seal } = await realm.open(lane, jobsOf(holder))
    await seal()
    opened.push({ lane, group })
  })
  await counted(world, from, (events) => events.some(({ type }) => type === 'JobsAssigned'), groups)
  await inParallel(opening, groups, (index) => realm.tell(opened[index]!.lane, opened[index]!.group, 'pause'))
  await toRealm(world, endQuarantine)
  return { jsonBytes }
}

/** So many groups come, run and end, in the lanes of who executes them. */
async function work(realm: BenchRealm, lanes: ReadonlyMap<string, string>, groups: number, jobsPerGroup: number) {
  const { world } = realm
  const from = (await world.coordinator.log.end()) + 1
  const beganMs = systemClock.monotonicMs()
  const of = [...lanes]
  let begun = 0
  let done = 0
  const wake: (() => void)[] = []
  const over = counted(
    world,
    from,
    (events) => events.some(({ type }) => type === 'GroupCompleted'),
    groups,
    (completed) => {
      done += completed
      for (const resolve of wake.splice(0)) resolve()
    },
  )
  await Promise.all([
    over,
    inParallel(opening, groups, async (index) => {
      begun += 1
      while (begun - done > running) await Promise.race([over, new Promise<void>((resolve) => wake.push(resolve))])
      const [lane, holder] = of[index % of.length]!
      const { seal } = await realm.open(lane, Array.from({ length: jobsPerGroup }, () => rehearsal(holder)))
      await seal()
    }),
  ])
  return { groups, events: (await over).events, tookMs: systemClock.monotonicMs() - beganMs }
}

/** Follows the lanes from a position on until so many commits were seen that `counts` takes. */
async function counted(world: BenchWorld, from: number, counts: (events: readonly GroupEvent[]) => boolean, until: number, onSome: (count: number) => void = () => {}): Promise<{ readonly events: number }> {
  const enough = new AbortController()
  let events = 0
  let count = 0
  for await (const batch of world.coordinator.log.read({ subjects: [world.subjects.allLanes], from, signal: enough.signal })) {
    const before = count
    for (const { bytes } of batch) {
      for (const commit of decodeTurn(bytes).commits) {
        events += commit.events.length
        if (counts(commit.events as readonly GroupEvent[])) count += 1
      }
    }
    if (count > before) onSome(count - before)
    if (count >= until) enough.abort()
  }
  return { events }
}

/** How long it takes from the death of a lane's holder until another has taken the lane, milliseconds. */
async function taken(realm: BenchRealm, lane: string, holder: string): Promise<number> {
  const { coordinator, subjects } = realm.world
  const seen = new AbortController()
  const from = (await coordinator.log.end()) + 1
  const killedMs = await realm.agents.get(holder)!.kill()
  for await (const batch of coordinator.log.read({ subjects: [subjects.lane(lane)], from, signal: seen.signal })) {
    for (const { bytes } of batch) for (const { events } of decodeTurn(bytes).commits) if (events.some(({ type }) => type === 'LaneTaken')) return systemClock.monotonicMs() - killedMs
  }
  throw new Error(`nobody took lane ${lane}`)
}

async function inParallel(width: number, count: number, perform: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const one = async () => {
    while (next < count) await perform(next++)
  }
  await Promise.all(Array.from({ length: width }, one))
}

function heldBytes(held: Held | undefined): number {
  return held === undefined ? Infinity : held.heapBytes + held.externalBytes
}

function serverBytes(world: BenchWorld): number {
  return world.server.pids.reduce((sum, pid) => sum + residentBytes(pid), 0)
}

function toMebibytes(bytes: number): number {
  return Math.round(bytes / mebibyte)
}
