/** What an executor says to the holder of a lane, where that is its own process (P2, P6). */
import { expect, it } from 'vitest'
import { LaneLink } from '../../src/executor/lane-link.ts'
import type { WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'

it('a holder in the same process that ends without an answer is not waited for: what is not acknowledged is said again', async () => {
  const time = new VirtualTime()
  const requests: WorkRequest[] = []
  const link = new LaneLink({
    lane: 'here-1',
    agent: 'a',
    clock: { nowMs: () => Math.floor(time.nowMs), monotonicMs: () => time.nowMs, after: (delayMs, task) => time.after(delayMs, task) },
    client: { work: () => Promise.reject(new Error('the holder is here')), send: () => Promise.reject(new Error('no command is sent')) },
    incarnation: 1,
    // The first holder was replaced and dropped what it had gathered, answers too; the announcement of the next one was lost.
    workHere: (_lane, request) => {
      requests.push(request)
      return requests.length === 1 ? new Promise<WorkAnswer>(() => {}) : Promise.resolve({ kind: 'taken', number: 1, grants: [], stops: [], queued: 0 })
    },
    instance: () => 'i',
    capacity: () => 1,
    held: () => [],
    onGrants: () => {},
    onSettled: () => {},
  })
  link.report([{ group: 'here-1-x', grant: 1, job: 1, kind: 'succeeded' } as never])
  await time.run(() => !link.unsettled, { steps: 1_000, untilMs: 10_000 })
  expect(link.unsettled).toBe(false)
  expect(requests).toHaveLength(2)
  expect(requests[1]!.outcomes).toHaveLength(1)
  link.close()
})
