/** The line `by` of `reeve group show`: who executed what. */
import { expect, it } from 'vitest'
import type { Run } from '../../machines/execution-group/events.ts'
import { byText } from '../../src/command-line/group.ts'

const job = (number: number, agent: string | null, phase: 'succeeded' | 'failed' | 'unknown' | 'pending' | 'granted' = 'succeeded') => ({ job: number, agent, phase })
const reason = { code: 'c', text: 't' }
const state = (more: { readonly executed?: readonly Run[]; readonly failed?: readonly number[]; readonly unknowns?: readonly number[] } = {}) => ({
  group: 'here-1-x',
  executed: more.executed ?? [],
  failed: (more.failed ?? []).map((one) => ({ job: one, reason })),
  unknown: null,
  ...(more.unknowns === undefined ? {} : { unknowns: more.unknowns.map((one) => ({ job: one, reason })) }),
})

it('names each agent with its runs, and nobody for what has no outcome', () => {
  expect(byText([], state())).toBeUndefined()
  expect(byText([job(1, 'a', 'granted'), job(2, 'a', 'pending')], state())).toBeUndefined()
  expect(byText([job(1, 'b'), job(2, 'b', 'failed'), job(3, 'a'), job(4, 'b', 'unknown'), job(5, 'a', 'pending')], state({ executed: [[1, 1], [3, 3]], failed: [2], unknowns: [4] }))).toBe('a 3, b 1-2 4')
})

it('says how many more were executed than it looked at, and the command that names them', () => {
  const jobs = [job(1, 'a'), job(2, 'a')]
  expect(byText(jobs, state({ executed: [[1, 2]] }))).toBe('a 1-2')
  expect(byText(jobs, state({ executed: [[1, 3]] }))).toBe('of jobs 1-2: a 1-2; of later ones 1 job: "reeve group jobs here-1-x --after 2"')
  expect(byText(jobs, state({ executed: [[1, 1000], [1002, 1003]], failed: [2, 1001, 1002], unknowns: [1004] }))).toBe('of jobs 1-2: a 1-2; of later ones 1002 jobs: "reeve group jobs here-1-x --after 2"')
  expect(byText([job(1, null, 'pending')], state({ executed: [[2, 4]] }))).toBe('3 jobs: "reeve group jobs here-1-x --after 1"')
})
