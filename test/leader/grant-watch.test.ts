/** How a leader asks after open grants without a word: few at once, after one look at the log a round, and as the newest leader only (I9, P27). */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import { overdueAtMs } from '../../machines/placement/overdue.ts'
import type { AgentContext } from '../../src/agent/context.ts'
import { GrantWatch, grantWatchTimes } from '../../src/leader/grant-watch.ts'
import { PassedOver } from '../../src/leader/passed-over.ts'
import type { RealmView } from '../../src/realm/view.ts'
import type { AbortRequest } from '../../streams/agent-messages.ts'
import { fromBytes, toBytes } from '../../streams/coordination.ts'
import type { Asked } from '../../streams/ports/bus.ts'
import { groupId, laneOfGroup, subjectsOf } from '../../streams/subjects.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { granted, ready } from '../support/group-events.ts'

const epoch = 7
const callDeadlineMs = 10_000
let time: VirtualTime
let watch: GrantWatch
let groups: Map<string, GroupState>
/** By whoever is asked, until it answers. */
let asked: { readonly request: AbortRequest; readonly answer: (asked: Asked) => void }[]
let looks: number
let full: boolean
let newestEpoch: number
let removed: string[]
let lines: { readonly level: 'debug' | 'warn'; readonly step: unknown }[]

beforeEach(() => {
  time = new VirtualTime()
  groups = new Map()
  asked = []
  removed = []
  lines = []
  looks = 0
  full = false
  newestEpoch = epoch
  const clock = { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs, after: (delayMs: number, task: () => void) => time.after(delayMs, task) }
  const context = {
    clock,
    subjects: subjectsOf('reeve'),
    logger: { debug: ({ step }: { readonly step: unknown }) => lines.push({ level: 'debug', step }), info() {}, warn: ({ step }: { readonly step: unknown }) => lines.push({ level: 'warn', step }), error: (fields: { readonly err: Error }) => expect.unreachable(fields.err.stack) },
    coordinator: {
      bus: { link: 'connected', ask: (_subject: string, data: Uint8Array) => new Promise<Asked>((answer) => asked.push({ request: fromBytes(data), answer })) },
      intake: {
        get full() {
          return full
        },
      },
      agents: { get: (key: string) => Promise.resolve({ key, revision: 1 }), remove: (key: string) => Promise.resolve(removed.push(key)) },
    },
  } as unknown as AgentContext
  const state = {
    lanes: { get: () => ({ holder: { instance: 'h-1' } }) },
    group: (id: string) => groups.get(id),
    realm: {
      get leader() {
        return { epoch: newestEpoch }
      },
    },
  }
  const view = { state, current: () => Promise.resolve((looks++, state)) } as unknown as RealmView
  watch = new GrantWatch({ context, passedOver: new PassedOver(context.clock), view, epoch, open: () => [...groups.values()], isHere: () => true, giveUp() {}, onChange() {} })
})
afterEach(() => watch.stop())

function openGrants(count: number): void {
  for (let index = 0; index < count; index++) {
    const id = groupId('here-1', `01J0000000000000000000${String(index).padStart(4, '0')}`)
    const state = absentGroup(id)
    for (const event of [...ready(), granted([[1, 1]])]) foldInto(state, event)
    expect(laneOfGroup(id)).toBe('here-1')
    groups.set(id, state)
  }
}
const pass = (durationMs: number) => {
  let over = false
  time.after(durationMs, () => (over = true))
  return time.run(() => over, { steps: 100_000, untilMs: time.nowMs + durationMs + 1 })
}
const overdueMs = overdueAtMs({ left: 1, callDeadlineMs }, 0) + 2 * grantWatchTimes.lookMs
const answerAll = (kind: 'running' | 'stopped') => asked.splice(0).map(({ request, answer }) => (answer({ kind: 'answer', data: toBytes({ kind }) }), request.group))

it('many at once: after one look at the log a round, at most 32 are asked after, the others in their turn, and each is warned of once', async () => {
  openGrants(80)
  await pass(overdueMs)
  expect([asked.length, looks]).toEqual([32, 1])
  expect(asked.every(({ request }) => request.epoch === epoch)).toBe(true)
  await pass(2 * grantWatchTimes.lookMs)
  expect([asked.length, looks]).toEqual([32, 1])
  const first = answerAll('running')
  await pass(grantWatchTimes.lookMs)
  const second = answerAll('running')
  await pass(grantWatchTimes.lookMs)
  const third = answerAll('running')
  expect([second.length, third.length, looks]).toEqual([32, 32, 3])
  expect(new Set([...first, ...second, ...third]).size).toBe(80)
  await pass(grantWatchTimes.lookMs)
  expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(80)
  expect(lines.filter(({ level }) => level === 'debug')).toHaveLength(16)
})

it('while the store of the log is full nobody is asked, and that time does not count', async () => {
  openGrants(1)
  await pass(overdueMs - 5 * grantWatchTimes.lookMs)
  full = true
  await pass(overdueMs)
  full = false
  await pass(overdueMs - 4 * grantWatchTimes.lookMs)
  expect([asked.length, looks]).toEqual([0, 0])
  await pass(4 * grantWatchTimes.lookMs)
  expect(asked).toHaveLength(1)
})

it.each([[epoch, 1], [epoch + 1, 0]])('a presence is ended by the newest leader only: epoch %i stands in the log', async (newest, count) => {
  openGrants(1)
  await pass(overdueMs)
  newestEpoch = newest
  for (let round = 0; round < 20; round++) {
    answerAll('running')
    await pass(grantWatchTimes.lookMs)
  }
  expect(lines.some(({ step }) => step === 'end-presence')).toBe(true)
  expect(removed.length > 0).toBe(count > 0)
})
