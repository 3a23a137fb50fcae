/** What an executor says to the holder of a lane, where that is its own process (P2, P6). */
import { expect, it } from 'vitest'
import { textLimitBytes } from '../../machines/execution-group/limits.ts'
import { LaneLink, type LaneLinkOptions } from '../../src/executor/lane-link.ts'
import type { LaneClient } from '../../src/lane/client.ts'
import type { OutcomeReport, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { VirtualTime, clockOf } from '../simulation/virtual-time.ts'

const taken = { kind: 'taken', number: 1, grants: [], stops: [], queued: 0 } satisfies WorkAnswer
const unasked: LaneClient = { work: () => Promise.reject(new Error('the holder is here')), send: () => Promise.reject(new Error('no command is sent')) }

/** Which has room for one and holds nothing. */
function linkAt(time: VirtualTime, more: Partial<LaneLinkOptions>): LaneLink {
  return new LaneLink({
    lane: 'here-1',
    agent: 'a',
    clock: clockOf(time),
    client: unasked,
    incarnation: 1,
    workHere: () => undefined,
    instance: () => 'i',
    formerInstances: () => [],
    capacity: () => 1,
    held: () => [],
    onGrants: () => {},
    onSettled: () => {},
    ...more,
  })
}

it('a holder in the same process that ends without an answer is not waited for: what is not acknowledged is said again', async () => {
  const time = new VirtualTime()
  const requests: WorkRequest[] = []
  const link = linkAt(time, {
    // The first holder was replaced and dropped what it had gathered, answers too; the announcement of the next one was lost.
    workHere: (_lane, request) => {
      requests.push(request)
      return requests.length === 1 ? new Promise<WorkAnswer>(() => {}) : Promise.resolve(taken)
    },
  })
  link.report([{ group: 'here-1-x', grant: 1, job: 1, outcome: { kind: 'succeeded' } }])
  await time.run(() => !link.unsettled, { steps: 1_000, untilMs: 10_000 })
  expect(link.unsettled).toBe(false)
  expect(requests).toHaveLength(2)
  expect(requests[1]!.outcomes).toHaveLength(1)
  link.close()
})

it('lists are bounded by bytes, and reasons cut, before they are sent: what is left goes in the next ones, in its order', async () => {
  const time = new VirtualTime()
  const requests: WorkRequest[] = []
  const link = linkAt(time, {
    workHere: (_lane, request) => {
      requests.push(request)
      return Promise.resolve(taken)
    },
  })
  const reports = Array.from({ length: 400 }, (_, index): OutcomeReport => ({ group: 'here-1-x', grant: 1, job: index + 1, outcome: { kind: 'failed', reason: { code: 'refused', text: 'ö'.repeat(5_000) } } }))
  link.report(reports)
  await time.run(() => !link.unsettled, { steps: 10_000, untilMs: 10_000 })
  expect(requests.flatMap(({ outcomes }) => outcomes.map(({ job }) => job))).toEqual(reports.map(({ job }) => job))
  for (const request of requests) expect(Buffer.byteLength(JSON.stringify(request))).toBeLessThan(300 * 1024)
  for (const { outcome } of requests.flatMap(({ outcomes }) => outcomes)) {
    expect(outcome.kind === 'failed' && Buffer.byteLength(outcome.reason.text) <= textLimitBytes).toBe(true)
  }
  link.close()
})

it('a lock is given back only when all that was done under it is said, however many lists that takes; until then it is held (P6, P19)', async () => {
  const time = new VirtualTime()
  const requests: WorkRequest[] = []
  const link = linkAt(time, {
    // The second list gets no answer, and is said again.
    workHere: (_lane, request) => {
      requests.push(structuredClone(request))
      return requests.length === 2 ? new Promise<WorkAnswer>(() => {}) : Promise.resolve(taken)
    },
    capacity: () => 8,
    held: () => [ref('held')],
  })
  link.report(successes('done', 900))
  link.report([], ref('not-begun'))
  // Each half done when it was stopped: one whose outcomes are cut by the list, one behind it.
  link.report(successes('cut', 1_000), ref('cut'))
  link.report(successes('behind', 900), ref('behind'))
  await time.run(() => !link.unsettled, { steps: 10_000, untilMs: 10_000 })
  link.close()
  expect(requests.map(({ outcomes }) => outcomes.length)).toEqual([1_000, 1_000, 1_000, 800])
  const all = ['done', 'cut', 'behind'].flatMap((group) => successes(group, group === 'cut' ? 1_000 : 900))
  expect([0, 2, 3].flatMap((list) => requests[list]!.outcomes)).toEqual(all)
  expect(requests.map(({ stopped }) => stopped)).toEqual([[ref('not-begun')], [ref('cut')], [ref('cut')], [ref('behind')]])
  // What is finished and not said is not told to be missing: it would be sent again.
  expect(requests.map(({ held }) => held)).toEqual([[ref('held'), ref('cut'), ref('behind')], [ref('held'), ref('behind')], [ref('held'), ref('behind')], [ref('held')]])
})

it.each([
  ['the holder has heard it', taken, false],
  ['nobody holds the lane', { kind: 'no-answer', why: 'no-holder' }, false],
  ['nobody has answered', { kind: 'no-answer', why: 'timeout' }, true],
] as const)('room that was offered is offered until %s', async (_what, answer, offers) => {
  const time = new VirtualTime()
  const requests: unknown[] = []
  let capacity = 4
  /** Whoever waits for it hears so. */
  let told = false
  const link = linkAt(time, {
    client: {
      ...unasked,
      work: (_lane, request) => {
        requests.push(request)
        return Promise.resolve(request.capacity > 0 ? taken : answer)
      },
    },
    capacity: () => capacity,
    onSettled: () => void (told ||= !link.offers),
  })
  await time.run(() => requests.length === 1, { steps: 1_000, untilMs: 10_000 })
  expect(link.offers).toBe(true)
  capacity = 0
  link.nudge()
  await time.run(() => requests.length === 2, { steps: 1_000, untilMs: 10_000 })
  await time.run(() => requests.length > 2, { steps: 1_000, untilMs: 500 })
  expect(link.offers).toBe(offers)
  expect(told).toBe(!offers)
  link.close()
})

const ref = (name: string) => ({ group: `here-1-${name}`, grant: 5 })
const successes = (name: string, jobs: number) => Array.from({ length: jobs }, (_, index): OutcomeReport => ({ ...ref(name), job: index + 1, outcome: { kind: 'succeeded' } }))
