/** What a command that waits for a group says where nobody watches a terminal: into a file, or a pipe. */
import { afterEach, expect, it, vi } from 'vitest'
import { followGroup, waitForGroup } from '../../src/command-line/follow.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Session } from '../../src/command-line/session.ts'
import type { SilentGrant } from '../../streams/api/group.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'
import { subjectsOf } from '../../streams/subjects.ts'

const silent = (job: number, instance: string): SilentGrant => ({ job, grant: 7, agent: 'a2', instance, present: true, withinMs: 3_000, then: 'granted-anew' })

afterEach(() => vi.restoreAllMocks())

function written(): () => string {
  let text = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk)
    return true
  })
  return () => text
}

/** What is written while `shown` is seen, one after another, and then the end of the group. */
async function writtenOf(shown: readonly (readonly SilentGrant[] | undefined)[], quiet = false): Promise<string> {
  const text = written()
  let seen = 0
  let feed = () => {}
  const session = {
    bus: { subscribe: (_subject: string, hear: () => void) => ((feed = hear), { stop() {} }) },
    subjects: subjectsOf('reeve'),
    // Too many jobs to name one by one, so that these are all that is written.
    ask: async () => {
      // Something happens in the group meanwhile.
      setImmediate(() => feed())
      const ones = shown[seen]
      return { state: { jobs: 100_000, position: seen, lock: null, executing: [], revision: 1, phase: seen++ < shown.length ? 'running' : 'completed' }, ...(ones && { silent: ones }) }
    },
  } as unknown as Session
  await followGroup(session, 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', { quiet })
  return text()
}

const line = (job: number) => `job ${job} stands still: agent a2 does not answer; in 3 s at the latest it is granted anew (later where the leader changes)\n`

it('says of each executor that does not answer, once, which job stands still', async () => {
  expect(await writtenOf([undefined, [silent(4, 'a2-1')], [silent(4, 'a2-1')], undefined, [silent(4, 'a2-1'), silent(9, 'a2-2')]])).toBe(line(4) + line(9))
})

it('says nothing of it where the answer is JSON', async () => {
  expect(await writtenOf([[silent(4, 'a2-1')]], true)).toBe('')
})

it('says jobs that settled between two looks in the order in which they did: a new job in the place of the one that failed', async () => {
  const text = written()
  const job = (number: number, phase: string, retryOf: number | null = null) => ({ job: number, site: 'west', service: `s${number}`, operation: { name: 'start' }, phase, agent: null, reason: null, retryOf })
  const jobs = [job(1, 'succeeded'), job(2, 'failed'), job(3, 'succeeded'), job(4, 'succeeded'), job(5, 'failed', 2), job(6, 'succeeded', 5)]
  const session = {
    bus: { subscribe: () => ({ stop() {} }) },
    subjects: subjectsOf('reeve'),
    ask: async (_noun: string, verb: string, { after }: { after?: number }) =>
      verb === 'show' ? { state: { jobs: 4, position: 4, lock: null, executing: [], revision: 1, phase: 'completed' } } : { jobs: jobs.slice(after, after! + 4), next: after === 0 ? 4 : null },
  } as unknown as Session
  await followGroup(session, 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', { quiet: false })
  expect([...text().matchAll(/west\/s(\d)/g)].map(([, number]) => Number(number))).toEqual([1, 2, 5, 6, 3, 4])
})

it('says every 10 s where a group of many jobs stands', async () => {
  let nowMs = 0
  // Looked at when following begins, at each look, and when something was said.
  vi.spyOn(systemClock, 'monotonicMs').mockImplementation(() => (nowMs += 4_000))
  expect(await writtenOf([undefined, undefined, undefined, undefined])).toBe('2 of 100000 jobs settled\n')
})

it('says that the group goes on where its realm ends meanwhile, and which command shows it', async () => {
  const session = { bus: { subscribe: () => ({ stop() {} }) }, subjects: subjectsOf('reeve'), ask: () => Promise.reject(new Unavailable('nobody answers')) } as unknown as Session
  const ended = waitForGroup(session, 'here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV', { quiet: true })
  await expect(ended).rejects.toMatchObject({
    exitCode: 4,
    message: 'nobody answers; group here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV goes on as soon as its realm does: see "reeve group show here-1-01ARZ3NDEKTSV4RRFFQ69G5FAV"',
  })
})
