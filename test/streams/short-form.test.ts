/** What is said in short is read as what was said, whatever it was; and it is short. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { toBytes } from '../../streams/coordination.ts'
import { readGrants, readWorkAnswer, readWorkRequest } from '../../streams/lane-messages.ts'
import type { GrantMessage, OutcomeReport, WorkRequest } from '../../streams/lane-protocol.ts'
import { grantsInShort, outcomesInShort } from '../../streams/short-form.ts'

const groups = ['here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAW']
const group = fc.constantFrom(...groups)
const few = fc.integer({ min: 1, max: 3 })
const operation = fc.constantFrom<JobSpec['operation']>({ name: 'start' }, { name: 'rename', to: 'é' }, { name: 'assign', user: 'u' })
const spec: fc.Arbitrary<JobSpec> = fc.record(
  {
    site: fc.constantFrom('s', 't'),
    service: fc.string({ unit: 'binary' }),
    operation,
    repeatable: fc.boolean(),
    skill: fc.constantFrom<NonNullable<JobSpec['skill']>>({ name: 'x', need: 'required' }, { name: 'x', need: 'preferred' }),
    after: fc.constant([[1, 1] as const]),
    compensate: operation,
  },
  { requiredKeys: ['site', 'service', 'operation', 'repeatable'] },
)
/** What a newer program says of a job, and this build passes on. */
const newer = fc.record({ limits: fc.constantFrom<unknown>({ memory: 1 }, { disks: [1, 2] }, [1], { 0: 1 }, null, 'none') }, { requiredKeys: [] })
/** Most have jobs that follow one another and are alike; some have not. */
const jobs = fc.oneof(
  fc.tuple(few, fc.array(spec, { minLength: 1, maxLength: 3 })).map(([first, specs]) => specs.map((one, index) => ({ job: first + index, spec: { ...specs[0]!, service: one.service } }))),
  fc.tuple(spec, fc.array(newer, { minLength: 1, maxLength: 3 })).map(([one, more]) => more.map((other, index) => ({ job: index + 1, spec: { ...one, ...other } }))),
  fc.array(fc.record({ job: few, spec, chain: few }, { requiredKeys: ['job', 'spec'] }), { minLength: 1, maxLength: 3 }),
)
const grant: fc.Arbitrary<GrantMessage> = fc.record(
  { group, grant: few, agent: fc.constantFrom('a', 'b'), instance: fc.constantFrom('i', 'j'), incarnation: few, callDeadlineMs: few, unordered: fc.constant(true as const), jobs },
  { requiredKeys: ['group', 'grant', 'agent', 'instance', 'incarnation', 'callDeadlineMs', 'jobs'] },
)
const reason = { code: 'c', text: 't' }
const outcome = fc.constantFrom<OutcomeReport['outcome']>({ kind: 'succeeded' }, { kind: 'succeeded' }, { kind: 'succeeded', already: true }, { kind: 'failed', reason }, { kind: 'unknown', reason })
const report: fc.Arbitrary<OutcomeReport> = fc.record({ group, grant: few, job: few, outcome })

const message = { lane: 'here-1', incarnation: 1, number: 2, grants: [], stops: [] }
const request = { builtOn: { incarnation: 1, number: 2 }, agent: 'a', instance: 'i', capacity: 4, held: [], stopped: [] } satisfies Omit<WorkRequest, 'outcomes'>
const sizeOf = (value: unknown) => toBytes(value).length
/** Those that are in short come behind the others. */
const inAnyOrder = (grants: readonly GrantMessage[]) => grants.map((one) => JSON.stringify(sorted(one))).sort()

describe('the short form', () => {
  test('grants are read as they were meant, in a message and in an answer', () => {
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 12 }), (grants) => {
        const said = grantsInShort(grants)
        expect(inAnyOrder(readGrants(toBytes({ ...message, ...said })).grants)).toEqual(inAnyOrder(grants))
        const answer = readWorkAnswer(toBytes({ kind: 'taken', number: 2, queued: 0, stops: [], ...said }))
        expect(answer.kind === 'taken' && inAnyOrder(answer.grants)).toEqual(inAnyOrder(grants))
      }),
    )
  })

  test('outcomes are read as they were meant, in their order', () => {
    fc.assert(
      fc.property(fc.array(report, { maxLength: 30 }), (outcomes) => {
        expect(readWorkRequest(toBytes({ ...request, outcomes: outcomesInShort(outcomes) })).outcomes).toEqual(outcomes)
      }),
    )
  })

  test('grants of jobs that are alike take a sixth of what they take in full', () => {
    const jobSpec = { site: 'site-1', operation: { name: 'start' }, skill: { name: 'simulated', need: 'required' }, repeatable: true } as const
    const grants = Array.from({ length: 100 }, (_, index): GrantMessage => {
      const head = { group: groups[0]!, grant: 100 + index, agent: 'agent-1', instance: '01ARZ3NDEKTSV4RRFFQ69G5FAX', incarnation: 1, callDeadlineMs: 5_000, unordered: true } as const
      return { ...head, jobs: [{ job: index + 1, spec: { ...jobSpec, service: `desktop-${index}`, operation: { name: 'start' } } }] }
    })
    expect(sizeOf(grantsInShort(grants)) * 6).toBeLessThan(sizeOf({ grants }))
  })

  test('jobs of one grant that succeeded one after another are one entry, ten thousand of them too', () => {
    const outcomes = Array.from({ length: 10_000 }, (_, index): OutcomeReport => ({ group: groups[0]!, grant: 7, job: index + 1, outcome: { kind: 'succeeded' } }))
    const said = outcomesInShort(outcomes)
    expect(said).toEqual([[groups[0], 7, 1, 10_000]])
    expect(readWorkRequest(toBytes({ ...request, outcomes: said })).outcomes).toEqual(outcomes)
  })

  test('what a newer program says of a job is said in short too, and of alike jobs once', () => {
    const jobSpec = { site: 's', operation: { name: 'start' } as const, repeatable: true, priority: 3 }
    const grants = [1, 2].map((number): GrantMessage => ({ group: groups[0]!, grant: number, agent: 'a', instance: 'i', incarnation: 1, callDeadlineMs: 5, jobs: [{ job: number, spec: { ...jobSpec, service: `d ${number}` } }] }))
    expect(grantsInShort(grants).short).toMatchObject({ kinds: [{ spec: jobSpec }], grants: [[groups[0], 1, 0, 1, 'd 1'], ['', 2, 0, 2, 'd 2']] })
  })

  test.each([
    ['of too many jobs', [[groups[0], 7, 1, 10_001]]],
    ['of too many jobs together with those before it', [[groups[0], 7, 1, 9_000], ['', 8, 1, 1_001]]],
    ['that ends before it begins', [[groups[0], 7, 2, 1]]],
    ['of a job that is no number', [[groups[0], 7, 1, '1']]],
    ['of no group', [['', 7, 1, 1]]],
    ['of a group that is none', [['x', 7, 1, 1]]],
    ['without its last job', [[groups[0], 7, 1]]],
  ])('an outcome %s is malformed', (_what, outcomes) => {
    expect(() => readWorkRequest(toBytes({ ...request, outcomes }))).toThrow('documented form')
  })

  test.each([
    ['of no group', ['', 7, 0, 1, 's']],
    ['of a kind that is not there', [groups[0], 7, 1, 1, 's']],
    ['without a job', [groups[0], 7, 0, 1]],
    ['of a service that is no text', [groups[0], 7, 0, 1, 3]],
  ])('a grant %s is malformed', (_what, entry) => {
    const kinds = [{ spec: { site: 's', operation: { name: 'start' }, repeatable: true } }]
    const short = { agent: 'a', instance: 'i', incarnation: 1, callDeadlineMs: 5, kinds, grants: [entry] }
    expect(() => readGrants(toBytes({ ...message, short }))).toThrow('documented form')
  })
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}
