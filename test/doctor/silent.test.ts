/** What a person reads of jobs that stand still since their executor does not answer. */
import { expect, it } from 'vitest'
import type { SilentGrant } from '../../streams/api/group.ts'
import { standingGroups } from '../../src/doctor/realm.ts'
import { silentText, silentTexts } from '../../src/doctor/silent-text.ts'

const one: SilentGrant = { job: 3, grant: 7, agent: 'a2', instance: 'a2-1', present: true, withinMs: 11_200, then: 'granted-anew' }

it.each([
  [{}, 'job 3 stands still: agent a2 does not answer; in 12 s at the latest it is granted anew (later where the leader changes)'],
  [{ present: false, withinMs: 0 }, 'job 3 stands still: agent a2 does not answer and has no presence any more; any moment now it is granted anew (later where the leader changes)'],
  [{ then: 'unknown' }, 'job 3 stands still: agent a2 does not answer; in 12 s at the latest it is for a person to settle, since it may not be repeated (later where the leader changes)'],
  [{ then: 'failed' }, 'job 3 stands still: agent a2 does not answer; in 12 s at the latest it counts as failed (later where the leader changes)'],
] as const)('says which job, which agent, and when it goes on: %j', (more, text) => {
  expect(silentText({ ...one, ...more })).toBe(text)
})

it('says of each executor in one line which jobs stand still, and that there may be more than are told', () => {
  expect(silentTexts([one])).toEqual([silentText(one)])
  const many = Array.from({ length: 19 }, (_, index) => ({ ...one, job: 60 + index, withinMs: 1_000 * index }))
  expect(silentTexts([{ ...one, job: 2, instance: 'a3-1', agent: 'a3' }, ...many.slice(0, 3)])).toEqual([
    'job 2 stands still: agent a3 does not answer; in 12 s at the latest it is granted anew (later where the leader changes)',
    'jobs 60, 61, 62 stand still: agent a2 does not answer; in 2 s at the latest they are granted anew (later where the leader changes)',
  ])
  expect(silentTexts([one, ...many])[0]).toContain('77, 78 and perhaps more stand still: agent a2 does not answer; in 18 s')
})

it('doctor names one group with its job, several together with their agents, and nothing where there are none', () => {
  expect(standingGroups(undefined)).toEqual([])
  expect(standingGroups({ count: 1, first: [{ group: 'here-1-x', ...one }], withinMs: 11_200 })).toMatchObject([{ check: 'groups', level: 'note', text: `group here-1-x: ${silentText(one)}` }])
  const several = ['v', 'x', 'y', 'z'].map((name) => ({ group: `here-1-${name}`, ...one, agent: name === 'v' ? 'a3' : 'a2' }))
  const [finding, ...more] = standingGroups({ count: 30, first: several, withinMs: 15_000 })
  expect(more).toEqual([])
  expect(finding!.text).toBe('30 groups (here-1-v at job 3, here-1-x at job 3, here-1-y at job 3, …) stand still, since who executes does not answer: a2, a3; in 15 s at the latest all of them go on (later where the leader changes)')
})
