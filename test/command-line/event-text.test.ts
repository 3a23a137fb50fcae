/** Events, times and triggers as a person reads them. */
import { expect, test } from 'vitest'
import { eventText } from '../../src/command-line/event-text.ts'
import { phaseText } from '../../src/command-line/trigger.ts'
import { shortTimeText } from '../../src/platform/time-text.ts'

const job = { site: 'north', service: 'd1', operation: { name: 'start' }, repeatable: true }

test.each([
  ['group', 'GroupOpened', { name: 'Night', decision: 1, jobs: 2, parts: 1, plan: 'x', order: 'strict', mode: 'jobs', window: 1, region: 'here', distributionFactor: 100 }, 'Night (2 jobs, strict, jobs)'],
  ['group', 'JobsAdded', { part: 1, jobs: [job] }, 'part 1, 1 job: north/d1 start'],
  ['group', 'JobsAdded', { part: 2, jobs: Array.from({ length: 5 }, () => job) }, 'part 2, 5 jobs: north/d1 start, north/d1 start, north/d1 start and 2 more'],
  ['group', 'JobsAssigned', { assignments: [{ first: 1, last: 3, agent: 'a' }, { first: 4, last: 4, agent: 'b' }] }, 'jobs 1-3 to a, job 4 to b'],
  ['group', 'LockGranted', { jobs: Array.from({ length: 9 }, (_, index) => [2 * index + 1, 2 * index + 1]), agent: 'a', instance: 'a-1', callDeadlineMs: 1 }, 'job 1, job 3, job 5, job 7, job 9, job 11 and 3 more to a (a-1)'],
  ['group', 'JobFailed', { job: 2, grant: 7, reason: { code: 'x', text: 'not today' } }, 'job 2, lock 7: not today'],
  ['group', 'CompensationBegun', { job: 4, of: [[3, 1]] }, 'job 4 failed: jobs 1-3 are undone'],
  ['group', 'CompensationBegun', { job: 1, of: [] }, 'job 1 failed: nothing is undone'],
  ['group', 'GroupCompleted', {}, ''],
  ['instruction', 'InstructionTaken', { lane: 'here-1', plan: 'x', text: 'start it' }, 'start it, in lane here-1'],
  ['realm', 'LeaderElected', { agent: 'a', instance: 'a-1' }, 'agent a, instance a-1'],
  ['agent', 'AgentStarted', { instance: 'i', skills: ['x', 'y'], capacity: 2 }, 'instance i, skills x y, capacity 2'],
  ['trigger', 'TriggerDue', { atMs: 0, verdict: 'run' }, 'atMs 1970-01-01T00:00:00.000Z, verdict run'],
])('%s %s', (aggregate, type, data, text) => {
  expect(eventText(aggregate, { type, data })).toBe(text)
})

test('what is not as its type says, or of a type that is not known, is shown as it stands', () => {
  expect(eventText('group', { type: 'LockGranted', data: { agent: 'a' } })).toBe('{"agent":"a"}')
  expect(eventText('group', { type: 'Unheard', data: { a: 1, b: { c: [1] } } })).toBe('a 1, b {"c":[1]}')
  expect(eventText('later', { type: 'Unheard', data: 'x'.repeat(500) })).toHaveLength(158)
})

test('a time says its zone, and its date unless it is today', () => {
  const nowMs = Date.UTC(2027, 2, 28, 12)
  expect(shortTimeText(Date.UTC(2027, 2, 28), nowMs)).toBe('00:00:00.000Z')
  expect(shortTimeText(Date.UTC(2027, 2, 27, 23, 59, 59, 999), nowMs)).toBe('2027-03-27T23:59:59.999Z')
})

test('a trigger that has no time to come is done when its last run has ended and nothing waits', () => {
  const run = (state: 'going' | 'succeeded' | 'failed') => ({ atMs: 1, command: 'c', startedMs: 1, state, group: null })
  const once = { phase: 'active', next: null, running: run('succeeded'), waiting: 0 } as const
  expect(phaseText(once)).toBe('done')
  expect(phaseText({ ...once, running: run('failed'), waiting: [] })).toBe('done')
  expect(phaseText({ ...once, running: run('going') })).toBe('active')
  expect(phaseText({ ...once, waiting: 1 })).toBe('active')
  expect(phaseText({ ...once, next: 5 })).toBe('active')
  expect(phaseText({ ...once, phase: 'suspended' })).toBe('suspended')
})
