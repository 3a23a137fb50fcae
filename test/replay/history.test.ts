/** Histories step by step, and the causes of a job: the log, told again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import stringWidth from 'string-width'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exclusiveStateOf } from '../../machines/execution-group/exclusive-state.ts'
import { absentGroup } from '../../machines/execution-group/state.ts'
import { canonicalJson, newUlid } from '../../streams/codec.ts'
import { exportLog } from '../../src/log-file/export.ts'
import { selectionOf } from '../../src/log-file/selection.ts'
import { readLogFile } from '../../src/log-file/read.ts'
import { agentFolding, recordedOfAgent } from '../../src/replay/agent-history.ts'
import { parseAt } from '../../src/replay/at.ts'
import { type ReadMessages, replayGroup } from '../../src/replay/group.ts'
import { groupFolding } from '../../src/replay/group-history.ts'
import { type Recorded, isBefore, recordedOfGroup } from '../../src/replay/recorded.ts'
import { type Folding, Walk, stepsOf, whereTo } from '../../src/replay/walk.ts'
import { type Why, whyJob } from '../../src/replay/why.ts'
import { cutTo, groupShows, panelOf, queuePicture } from '../../src/command-line/step-panel.ts'
import type { RecordedEvent } from '../../machines/events.ts'
import type { Cause } from '../../streams/envelope.ts'
import { groupId } from '../../streams/subjects.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { blocked, cancelRequested, cancelled, failed, granted, groupCancelled, readyWith, retried, spec, succeeded } from '../support/group-events.ts'
import { Story, command, group, lane, subjects, tell } from './story.ts'

let story: Story
let folder: string
let fromFile: ReadMessages
let fromLanes: ReadMessages

beforeAll(async () => {
  story = await tell()
  folder = await mkdtemp(join(tmpdir(), 'reeve-history-'))
  const file = join(folder, 'log.ndjson')
  const laneFile = join(folder, 'lane.ndjson')
  await exportLog(story.coordinator.log, story.coordinator.texts, { file, realm: 'reeve' })
  await exportLog(story.coordinator.log, story.coordinator.texts, { file: laneFile, realm: 'reeve', selection: selectionOf(subjects, { lanes: [lane] }) })
  fromFile = (options) => readLogFile(file, options)
  fromLanes = (options) => readLogFile(laneFile, options)
})

afterAll(async () => {
  await story.coordinator.close()
  await rm(folder, { recursive: true, force: true })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}
const until = () => story.coordinator.log.end()
const historyOf = async () => all(recordedOfGroup(story.read, subjects, group, await until()))

describe("a group's history", () => {
  test('each event once, in order; each state is that of a replay at its revision', async () => {
    const steps = await all(stepsOf(recordedOfGroup(story.read, subjects, group, await until()), groupFolding(group)))
    expect(steps.map(({ revision }) => revision)).toEqual(Array.from({ length: 26 }, (_, index) => index + 1))
    for (const [index, step] of steps.entries()) {
      const { state, position } = await replayGroup(story.read, subjects, group, { kind: 'revision', revision: step.revision }, await until())
      expect(step.position).toBe(position)
      const { name, phase, revision, jobs, position: settled, executed, executing, pending, cancelled, lock, fault } = state
      expect(step.after).toEqual({
        name, phase, revision, jobs, position: settled, executed, executing, pending, cancelled, lock, fault,
        failed: state.failed.map(({ job }) => job), unknown: state.unknown?.job ?? null,
      })
      if (index > 0) expect(step.before).toEqual(steps[index - 1]!.after)
    }
    expect(steps[0]!.before).toMatchObject({ phase: 'absent', revision: 0 })
    expect(steps.at(-1)!.after).toMatchObject({ phase: 'completed', executed: [[1, 1], [5, 5], [3, 3]], failed: [2, 4], fault: null })
  })

  test('a step says who, when and why', async () => {
    const [opened] = await historyOf()
    expect(opened).toMatchObject({ aggregate: 'group', id: group, revision: 1, actor: 'person:ada', command, cause: { aggregate: 'instruction', id: command, revision: 1 }, incarnation: 3, event: { type: 'GroupOpened' } })
  })

  test('the file tells the same as the live log', async () => {
    expect(await all(recordedOfGroup(fromFile, subjects, group))).toEqual(await historyOf())
    expect(await all(recordedOfAgent(fromFile, subjects, 'a2'))).toEqual(await all(recordedOfAgent(story.read, subjects, 'a2', await until())))
  })

  test('walking back gives what walking forward gave, in any order of steps', async () => {
    const history = await historyOf()
    const walk = new Walk(history, groupFolding(group))
    const forward = history.map((_, index) => walk.step(index + 1))
    for (const n of [26, 1, 13, 12, 25, 2, 26, 7]) expect(walk.step(n)).toEqual(forward[n - 1])
    expect(() => walk.step(0)).toThrow('there are steps 1 to 26, no 0')
    expect(() => walk.step(27)).toThrow(RangeError)
  })

  test('a long history is walked by way of kept states, and none of them is changed', () => {
    // Counts its folds: a step far back costs at most one stretch between two kept states.
    let folds = 0
    const folding: Folding<{ seen: number[] }, number> = {
      empty: () => ({ seen: [] }),
      fold: (state, { revision }) => {
        folds += 1
        state.seen.push(revision)
      },
      copy: ({ seen }) => ({ seen: [...seen] }),
      shown: ({ seen }) => seen.reduce((sum, revision) => sum + revision, 0),
    }
    const history = Array.from({ length: 5_000 }, (_, index) => ({ revision: index + 1, position: index + 1 }) as Recorded)
    const walk = new Walk(history, folding)
    const sum = (n: number) => (n * (n + 1)) / 2
    expect(walk.step(5_000)).toMatchObject({ before: sum(4_999), after: sum(5_000) })
    for (const n of [4_999, 2_500, 256, 257, 255, 1, 5_000]) {
      folds = 0
      expect(walk.step(n)).toMatchObject({ before: sum(n - 1), after: sum(n) })
      expect(folds).toBeLessThanOrEqual(5_000 / 16 + 2)
    }
  })

  test('points of the log', async () => {
    const history = await historyOf()
    const within = (text: string) => history.filter((recorded) => isBefore(parseAt(text), recorded)).length
    expect(within('r9')).toBe(9)
    expect(within(String(history[8]!.position))).toBe(9)
    // Both events of a commit stand at one position.
    expect(within(String(history[9]!.position))).toBe(11)
    expect(within(new Date(history[8]!.timeMs).toISOString())).toBe(9)
    expect(within('r999')).toBe(26)
  })

  test('a group or an agent that is not there is refused in one line', async () => {
    await expect(all(recordedOfGroup(story.read, subjects, `${lane}-01J00000000000000000000000`, await until()))).rejects.toMatchObject({ name: 'ReplayRefused', code: 'unknown-group' })
    await expect(all(recordedOfGroup(story.read, subjects, 'nothing'))).rejects.toMatchObject({ code: 'unknown-group' })
    await expect(all(recordedOfGroup(story.read, subjects, 'no group'))).rejects.toMatchObject({ code: 'malformed' })
    await expect(all(recordedOfAgent(story.read, subjects, 'nobody', await until()))).rejects.toMatchObject({ code: 'unknown-agent', message: expect.stringMatching(/^the log knows nothing of an agent nobody: /) })
    await expect(all(recordedOfAgent(story.read, subjects, 'a.b'))).rejects.toMatchObject({ name: 'MalformedId' })
  })
})

test("an agent's history: when it led, what it held, what became of its jobs", async () => {
  const steps = async (agent: string) => all(stepsOf(recordedOfAgent(story.read, subjects, agent, await until()), agentFolding(agent)))
  const first = await steps('a1')
  expect(first.map(({ event }) => event.type)).toEqual(['AgentStarted', 'LeaderElected', 'LaneTaken', 'JobsAssigned', 'LockGranted', 'AgentLost', 'LeaderElected', 'LaneTaken', 'LockReturned'])
  expect(first[4]!.after).toMatchObject({ phase: 'started', leading: 2, lanes: [lane], holding: [{ group, grant: 6, left: 1 }], assigned: 1 })
  expect(first.at(-1)!.after).toEqual({ agent: 'a1', phase: 'lost', instance: 'a1-i', role: 'generic', build: 'b1', leading: null, lanes: [], holding: [], assigned: 1, succeeded: 0, failed: 0, unknown: 0 })
  const second = await steps('a2')
  expect(second.at(-1)!.after).toMatchObject({ phase: 'started', leading: 3, lanes: [lane], holding: [], assigned: 3, succeeded: 3, failed: 1, unknown: 1 })
  for (const [index, step] of second.entries()) if (index > 0) expect(step.before).toEqual(second[index - 1]!.after)
})

describe('why', () => {
  const types = (why: Why) => why.links.map((link) => (link.kind === 'call' ? `call ${link.token.revision} ${link.endedBy}` : link.event.type))
  const why = async (job: number) => whyJob(story.read, subjects, group, job, await until())

  test('from the instruction to the write at the site, over a lost grant', async () => {
    const told = await why(1)
    expect(types(told)).toEqual([
      'InstructionTaken', 'GroupOpened', 'JobsAdded', 'GroupSealed', 'JobsAssigned', 'LockGranted', 'call 6 LockReturned', 'LockReturned', 'JobsAssigned', 'LockGranted', 'call 9 JobSucceeded', 'JobSucceeded',
    ])
    expect(told).toMatchObject({ group, job: 1, chain: [1], retriedAs: null, missing: [] })
    expect(told.links.find((link) => link.kind === 'call' && link.endedBy === 'JobSucceeded')).toEqual({
      kind: 'call', job: 1, site: 'site-a', service: 'vm-1', operation: { name: 'start' }, agent: 'a2', instance: 'a2-i', token: { scope: group, incarnation: 3, revision: 9 }, idempotencyKey: `${group}/1`, endedBy: 'JobSucceeded',
    })
    // Of a part and of an assignment, only what concerns the job.
    expect(told.links.find((link) => link.kind === 'event' && link.event.type === 'JobsAssigned')).toMatchObject({ event: { data: { assignments: [{ first: 1, last: 1, agent: 'a1' }] } } })
    for (const link of told.links) if (link.kind === 'event' && link.event.type === 'JobsAdded') expect(link).toMatchObject({ event: { data: { part: 1, jobs: [{ service: 'vm-1' }] } } })
  })

  test('over retries: the chain goes back to the job that was asked for', async () => {
    const told = await why(5)
    expect(told.chain).toEqual([2, 4, 5])
    expect(types(told).slice(4)).toEqual([
      'JobsAssigned', 'LockGranted', 'call 11 JobFailed', 'JobFailed', 'GroupBlocked', 'JobRetried', 'LockGranted', 'call 16 JobUnknown', 'JobUnknown', 'GroupBlocked', 'JobResolved', 'JobRetried', 'LockGranted', 'call 22 JobSucceeded', 'JobSucceeded',
    ])
    expect(told.links.filter((link) => link.kind === 'call').map(({ job, idempotencyKey, service }) => [job, idempotencyKey, service])).toEqual([2, 4, 5].map((job) => [job, `${group}/${job}`, 'vm-2']))
    expect((await why(2)).retriedAs).toBe(4)
    expect((await why(4)).retriedAs).toBe(5)
    expect(types(await why(2)).at(-1)).toBe('GroupBlocked')
  })

  test('what let a lock be granted is the success of the job before', async () => {
    const told = await why(3)
    const lock = told.links.find((link) => link.kind === 'event' && link.event.type === 'LockGranted')
    expect(lock).toMatchObject({ job: 3, revision: 24, enabledBy: { job: 5, revision: 23 } })
    expect(told.links.at(-1)).toMatchObject({ event: { type: 'JobSucceeded', data: { already: true } } })
  })

  test('a file of one lane says what is missing in it; a whole one gives the same as the live log', async () => {
    expect(canonicalJson(await whyJob(fromFile, subjects, group, 5))).toBe(canonicalJson(await why(5)))
    const told = await whyJob(fromLanes, subjects, group, 5)
    expect(told.missing).toEqual([{ aggregate: 'instruction', id: command, revision: 1 }])
    expect(types(told)).toEqual(types(await why(5)).slice(1))
  })

  test('without order: each call has the scope of its chain (P22), nothing was waited for, and a run of cancelled jobs says nothing of one that is granted', async () => {
    const own = new Story()
    const id = groupId(lane, newUlid(1_800_000_000_500, systemRandom))
    const ofGroup = (events: readonly RecordedEvent[]) => own.turn(subjects.lane(lane), 'group', id, 'agent:a1', events)
    await ofGroup(readyWith({ order: 'none' }, [spec, spec, spec, spec])) // 1-4
    await ofGroup([granted([[1, 1]]), granted([[2, 2]]), failed(1, 5), blocked(1), retried(5, 1), { type: 'GroupUnblocked', data: {} }]) // 5-10
    await ofGroup([granted([[5, 5]]), cancelRequested, cancelled([3, 4]), succeeded(5, 11), succeeded(2, 6), groupCancelled]) // 11-16
    const end = await own.coordinator.log.end()
    const told = async (job: number) => whyJob(own.read, subjects, id, job, end)
    const retry = await told(5)
    expect(retry.chain).toEqual([1, 5])
    expect(retry.links.filter((link) => link.kind === 'call').map(({ job, token, idempotencyKey, endedBy }) => [job, token.scope, token.revision, idempotencyKey, endedBy])).toEqual([
      [1, `${id}/1`, 5, `${id}/1`, 'JobFailed'], [5, `${id}/1`, 11, `${id}/5`, 'JobSucceeded'],
    ])
    expect(retry.links.every((link) => link.kind === 'call' || link.enabledBy === undefined)).toBe(true)
    expect(types(await told(2)).slice(-3)).toEqual(['LockGranted', 'call 6 JobSucceeded', 'JobSucceeded'])
    expect(types(await told(3)).at(-1)).toBe('JobsCancelled')
    const steps = await all(stepsOf(recordedOfGroup(own.read, subjects, id, end), groupFolding(id)))
    expect(steps[10]!.after).toMatchObject({ executing: [[2, 2], [5, 5]], locks: [{ grant: 6 }, { grant: 11 }], notKnown: [] })
    await own.coordinator.close()
  })

  test('a graph that compensates, opened by a trigger: what was waited for, and what is undone because of what', async () => {
    const own = new Story()
    const run = newUlid(1_800_000_000_500, systemRandom)
    const id = groupId(lane, run)
    const ofGroup = (actor: string, events: readonly RecordedEvent[], more?: { readonly cause: Cause }) => own.turn(subjects.lane(lane), 'group', id, actor, events, more)
    await own.turn(subjects.aggregate('trigger', 'nightly'), 'trigger', 'nightly', 'agent:a1', [{ type: 'TriggerDue', data: { atMs: 1_800_000_000_500, verdict: 'run', command: run } }])
    await own.turn(subjects.aggregate('instruction', run), 'instruction', run, 'agent:a1', [{ type: 'InstructionTaken', data: { lane, plan: 'a'.repeat(64), text: 'nightly' } }], { cause: { aggregate: 'trigger', id: 'nightly', revision: 1 } })
    const undone = { ...spec, compensate: { name: 'stop' as const } }
    await ofGroup('agent:a1', readyWith({ order: 'graph', onFailure: 'compensate' }, [undone, undone, { ...spec, after: [[1, 1]] }]), { cause: { aggregate: 'instruction', id: run, revision: 1 } }) // 1-4
    await ofGroup(`lane:${lane}`, [granted([[1, 1]])]) // 5
    await ofGroup('agent:a1', [succeeded(1, 5), granted([[2, 2]])]) // 6 7
    await ofGroup('agent:a1', [succeeded(2, 7), granted([[3, 3]])]) // 8 9
    await ofGroup('agent:a1', [failed(3, 9), { type: 'CompensationBegun', data: { job: 3, of: [[2, 1]] } }]) // 10 11
    await ofGroup('agent:a1', [granted([[4, 4]])]) // 12
    await ofGroup('agent:a1', [succeeded(4, 12), granted([[5, 5]])]) // 13 14
    await ofGroup('agent:a1', [succeeded(5, 14), { type: 'GroupCompensated', data: {} }]) // 15 16
    const end = await own.coordinator.log.end()
    expect((await replayGroup(own.read, subjects, id, { kind: 'end' }, end)).state).toMatchObject({ phase: 'compensated', fault: null })
    const of = (job: number) => whyJob(own.read, subjects, id, job, end)

    const third = await of(3)
    expect(types(third).slice(0, 3)).toEqual(['TriggerDue', 'InstructionTaken', 'GroupOpened'])
    // Job 2 ended later, and was not waited for.
    expect(third.links.find((link) => link.kind === 'event' && link.event.type === 'LockGranted')).toMatchObject({ revision: 9, enabledBy: { job: 1, revision: 6 } })
    const fifth = await of(5)
    expect(fifth).toMatchObject({ chain: [5], undoes: 1, missing: [] })
    expect(types(fifth).slice(2)).toEqual(['GroupOpened', 'GroupSealed', 'JobFailed', 'CompensationBegun', 'LockGranted', 'call 14 JobSucceeded', 'JobSucceeded'])
    expect(fifth.links.find((link) => link.kind === 'event' && link.event.type === 'CompensationBegun')).toMatchObject({ event: { data: { job: 3, of: [[1, 1]] } } })
    expect(fifth.links.find((link) => link.kind === 'call')).toMatchObject({ job: 5, operation: { name: 'stop' }, idempotencyKey: `${id}/5` })
    expect((await of(4)).undoes).toBe(2)
    await expect(of(6)).rejects.toMatchObject({ code: 'unknown-job', message: `group ${id} has jobs 1 to 5, no 6` })
    await own.coordinator.close()
  })

  test('a job that is not there', async () => {
    await expect(why(6)).rejects.toMatchObject({ name: 'ReplayRefused', code: 'unknown-job', message: `group ${group} has jobs 1 to 5, no 6` })
  })
})

describe('on a terminal', () => {
  test('keys', () => {
    const press = (...keys: readonly string[]) => keys.reduce((n, key) => whereTo(key, n, 26) as number, 5)
    expect(press('right', 'n', 'left', 'down')).toBe(7)
    expect(press('p', 'up')).toBe(3)
    expect(press('G', 'right')).toBe(26)
    expect(press('g', 'left')).toBe(1)
    expect(press('pagedown', 'pagedown', 'pagedown')).toBe(26)
    expect(press('pageup')).toBe(1)
    for (const key of ['q', 'ctrl-c', 'escape', 'closed']) expect(whereTo(key, 5, 26)).toBe('end')
    expect(whereTo('x', 5, 26)).toBeUndefined()
  })

  test('a panel says the event and what it changed, and no line is wider than the screen', async () => {
    const walk = new Walk(await historyOf(), groupFolding(group))
    for (const columns of [30, 80, 200]) {
      for (let n = 1; n <= walk.length; n++) {
        for (const line of panelOf(walk.step(n), n, walk.length, groupShows, columns)) expect(stringWidth(line)).toBeLessThanOrEqual(columns)
      }
    }
    const panel = panelOf(walk.step(23), 23, walk.length, groupShows, 120)
    expect(panel[0]).toMatch(/^group a group +step 23 of 26$/)
    expect(panel.join('\n')).toMatch(/^JobSucceeded$/m)
    expect(panel.join('\n')).toMatch(/^settled +1 of 3 → 2 of 3$/m)
    expect(panel.join('\n')).toMatch(/^lock +22 of a2 \(a2-i\) → -$/m)
    expect(panel.join('\n')).toMatch(/^queue {2}✔✔·$/m)
  })

  test('a queue too long for the screen is counted', () => {
    const state = exclusiveStateOf({ ...absentGroup(group), phase: 'running', jobsAnnounced: 500, queue: [[1, 500]], queued: 500, headRun: 0, head: 101, headLast: 500, position: 100 })
    expect(queuePicture({ ...state, failed: [], unknown: null }, 80)).toBe('queue  ✔×100 ·×400')
    expect(queuePicture({ ...state, failed: [], unknown: null }, 600)).toBe(`queue  ${'✔'.repeat(100)}${'·'.repeat(400)}`)
  })

  test('text is cut by its width', () => {
    expect(cutTo('abc', 3)).toBe('abc')
    expect(cutTo('abcd', 3)).toBe('ab…')
    expect(cutTo('桌面桌面', 5)).toBe('桌面…')
    expect(cutTo('abc', 0)).toBe('')
  })
})
