/** P16: what a turn is reckoned to take is never less than what it takes. */
import { describe, expect, test } from 'vitest'
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { bareCommitBytes, eventsBytes } from '../../src/lane/turn-size.ts'
import { encodeTurnAndCommits } from '../../streams/codec.ts'

const group = `here-1-${'0'.repeat(26)}`
const instance = 'a'.repeat(64)
const most = Number.MAX_SAFE_INTEGER

const commits: readonly (readonly [string, readonly GroupEvent[]])[] = [
  ['no events', []],
  ['successes', [{ type: 'JobSucceeded', data: { job: 1, grant: 999_999 } }, { type: 'JobSucceeded', data: { job: 1_000_000, grant: most, already: true } }]],
  ['a lock on one job', [{ type: 'LockGranted', data: { jobs: [[1, 999_999]], agent: 'a', instance, callDeadlineMs: most } }]],
  ['a lock on many runs', [{ type: 'LockGranted', data: { jobs: Array.from({ length: 100 }, () => [most, most] as const), agent: 'a'.repeat(64), instance: 'i', callDeadlineMs: 0 } }]],
  ['a success, the next lock, the end', [{ type: 'JobSucceeded', data: { job: most, grant: most } }, { type: 'LockGranted', data: { jobs: [[999_999, 999_999]], agent: 'a', instance, callDeadlineMs: 30_000 } }, { type: 'GroupCompleted', data: {} }]],
  ['what is measured', [{ type: 'JobFailed', data: { job: 1, grant: 4, reason: { code: 'c', text: '"é\n\u0001' } } }, { type: 'JobsCancelled', data: { jobs: [[1, most]] } }, { type: 'GroupCancelled', data: {} }]],
]

describe('a commit that no command led to', () => {
  test.each(commits)('%s', (_, events) => {
    const actor = `agent:${'a'.repeat(64)}`
    const { commits: texts } = encodeTurnAndCommits({ turn: '0'.repeat(26), schema: 1, incarnation: 1, number: 1, timeMs: 1, previous: '0'.repeat(64), commits: [{ aggregate: 'group', id: group, revision: most, actor, events }] })
    // With the comma to the next one.
    const takes = Buffer.byteLength(texts[0]!) + 1
    const reckoned = bareCommitBytes(group, actor) + eventsBytes(events)
    expect(reckoned).toBeGreaterThanOrEqual(takes)
    expect(reckoned).toBeLessThan(takes * 1.4 + 100)
  })
})
