import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { partLimitBytes } from '../../machines/execution-group/decide/opening.ts'
import { partsOf } from '../../src/change/parts.ts'
import { planBytes } from '../../src/change/plan-bytes.ts'
import { canonicalBytes, digestOf } from '../../streams/codec.ts'

const job = (service: string, to = 'x'): JobSpec => ({ site: 's', service, operation: { name: 'rename', to }, repeatable: true })

test('P14: parts hold all jobs in order, each below the limit, as few as can be', () => {
  const jobs = Array.from({ length: 5_000 }, (_, index) => job(`d${index}`, '名'.repeat(index % 50)))
  const parts = partsOf(jobs)
  expect(parts.flat()).toEqual(jobs)
  for (const [index, part] of parts.entries()) {
    const bytes = Buffer.byteLength(JSON.stringify(part))
    expect(bytes).toBeLessThanOrEqual(partLimitBytes)
    if (index < parts.length - 1) expect(bytes + Buffer.byteLength(JSON.stringify(parts[index + 1]![0]))).toBeGreaterThan(partLimitBytes - 1_024)
  }
})

test('no jobs make no parts; one makes one', () => {
  expect(partsOf([])).toEqual([])
  expect(partsOf([job('a')])).toEqual([[job('a')]])
})

// For ever: another build must cut and digest a kept plan in the same way.
test('cuts and digests stay what they are', () => {
  const jobs = Array.from({ length: 3_000 }, (_, index) => job(`desktop-${index}`))
  expect(partsOf(jobs).map((part) => part.length)).toMatchInlineSnapshot(`
    [
      695,
      690,
      687,
      687,
      241,
    ]
  `)
  expect(digestOf(planBytes(jobs.slice(0, 3)))).toMatchInlineSnapshot(`"6b4a41b5b2d10b775d2ee01d6157ea8d0bc963a8f84804cfee7c59f1a58a23fa"`)
  expect(new TextDecoder().decode(planBytes([job('a', '"ü')]))).toBe('{"jobs":[{"operation":{"name":"rename","to":"\\"ü"},"repeatable":true,"service":"a","site":"s"}]}')
})

test('the bytes of a plan are RFC 8785', () => {
  const text = fc.string({ unit: 'grapheme' })
  const operation = fc.oneof(fc.record({ to: text, name: fc.constant('rename' as const) }), fc.record({ user: text, name: fc.constant('assign' as const) }), fc.constant({ name: 'start' as const }))
  const skill = fc.record({ need: fc.constantFrom('required' as const, 'preferred' as const), name: text })
  const spec = fc.record({ site: text, service: text, operation, skill, repeatable: fc.boolean() }, { requiredKeys: ['site', 'service', 'operation', 'repeatable'] })
  fc.assert(fc.property(fc.array(spec), (jobs) => Buffer.from(planBytes(jobs as JobSpec[])).equals(canonicalBytes({ jobs }))))
})
