import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shareEqualParts } from '../../streams/shared-jobs.ts'

const part = fc.oneof(
  fc.record({ name: fc.constantFrom('start', 'rename'), to: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }) }),
  fc.record({ need: fc.constantFrom('required', 'preferred'), name: fc.constantFrom('a', 'b') }),
  fc.constantFrom('a long enough name of a site', 'another', null, 1),
  fc.array(fc.nat(2), { maxLength: 2 }),
  fc.constantFrom<unknown>({}, { 0: 1 }),
  fc.record({ deep: fc.record({ name: fc.constantFrom('a', 'b') }) }),
)
const job = fc.oneof(
  { weight: 9, arbitrary: fc.record({ site: part, service: part, operation: part, skill: part, compensate: part, after: part }, { requiredKeys: ['site'] }) },
  { weight: 1, arbitrary: fc.constantFrom(null, 1, 'job', []) },
)

it('changes nothing of what is said', () => {
  fc.assert(
    fc.property(fc.array(job), (jobs) => {
      const text = JSON.stringify(jobs)
      const read = JSON.parse(text) as unknown
      shareEqualParts(read)
      expect(JSON.stringify(read)).toBe(text)
    }),
  )
})

it('keeps once what a job says as the one before it', () => {
  const jobs = JSON.parse(JSON.stringify([1, 2, 3].map((number) => ({ site: 's', service: `${number}`, operation: { name: 'rename', to: number < 3 ? 'a' : 'b' }, skill: { name: 'x', need: 'required' }, repeatable: true })))) as {
    readonly operation: object
    readonly skill: object
  }[]
  shareEqualParts(jobs)
  expect(jobs[1]!.operation).toBe(jobs[0]!.operation)
  expect(jobs[2]!.operation).not.toBe(jobs[0]!.operation)
  expect(jobs[2]!.skill).toBe(jobs[0]!.skill)
})

it.each([undefined, null, 'jobs', 1, {}])('of %j nothing is shared', (value) => {
  expect(() => shareEqualParts(value)).not.toThrow()
})
