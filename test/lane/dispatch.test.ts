/** What an executor is told of its grants fits into one message, whatever the details of its jobs take; the rest comes with its next lists (P6). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { sizeBytes } from '../../machines/execution-group/limits.ts'
import { grantLimitBytes, grantsLimitBytes } from '../../src/lane/dispatch.ts'
import type { GrantRef } from '../../streams/lane-protocol.ts'
import { Stage, type WorkTaken, jobsOf, successesOf } from './stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.heldBy('a')
})
afterEach(() => stage.end())

const bytesOfJob = 6_000
const largeJob: JobSpec = { site: 'site-1', service: 's'.repeat(bytesOfJob), operation: { name: 'rehearse' }, repeatable: true }
const jobsOfPart = 10

/** In the queue of e. */
function openLarge(parts: number, window: number, order: 'strict' | 'none' = 'strict'): Promise<string> {
  const jobs = Array.from({ length: parts }, () => jobsOf(jobsOfPart, largeJob))
  return stage.open(jobs, [{ first: 1, last: parts * jobsOfPart, agent: 'e' }], { window, ...(order === 'none' ? { order } : {}) })
}

const refsOf = (...answers: readonly WorkTaken[]): GrantRef[] => answers.flatMap(({ grants }) => grants.map(({ group, grant }) => ({ group, grant })))

test.each(['strict', 'none'] as const)('a window of large jobs, order %s: as many in one grant as one message takes, and the next ones after them', async (order) => {
  await openLarge(10, 1_000, order)
  let next = 1
  for (let said: WorkTaken = await stage.told('e', { capacity: 1 }); next <= 100; said = await stage.told('e', { capacity: 1, outcomes: successesOf(said) })) {
    const [grant] = said.grants
    expect(said.grants).toHaveLength(1)
    expect(grant!.jobs[0]!.job).toBe(next)
    expect(sizeBytes(grant)).toBeLessThanOrEqual(grantLimitBytes)
    if (next + grant!.jobs.length <= 100) expect(sizeBytes(grant)).toBeGreaterThan(grantLimitBytes - 2 * bytesOfJob)
    next += grant!.jobs.length
  }
  expect(next).toBe(101)
})

test('many grants of large jobs: each list is answered with what one message takes, until all are told', async () => {
  const groups: string[] = []
  for (let count = 0; count < 16; count++) groups.push(await openLarge(1, jobsOfPart))
  const answers: WorkTaken[] = []
  while (refsOf(...answers).length < groups.length) {
    const said = await stage.told('e', { capacity: 64, held: refsOf(...answers) })
    expect(said.grants.length).toBeGreaterThan(0)
    expect(sizeBytes(said)).toBeLessThanOrEqual(grantsLimitBytes + 1_000)
    answers.push(said)
  }
  expect(refsOf(...answers).map(({ group }) => group).sort()).toEqual([...groups].sort())
  // An executor that lost all of them, as after a break of its connection: they are told anew, a message at a time.
  const again: WorkTaken[] = []
  while (refsOf(...again).length < groups.length) {
    const said = await stage.told('e', { capacity: 64, held: refsOf(...again) })
    expect(said.grants.length).toBeGreaterThan(0)
    expect(sizeBytes(said)).toBeLessThanOrEqual(grantsLimitBytes + 1_000)
    again.push(said)
  }
  expect(again.length).toBeGreaterThan(1)
  expect(new Set(refsOf(...again).map(({ group }) => group)).size).toBe(groups.length)
})
