/** Endpoints of triggers: defined, judged, shown, previewed; and runs that the leader left. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { happened } from '../../machines/decision.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { timeText } from '../../src/platform/time-text.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import { mappingCollectionKey, toBytes } from '../../streams/coordination.ts'
import { eventually } from '../support/eventually.ts'
import { type TestRealm, startServedRealm, subjects } from './realm.ts'

let realm: TestRealm

beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

type Define = ApiRequest<'trigger', 'define'>
const nightly: Define = {
  trigger: 'nightly',
  name: 'Nightly start',
  change: { selector: { sites: ['alpha'] }, operation: { name: 'start' } },
  when: { cron: { pattern: '30 2 * * *', zone: 'Europe/Berlin' } },
}
const define = (more: Partial<Define> = {}) => realm.api.call('trigger', 'define', { ...nightly, ...more })

describe('defining', () => {
  test('shows what it would do and when; all that is by default is shown, and stands in the log only where it is not', async () => {
    const defined = await define()
    expect(defined).toMatchObject({ trigger: 'nightly', jobs: 2, revision: 1 })
    expect(defined.next).toHaveLength(5)
    const shown = await realm.api.call('trigger', 'show', { trigger: 'nightly' })
    expect(shown).toMatchObject({
      phase: 'active', name: 'Nightly start', revision: 1, waiting: [], recent: [], running: null, next: defined.next[0]!.atMs,
      definition: { missed: { action: 'run-now', graceMs: 60_000 }, overlap: { action: 'skip' }, change: { operation: { name: 'start' }, distributionFactor: 1 } },
    })
    const { turns } = await realm.api.call('log', 'read', { aggregate: 'trigger', id: 'nightly' })
    const [event] = turns[0]!.turn.commits[0]!.events
    expect(event).toEqual({
      type: 'TriggerDefined',
      data: { name: 'Nightly start', change: { ...nightly.change, distributionFactor: 1 }, when: nightly.when, missed: { action: 'run-now', graceMs: 60_000 }, overlap: { action: 'skip' }, sinceMs: expect.any(Number) },
    })
  })

  test('is shown with what nobody is there for, as the leader found it, while it may still run', async () => {
    await define()
    expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ missing: [] })
    const kept = { epoch: 1, build: '1.0.0', agents: [], groups: [], lanes: [], triggers: [{ trigger: 'nightly', groups: [{ region: 'here', skill: 'drill' }], missing: ['drill'] }] }
    await realm.person.mappings.put(mappingCollectionKey, toBytes(kept))
    expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ missing: ['drill'] })
    expect(await realm.api.call('trigger', 'list', {})).toMatchObject({ triggers: [{ trigger: 'nightly', missing: ['drill'] }] })
    await realm.api.call('trigger', 'suspend', { trigger: 'nightly' })
    expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ phase: 'suspended', missing: [] })
  })

  test('over all agents: left out in the log, for ever, and shown', async () => {
    await define({ change: { ...nightly.change, distributionFactor: 100 } })
    expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ definition: { change: { distributionFactor: 100 } } })
    const { turns } = await realm.api.call('log', 'read', { aggregate: 'trigger', id: 'nightly' })
    expect(turns[0]!.turn.commits[0]!.events[0]).toMatchObject({ data: { change: nightly.change } })
  })

  test('again: nothing; with the same command id: the first result; otherwise: a change', async () => {
    const command = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
    await define({ command })
    expect(await define({ command, priority: 9 })).toMatchObject({ position: 0, revision: 1 })
    expect(await define()).toMatchObject({ position: 0 })
    expect(await define({ priority: 5 })).toMatchObject({ revision: 2 })
    expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ definition: { priority: 5 } })
  })

  test.each<[string, Partial<Define>, string, RegExp]>([
    ['an expression', { when: { cron: { pattern: '0 25 * * *', zone: 'UTC' } } }, 'malformed', /"25" as hour, which is none/],
    ['a zone', { when: { cron: { pattern: '0 2 * * *', zone: 'Mars/Base' } } }, 'malformed', /no time zone "Mars\/Base"/],
    ['a day that never comes', { when: { cron: { pattern: '0 0 30 2 *', zone: 'UTC' } } }, 'malformed', /fits no time at all/],
    ['a time in the past', { when: { atMs: [1_000] } }, 'malformed', /lies \d+ ms in the past/],
    ['no time', { when: {} }, 'malformed', /needs a time/],
    ['a site', { change: { ...nightly.change, selector: { sites: ['gamma'] } } }, 'unknown-site', /there is no site gamma/],
    ['what selects nothing', { change: { ...nightly.change, selector: { name: 'Zebra' } } }, 'nothing-selected', /matches nothing/],
    ['queue without a limit', { overlap: { action: 'queue' } }, 'malformed', /needs a limit/],
    ['alternate without a change', { missed: { action: 'alternate', graceMs: 0 } }, 'malformed', /needs the other change/],
    ['what may take something from users', { change: { ...nightly.change, operation: { name: 'stop' } } }, 'not-confirmed', /site alpha, 2 services/],
  ])('refuses %s', async (_, wrong, code, text) => {
    const failure = await define(wrong).then(() => undefined, (error: unknown) => error as ApiFailure)
    expect(failure).toBeInstanceOf(ApiFailure)
    expect(failure).toMatchObject({ code })
    expect(failure!.message).toMatch(text)
    expect(failure!.message).not.toContain('\n')
    expect((await realm.api.call('trigger', 'list', {})).triggers).toEqual([])
  })

  test('what may take something from users is defined when that was seen', async () => {
    const defined = await define({ change: { ...nightly.change, operation: { name: 'stop' } }, confirmed: true })
    expect(defined.repeats[0]).toMatch(/^stop: site alpha, 2 services/)
  })
})

test('suspended, resumed, removed; listed by id', async () => {
  await define({ trigger: 'b' })
  await define({ trigger: 'a' })
  const listed = async () => (await realm.api.call('trigger', 'list', {})).triggers.map(({ trigger, phase, next }) => `${trigger} ${phase} ${next === null ? 'never' : 'later'}`)
  expect(await listed()).toEqual(['a active later', 'b active later'])
  await realm.api.call('trigger', 'suspend', { trigger: 'a' })
  expect(await listed()).toEqual(['a suspended never', 'b active later'])
  expect(await realm.api.call('trigger', 'suspend', { trigger: 'a' })).toMatchObject({ position: 0 })
  await realm.api.call('trigger', 'resume', { trigger: 'a' })
  await realm.api.call('trigger', 'remove', { trigger: 'b' })
  expect(await listed()).toEqual(['a active later'])
  expect(await realm.api.call('trigger', 'show', { trigger: 'b' })).toMatchObject({ phase: 'removed', definition: null })
  for (const verb of ['remove', 'suspend', 'resume'] as const) {
    await expect(realm.api.call('trigger', verb, { trigger: 'nobody' })).rejects.toMatchObject({ code: 'unknown-trigger' })
  }
  await expect(realm.api.call('trigger', 'show', { trigger: 'nobody' })).rejects.toMatchObject({ code: 'unknown-trigger' })
})

test('previews a trigger, and times that no trigger has yet, across a change of clocks', async () => {
  await define()
  const afterMs = Date.parse('2027-03-27T12:00Z')
  const preview = await realm.api.call('trigger', 'preview', { trigger: 'nightly', afterMs, count: 2 })
  expect(preview).toEqual({
    ok: true,
    zone: 'Europe/Berlin',
    times: [
      { atMs: Date.parse('2027-03-28T01:00Z'), local: '2027-03-28 03:00:00', weekday: 'Sun', offset: '+02:00', utc: '2027-03-28T01:00:00.000Z' },
      { atMs: Date.parse('2027-03-29T00:30Z'), local: '2027-03-29 02:30:00', weekday: 'Mon', offset: '+02:00', utc: '2027-03-29T00:30:00.000Z' },
    ],
  })
  const when = { cron: { pattern: '0 0 * * *', zone: 'America/St_Johns' }, atMs: [afterMs + 1] }
  const given = await realm.api.call('trigger', 'preview', { when, afterMs, count: 2 })
  expect(given.times.map(({ local, offset }) => `${local} ${offset}`)).toEqual(['2027-03-27 09:30:00 -02:30', '2027-03-28 00:00:00 -02:30'])
  await expect(realm.api.call('trigger', 'preview', {})).rejects.toMatchObject({ code: 'malformed' })
  await expect(realm.api.call('trigger', 'preview', { trigger: 'nobody' })).rejects.toMatchObject({ code: 'unknown-trigger' })
})

test('no nominal time is lost to a change of the definition where nobody leads: what was due is decided first', async () => {
  const atMs = Date.now() + 4_000
  await define({ when: { atMs: [atMs] } })
  await eventually(() => Date.now() > atMs)
  await define({ when: { atMs: [Date.now() + 3_600_000] }, change: { ...nightly.change, selector: { sites: ['beta'] } } })
  const shown = await realm.api.call('trigger', 'show', { trigger: 'nightly' })
  expect(shown.recent).toMatchObject([{ atMs, verdict: 'run', why: null }])
  expect(shown).toMatchObject({ revision: 3, running: { atMs, state: 'to-plan' } })
})

test('with a time beyond the calendar, which a log may hold: listed, shown and previewed, and can be changed', async () => {
  const beyondMs = 9e15
  const data = { name: 'Far', change: nightly.change, when: { atMs: [beyondMs] }, missed: { action: 'skip', graceMs: 0 }, overlap: { action: 'skip' }, sinceMs: Date.now() } as const
  await writeAggregate({ log: realm.person.log, clock: systemClock, random: systemRandom }, {
    subject: subjects.aggregate('trigger', 'far'), aggregate: 'trigger', id: 'far', empty: {}, fold: () => {}, actor: 'person:older',
    decide: () => happened({ type: 'TriggerDefined', data }),
  })
  const { triggers } = await realm.api.call('trigger', 'list', {})
  expect(triggers).toMatchObject([{ trigger: 'far', phase: 'active', when: { atMs: [beyondMs] }, next: beyondMs }])
  expect(timeText(triggers[0]!.next!)).toBe('9000000000000000 ms')
  expect(await realm.api.call('trigger', 'show', { trigger: 'far' })).toMatchObject({ next: beyondMs, definition: { when: { atMs: [beyondMs] } } })
  expect(await realm.api.call('trigger', 'preview', { trigger: 'far' })).toMatchObject({ times: [] })
  expect(await define({ trigger: 'far' })).toMatchObject({ revision: 2 })
})

test('a name of several lines is kept on one', async () => {
  await define({ name: 'Nightly\r\nstart\n' })
  expect(await realm.api.call('trigger', 'show', { trigger: 'nightly' })).toMatchObject({ name: 'Nightly start ' })
})

test.each([[1, undefined], [100, 100]])('a run that no leader starts is started by a service, under the command that the log holds; over %i %%', async (factor, distributionFactor) => {
  const atMs = Date.now() + 4_000
  await define({ when: { atMs: [atMs] }, change: { ...nightly.change, ...(distributionFactor === undefined ? {} : { distributionFactor }) } })
  await eventually(() => Date.now() > atMs)
  await realm.api.call('trigger', 'remove', { trigger: 'nightly' })
  const { running } = await realm.api.call('trigger', 'show', { trigger: 'nightly' })
  const shown = await eventually(
    async () => {
      const { groups } = await realm.api.call('group', 'list', {})
      return groups.find(({ group }) => group.endsWith(running!.command))
    },
    { what: 'the group of the run' },
  )
  expect(shown).toMatchObject({ jobs: 2, name: 'Nightly start' })
  expect(await realm.api.call('group', 'show', { group: shown.group })).toMatchObject({ state: { distributionFactor: factor } })
  await realm.work(shown.group)
  await eventually(async () => (await realm.api.call('trigger', 'show', { trigger: 'nightly' })).running?.state === 'succeeded')
})
