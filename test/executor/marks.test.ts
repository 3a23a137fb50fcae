/** What an executor remembers of tokens (P21, src/executor/marks.ts). */
import { expect, test } from 'vitest'
import { Marks } from '../../src/executor/marks.ts'
import type { GrantMessage } from '../../streams/lane-protocol.ts'
import { spec } from '../support/group-events.ts'

const grant = (token: number, jobs: readonly number[] = [1], more: Partial<GrantMessage> = {}): GrantMessage => ({
  group: 'here-1-G', grant: token, agent: 'a', instance: 'a-1', incarnation: 1, callDeadlineMs: 1, jobs: jobs.map((job) => ({ job, spec })), ...more,
})
const unordered = { unordered: true } as const

test('of a group, and without order of each chain of retries', () => {
  const marks = new Marks()
  marks.raise(grant(5))
  expect([marks.of(grant(4)), marks.of(grant(9, [2])), marks.of(grant(9, [1], { group: 'here-1-H' }))]).toEqual([5, 5, 0])
  marks.raise(grant(7, [1, 2], unordered))
  marks.raise(grant(8, [3], unordered))
  expect([[1], [2], [3], [4], [2, 3, 4]].map((jobs) => marks.of(grant(9, jobs, unordered)))).toEqual([7, 7, 8, 0, 8])
  expect(marks.of(grant(9, [], { ...unordered, jobs: [{ job: 6, spec, chain: 2 }] }))).toBe(7)
})

test('a token that was given up is known whatever it is of, and lowers nothing', () => {
  const marks = new Marks()
  marks.raise(grant(9))
  marks.giveUp('here-1-G', 7)
  expect([marks.of(grant(7, [1], unordered)), marks.of(grant(8, [1], unordered)), marks.of(grant(7)), marks.ofGroup('here-1-G')]).toEqual([7, 0, 9, 9])
  marks.giveUp('here-1-G', 12)
  expect(marks.of(grant(12))).toBe(12)
})

test('those raised longest ago are forgotten, at least the last of one generation are known', () => {
  const marks = new Marks(10)
  for (let job = 1; job <= 95; job++) {
    marks.raise(grant(job, [job], unordered))
    for (let known = Math.max(1, job - 9); known <= job; known++) expect(marks.of(grant(1_000, [known], unordered))).toBe(known)
  }
  expect(marks.of(grant(1_000, [70], unordered))).toBe(0)
})
