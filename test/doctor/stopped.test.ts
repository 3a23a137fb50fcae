/** Groups that only a person can lead on are things to be done: the latest by name with the command that helps, the others as a number. */
import { expect, it } from 'vitest'
import { stoppedGroups } from '../../src/doctor/realm.ts'
import type { Ask } from '../../src/command-line/session.ts'

const reason = { code: 'refused-by-site', text: 'no' }
const blocked = { phase: 'blocked', failed: [{ job: 2, reason }], unknown: null, fault: null }
const states: Readonly<Record<string, object>> = {
  a: blocked,
  b: { ...blocked, unknown: { job: 4, reason } },
  c: { ...blocked, phase: 'faulted', fault: { type: 'broken-order', revision: 9, event: 'LockGranted' } },
}

/** A service interface that has these groups, on a page of 1,000. */
function asking(groups: readonly string[]): Ask {
  return (async (_noun: string, verb: string, { group, phase }: { group?: string; phase?: readonly string[] }) => {
    if (verb === 'show') return { state: { group, ...(states[group!] ?? blocked) } }
    expect(phase).toEqual(['blocked', 'compensation-blocked', 'faulted'])
    return { groups: groups.slice(0, 1_000).map((one) => ({ group: one })), next: groups.length > 1_000 ? groups[999]! : null }
  }) as Ask
}

it('says nothing where there are none', async () => {
  expect(await stoppedGroups(asking([]))).toEqual([])
})

it('names each with why and what to do', async () => {
  expect(await stoppedGroups(asking(['a', 'b', 'c']))).toEqual([
    { check: 'groups', level: 'problem', text: 'group a is blocked: job 2 failed (no)', todo: '"reeve group retry a" or "reeve group cancel a"' },
    { check: 'groups', level: 'problem', text: 'group b is blocked: the outcome of job 4 is not known (no)', todo: 'look at the site, then "reeve group resolve b 4 succeeded|failed"' },
    { check: 'groups', level: 'problem', text: 'group c is faulted: broken-order at revision 9 (LockGranted)', todo: 'only "reeve group cancel c" leads on' },
  ])
})

it.each([
  [4, '1 more group is blocked or faulted'],
  [1_000, '997 more groups are blocked or faulted'],
  [1_001, '997 more groups and others are blocked or faulted'],
])('of %i the first three are named', async (count, text) => {
  const found = await stoppedGroups(asking(Array.from({ length: count }, (_, index) => `g${index}`)))
  expect(found).toHaveLength(4)
  expect(found[3]).toMatchObject({ level: 'problem', text, todo: '"reeve group list --phase blocked compensation-blocked faulted" lists them' })
})
