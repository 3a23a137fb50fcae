/** What an executor is told of its grants fits into one message, whatever the details of its jobs take; the rest comes with its next lists (P6). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { sizeBytes } from '../../machines/execution-group/limits.ts'
import { grantLimitBytes, grantsLimitBytes } from '../../src/lane/dispatch.ts'
import type { GrantRef, OutcomeReport, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { Stage } from './stage.ts'

type Taken = Extract<WorkAnswer, { kind: 'taken' }>
let stage: Stage
beforeEach(async () => {
  stage = new Stage()
  await stage.found()
  await stage.hold('a')
})
afterEach(() => stage.end())

const bytesOfJob = 6_000
const largeJob: JobSpec = { site: 'site-1', service: 's'.repeat(bytesOfJob), operation: { name: 'rehearse' }, repeatable: true }
const jobsOfPart = 10

/** In the queue of e. */
async function openLarge(parts: number, window: number, order: 'strict' | 'none' = 'strict'): Promise<string> {
  const group = stage.newGroup()
  const count = parts * jobsOfPart
  const body = stage.openBody(count, { window, parts, ...(order === 'none' ? { order } : {}) })
  await stage.command(group, body)
  const { plan } = body as { readonly plan: string }
  for (let part = 1; part <= parts; part++) await stage.command(group, { kind: 'add', plan, part, jobs: Array.from({ length: jobsOfPart }, () => largeJob) })
  const { revision } = await stage.command(group, { kind: 'seal', plan })
  await stage.command(group, { kind: 'assign', assignments: [{ first: 1, last: count, agent: 'e' }], ifRevision: revision })
  return group
}

async function work(more: Partial<WorkRequest> = {}): Promise<Taken> {
  const { heard, ended } = stage.ask('work', stage.work('e', more))
  await stage.drive(ended)
  return heard.at(-1) as Taken
}
const refsOf = (...answers: readonly Taken[]): GrantRef[] => answers.flatMap(({ grants }) => grants.map(({ group, grant }) => ({ group, grant })))
const outcomesOf = ({ grants }: Taken): OutcomeReport[] => grants.flatMap(({ group, grant, jobs }) => jobs.map(({ job }) => ({ group, grant, job, outcome: { kind: 'succeeded' } as const })))

test.each(['strict', 'none'] as const)('a window of large jobs, order %s: as many in one grant as one message takes, and the next ones after them', async (order) => {
  await openLarge(10, 1_000, order)
  let next = 1
  for (let said: Taken = await work({ capacity: 1 }); next <= 100; said = await work({ capacity: 1, outcomes: outcomesOf(said) })) {
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
  const answers: Taken[] = []
  while (refsOf(...answers).length < groups.length) {
    const said = await work({ capacity: 64, held: refsOf(...answers) })
    expect(said.grants.length).toBeGreaterThan(0)
    expect(sizeBytes(said)).toBeLessThanOrEqual(grantsLimitBytes + 1_000)
    answers.push(said)
  }
  expect(refsOf(...answers).map(({ group }) => group).sort()).toEqual([...groups].sort())
  // An executor that lost all of them, as after a break of its connection: they are told anew, a message at a time.
  const again: Taken[] = []
  while (refsOf(...again).length < groups.length) {
    const said = await work({ capacity: 64, held: refsOf(...again) })
    expect(said.grants.length).toBeGreaterThan(0)
    expect(sizeBytes(said)).toBeLessThanOrEqual(grantsLimitBytes + 1_000)
    again.push(said)
  }
  expect(again.length).toBeGreaterThan(1)
  expect(new Set(refsOf(...again).map(({ group }) => group)).size).toBe(groups.length)
})
