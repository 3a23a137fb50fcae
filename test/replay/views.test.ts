/** Of a large group it is told little after most turns: under keys that mean the same in what is told of it whole. */
import { afterEach, expect, test } from 'vitest'
import { RealmFold } from '../../src/realm/view.ts'
import { viewsAfter } from '../../src/replay/views.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { assigned, blocked, failed, granted, opened, retried, sealed, spec, unblocked, unknown } from '../support/group-events.ts'
import { allOf } from '../support/stored-log.ts'
import { Story, group, lane } from './story.ts'

let story: Story
afterEach(() => story.coordinator.close())

test.each(['strict', 'none'] as const)('order %s: a key that both views have says the same in both', async (order) => {
  story = new Story()
  const jobs = 10_000
  const parts = 20
  await story.group('person:ada', [opened({ jobs, parts, order })])
  for (let part = 1; part <= parts; part++) await story.group('service:s1', [{ type: 'JobsAdded', data: { part, jobs: Array.from({ length: jobs / parts }, () => spec) } }])
  await story.group('service:s1', [sealed])
  const grant = 1 + (await story.group('agent:a1', [assigned({ first: 1, last: jobs, agent: 'a1' })]))
  await story.group(`lane:${lane}`, [granted([[1, 1]], 'a1')])
  await story.group('agent:a1', [failed(1, grant), blocked(1)])
  await story.group('person:ada', [retried(jobs + 1, 1), unblocked])
  await story.group(`lane:${lane}`, [granted([[jobs + 1, jobs + 1]], 'a1')])
  await story.group('agent:a1', [unknown(jobs + 1, grant + 5)])

  const fold = new RealmFold('reeve')
  const seen = new Set<string>()
  for (const { subject, position, bytes } of await allOf(story.coordinator.log)) {
    const turn = decodeTurn(bytes)
    fold.fold({ turn, subject, position })
    const [short, whole] = [false, true].map((all) => viewsAfter(fold, { turn, subject, position }, all).find(({ id }) => id === group)!.view)
    for (const [key, value] of Object.entries(short!)) {
      seen.add(key)
      if (key in whole!) expect([position, key, value]).toEqual([position, key, whole![key]])
    }
  }
  expect([...seen]).toEqual(expect.arrayContaining(['failedCount', 'retriesCount', 'lastLock', 'locksCount']))
})
