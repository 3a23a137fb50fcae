/** Who is passed over because it does not ask for what waits for it: only who holds no lock while one group stands still. In virtual time. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { foldInto } from '../../machines/execution-group/evolve.ts'
import { type GroupState, absentGroup } from '../../machines/execution-group/state.ts'
import type { AgentContext } from '../../src/agent/context.ts'
import { QueueWatch, queueWatchTimes } from '../../src/leader/queue-watch.ts'
import { PassedOver, passedOverMs } from '../../src/leader/passed-over.ts'
import type { RealmView } from '../../src/realm/view.ts'
import { groupId } from '../../streams/subjects.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { granted, ready, succeeded } from '../support/group-events.ts'

const { muteMs, lookMs } = queueWatchTimes
let time: VirtualTime
let watch: QueueWatch
let passedOver: PassedOver
let groups: GroupState[]
let changes: number
let holder: string
let quarantine: object | null
let here: Set<string>
/** What the view hears when it reads the log to its end. */
let late: () => void

beforeEach(() => {
  time = new VirtualTime()
  groups = []
  changes = 0
  holder = 'h-1'
  quarantine = null
  here = new Set(['a1'])
  late = () => {}
  const context = {
    clock: { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs, after: (delayMs: number, task: () => void) => time.after(delayMs, task) },
    logger: { warn() {} },
    coordinator: { bus: { link: 'connected' } },
  } as unknown as AgentContext
  const state = {
    lanes: { get: () => ({ holder: { instance: holder } }) },
    realm: {
      get quarantine() {
        return quarantine
      },
    },
  }
  const view = { state, current: async () => late() } as unknown as RealmView
  passedOver = new PassedOver(context.clock)
  watch = new QueueWatch({ context, passedOver, view, open: () => groups, ready: () => here, onChange: () => (changes += 1) })
})
afterEach(() => watch.stop())

/** A group with three jobs in the queue of a1. */
function group(lane: string, ...events: readonly GroupEvent[]): GroupState {
  const state = absentGroup(groupId(lane, `01J0000000000000000000${String(groups.length).padStart(4, '0')}`))
  for (const event of [...ready(), ...events]) foldInto(state, event)
  expect(state.fault).toBeNull()
  groups.push(state)
  return state
}
const pass = (durationMs: number) => {
  let over = false
  time.after(durationMs, () => (over = true))
  return time.run(() => over, { steps: 100_000, untilMs: time.nowMs + durationMs + 1 })
}

it('who asks for nothing is passed over, for a while', async () => {
  group('here-1')
  await pass(muteMs)
  expect([passedOver.has('a1'), changes]).toEqual([false, 0])
  await pass(2 * lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([true, 1])
  groups = []
  await pass(passedOverMs)
  expect([passedOver.has('a1'), changes]).toEqual([false, 1])
})

it.each<[string, () => void]>([
  ['that holds another lock of the lane', () => void group('here-1', granted([[1, 1]]))],
  ['that is not here, or not ready', () => here.delete('a1')],
  ['while a quarantine holds every lock back', () => (quarantine = {})],
])('not one %s', async (_, given) => {
  group('here-1')
  given()
  await pass(3 * muteMs)
  expect([passedOver.has('a1'), changes]).toEqual([false, 0])
})

it('who is here again after a while has the whole time', async () => {
  group('here-1')
  here.delete('a1')
  await pass(3 * muteMs)
  here.add('a1')
  await pass(muteMs - lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([false, 0])
  await pass(3 * lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([true, 1])
})

it('a view that is late passes over nobody: what stands in the log counts', async () => {
  const state = group('here-1')
  let events = 5
  late = () => {
    foldInto(state, granted([[1, 1]]))
    foldInto(state, succeeded(1, events))
    late = () => {}
    events = 0
  }
  await pass(muteMs + 2 * lookMs)
  expect([events, passedOver.has('a1'), changes]).toEqual([0, false, 0])
  await pass(muteMs + 2 * lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([true, 1])
})

it('a lock of another lane is none of this one', async () => {
  group('here-1')
  group('here-2', granted([[1, 1]]))
  await pass(muteMs + 2 * lookMs)
  expect(passedOver.has('a1')).toBe(true)
})

it('time counts anew when something happens in the group, or another holds the lane', async () => {
  const state = group('here-1')
  await pass(muteMs - lookMs)
  for (const event of [granted([[1, 1]]), succeeded(1, 5)]) foldInto(state, event)
  await pass(muteMs - lookMs)
  holder = 'h-2'
  await pass(muteMs - lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([false, 0])
  await pass(3 * lookMs)
  expect([passedOver.has('a1'), changes]).toEqual([true, 1])
})
