/** A realm of format 1 holds nothing newer: the table of what format 1 holds, and what it holds back. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { RecordedEvent } from '../../../machines/events.ts'
import { formatOf, missingFormat } from '../../../machines/realm/shapes.ts'

const opened = { name: 'n', decision: 1, jobs: 1, parts: 1, plan: 'p', order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 100 }
const job = { site: 's', service: 'v', operation: { name: 'start' }, repeatable: true }
const event = (type: string, data: unknown): RecordedEvent => ({ type, data })

test('what format 1 holds needs no more', () => {
  expect(formatOf(event('GroupOpened', opened))).toBe(1)
  expect(formatOf(event('JobsAdded', { part: 1, jobs: [job, { ...job, skill: { name: 'x', need: 'required' } }] }))).toBe(1)
  expect(formatOf(event('JobSucceeded', { job: 1, grant: 3, already: true }))).toBe(1)
  expect(formatOf(event('JobSucceeded', { job: 1, grant: 3, already: undefined }))).toBe(1)
})

test.each([
  ['a type', event('GroupPaused', {})],
  ['a key', event('GroupOpened', { ...opened, priority: 3 })],
  ['a value', event('GroupOpened', { ...opened, order: 'graph' })],
  ['another version of the decisions', event('GroupOpened', { ...opened, decision: 2 })],
  ['a key of a job', event('JobsAdded', { part: 1, jobs: [job, { ...job, after: [[1, 1]] }] })],
])('%s that format 1 does not have needs format 2', (_what, newer) => {
  expect(formatOf(newer)).toBe(2)
  expect(missingFormat(1, [newer])).toBe(2)
  expect(missingFormat(2, [newer])).toBeUndefined()
})

test('a raising counts for what follows it in the same commit, not for what stands before', () => {
  const raised = event('FormatRaised', { format: 2 })
  const begun = event('QuarantineBegun', { why: 'x' })
  expect(missingFormat(1, [raised])).toBeUndefined()
  expect(missingFormat(1, [raised, begun])).toBeUndefined()
  expect(missingFormat(1, [begun, raised])).toBe(2)
})

test('the table holds the events that docs/wire.md lists for format 1, no other', async () => {
  const wire = await readFile(new URL('../../../docs/wire.md', import.meta.url), 'utf8')
  const table = wire.slice(wire.indexOf('| aggregate | events |'), wire.indexOf('What `data` of each holds'))
  const listed = table.split('\n').flatMap((line) => [...(line.split('|')[2] ?? '').replace(/format 2:.*/, '').matchAll(/`([A-Z]\w+)`/g)].map(([, type]) => type!))
  expect(listed.length).toBeGreaterThan(30)
  for (const type of listed) expect(formatOf(event(type, type === 'JobsAdded' ? { jobs: [] } : {})), type).toBe(1)
  const newer = table.split('\n').flatMap((line) => [...(/format 2:(.*)/.exec(line)?.[1] ?? '').matchAll(/`([A-Z]\w+)`/g)].map(([, type]) => type!))
  expect(newer).toContain('FormatRaised')
  for (const type of newer) expect(formatOf(event(type, {})), type).toBe(2)
})
