/** A log of many groups, interleaved, as lanes write it: turns of several commits, in memory. */
import type { RecordedEvent } from '../../machines/events.ts'
import { type Commit, firstDigest } from '../../streams/envelope.ts'
import { digestOf, encodeTurn, newUlid } from '../../streams/codec.ts'
import type { Coordinator } from '../../streams/ports/coordinator.ts'
import { groupId, type Subjects } from '../../streams/subjects.ts'

export interface Recorded {
  readonly groups: readonly string[]
  readonly plans: ReadonlyMap<string, Uint8Array>
}

/** Numbers below `sides`, the same for the same seed. */
export function dice(seed: number): (sides: number) => number {
  let state = seed | 1
  return (sides) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % sides
  }
}

const startMs = 1_800_000_000_000

/** Each group has `jobs` jobs, some fail and are retried, some groups are cancelled; a turn holds commits of several groups. */
export async function record(coordinator: Coordinator, subjects: Subjects, count: number, jobs: number, lanes: readonly string[], seed = 7): Promise<Recorded> {
  const roll = dice(seed)
  const random = { bytes: (length: number) => Uint8Array.from({ length }, () => roll(256)) }
  const plans = new Map<string, Uint8Array>()
  const stories: { readonly id: string; readonly lane: string; readonly commits: Commit[] }[] = []
  for (let index = 0; index < count; index++) {
    const lane = lanes[index % lanes.length]!
    const id = groupId(lane, newUlid(startMs, random))
    const bytes = new TextEncoder().encode(`{"jobs":${index}}`)
    const plan = await coordinator.texts.put(bytes)
    plans.set(plan, bytes)
    stories.push({ id, lane, commits: storyOf(id, jobs, plan, roll) })
  }
  const tails = new Map<string, { position: number; number: number; previous: string }>()
  let timeMs = startMs
  for (let open = stories.filter((story) => story.commits.length > 0); open.length > 0; open = open.filter((story) => story.commits.length > 0)) {
    const lane = open[roll(open.length)]!.lane
    const ofLane = open.filter((story) => story.lane === lane)
    const chosen = ofLane.filter(() => roll(ofLane.length) < 10)
    const commits = (chosen.length > 0 ? chosen : ofLane.slice(0, 1)).map((story) => story.commits.shift()!)
    const subject = subjects.lane(lane)
    const tail = tails.get(subject) ?? { position: 0, number: 0, previous: firstDigest }
    timeMs += roll(3) * 10
    const turn = { turn: newUlid(timeMs, random), schema: 1, incarnation: 1, number: tail.number + 1, timeMs, previous: tail.previous, commits }
    const bytes = encodeTurn(turn)
    const outcome = await coordinator.log.append({ subject, bytes, expectedLast: tail.position })
    if (outcome.kind !== 'landed') throw new Error(`a turn of the recording did not land: ${outcome.kind}`)
    tails.set(subject, { position: outcome.position, number: turn.number, previous: digestOf(bytes) })
  }
  return { groups: stories.map((story) => story.id), plans }
}

function storyOf(id: string, jobs: number, plan: string, roll: (sides: number) => number): Commit[] {
  const commits: Commit[] = []
  let revision = 1
  const add = (...events: RecordedEvent[]) => {
    commits.push({ aggregate: 'group', id, revision, actor: 'program:test', events })
    revision += events.length
  }
  const spec = { site: 'north', service: 'd1', operation: { name: 'start' }, repeatable: true }
  const data = {
    name: `group ${id}`, decision: 1, mode: 'jobs', jobs, parts: 1, plan, order: 'strict', window: 1, region: 'here', distributionFactor: 100,
  }
  add({ type: 'GroupOpened', data })
  add({ type: 'JobsAdded', data: { part: 1, jobs: Array.from({ length: jobs }, () => spec) } }, { type: 'GroupSealed', data: {} })
  add({ type: 'JobsAssigned', data: { assignments: [{ first: 1, last: jobs, agent: 'a1' }] } })
  const cancelAfter = roll(5) === 0 ? roll(jobs) : jobs
  let added = jobs
  let job = 1
  for (let settled = 0; settled < jobs; settled++) {
    if (settled === cancelAfter) {
      add({ type: 'GroupCancelRequested', data: {} }, { type: 'JobsCancelled', data: { jobs: [[settled + 1, jobs]] } }, { type: 'GroupCancelled', data: {} })
      return commits
    }
    job = settled + 1
    for (;;) {
      const grant = revision
      add({ type: 'LockGranted', data: { jobs: [[job, job]], agent: 'a1', instance: 'i1', callDeadlineMs: 1000 } })
      if (roll(10) !== 0) {
        const last = settled === jobs - 1
        add({ type: 'JobSucceeded', data: { job, grant } }, ...(last ? [{ type: 'GroupCompleted', data: {} }] : []))
        break
      }
      add({ type: 'JobFailed', data: { job, grant, reason: { code: 'refused-by-site', text: 'no' } } }, { type: 'GroupBlocked', data: { job } })
      added += 1
      add({ type: 'JobRetried', data: { job: added, retryOf: job } }, { type: 'GroupUnblocked', data: {} })
      job = added
    }
  }
  return commits
}
