/** P16: what is reckoned without making the JSON is never less than what it takes, and of what jobs say not much more. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobSpec } from '../../../machines/execution-group/events.ts'
import { mostBytes, mostSpecBytes, sizeBytes } from '../../../machines/execution-group/limits.ts'

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('"\\\n\u0001', '\ud800', 'é'.repeat(40), 'x'.repeat(11), '\u0001'.repeat(10)))
const json = fc.jsonValue({ depthSize: 'small' })
const named = fc.record({ name: text, user: fc.oneof(text, json) }, { requiredKeys: ['name'] })
const spec = fc.record({ site: text, service: text, operation: named, repeatable: fc.boolean(), skill: named, after: json, compensate: named }, { requiredKeys: [] })

test('of anything that JSON can say', () => {
  fc.assert(fc.property(json, (value) => {
    expect(mostBytes(value)).toBeGreaterThanOrEqual(sizeBytes(value))
  }))
})

test('of a job, whatever its texts', () => {
  const sayings = fc.record({ site: text, service: text, operation: fc.record({ name: text, user: text }, { requiredKeys: ['name'] }), skill: fc.record({ name: text, need: text }) }, { requiredKeys: [] })
  fc.assert(
    fc.property(sayings, (value) => {
      expect(mostSpecBytes(value as JobSpec)).toBeGreaterThanOrEqual(sizeBytes(value))
    }),
    { numRuns: 1_000 },
  )
})

test('of a job that a newer program wrote', () => {
  const odd = fc.dictionary(fc.oneof(text, fc.constantFrom('site', 'service', 'operation', 'skill', 'repeatable')), json)
  fc.assert(fc.property(spec, odd, (known, unknown) => {
    const value = { ...known, ...unknown } as unknown as JobSpec
    expect(mostSpecBytes(value)).toBeGreaterThanOrEqual(sizeBytes(value))
  }))
})

test('of a job as nearly all are, at most two and a half times what it takes', () => {
  const usual: JobSpec = { site: 'site-1', service: 'desktop-000123', operation: { name: 'start' }, skill: { name: 'vsphere', need: 'required' }, repeatable: true }
  expect(mostSpecBytes(usual)).toBeLessThan(sizeBytes(usual) * 2.5)
})
