/** What `--wait` ends with: exit code 1, and the reason in one line, unless everything succeeded. */
import { expect, test } from 'vitest'
import { CommandEnd } from '../../src/command-line/exit.ts'
import { type GroupShown, demandSuccess } from '../../src/command-line/follow.ts'

const reason = { code: 'refused-by-site', text: 'no' }
function shown(state: Partial<GroupShown['state']>): GroupShown {
  return { ok: true, lane: 'here-1', position: 1, state: { group: 'here-1-X', phase: 'completed', failed: [], retries: [], unknown: null, fault: null, ...state } as GroupShown['state'] }
}

test.each<readonly [string, Partial<GroupShown['state']>]>([
  ['all jobs succeeded', {}],
  ['a job failed, and its retry succeeded', { failed: [{ job: 2, reason }], retries: [{ job: 5, retryOf: 2 }] }],
])('%s: done', (_name, state) => {
  expect(() => demandSuccess(shown(state))).not.toThrow()
})

test.each<readonly [string, Partial<GroupShown['state']>, RegExp]>([
  ['the group went on after a failure', { onFailure: 'continue', failed: [{ job: 2, reason }] }, /^group here-1-X is completed, but job 2 failed \(no\); "reeve group jobs here-1-X" lists them$/],
  ['and after several', { onFailure: 'continue', failed: [{ job: 2, reason }, { job: 4, reason }] }, /job 2 and 1 more failed/],
  ['what was done was undone', { phase: 'compensated', compensation: { job: 3, of: [[2, 1]] }, failed: [{ job: 3, reason }] }, /^group here-1-X is compensated: job 3 failed \(no\)[^\n]*undone$/],
  ['undoing it failed', { phase: 'compensation-blocked', failed: [{ job: 3, reason }, { job: 5, reason }] }, /^group here-1-X is compensation-blocked: job 5 failed[^\n]*group retry/],
])('%s: exit code 1 with the reason', (_name, state, text) => {
  let end: unknown
  try {
    demandSuccess(shown(state))
  } catch (error) {
    end = error
  }
  expect(end).toBeInstanceOf(CommandEnd)
  expect(end).toMatchObject({ exitCode: 1, message: expect.stringMatching(text) })
})
