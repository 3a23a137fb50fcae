import { afterEach, beforeEach, expect, test } from 'vitest'
import { addTwoSites, startRealm, type TestRealm } from './realm.ts'

let realm: TestRealm
beforeEach(async () => {
  realm = await startRealm()
  await realm.serve('s1')
})
afterEach(() => realm.stop())

test('a site is added after it answered, shown, listed by id and in pages', async () => {
  await addTwoSites(realm)
  const shown = await realm.api.call('site', 'show', { site: 'alpha' })
  expect(shown).toMatchObject({ kind: 'full', address: 'memory:alpha', region: 'here', fencing: 'enforced', reachable: true, services: 4, unfinished: [] })
  const first = await realm.api.call('site', 'list', { limit: 1 })
  expect(first).toMatchObject({ sites: [{ site: 'alpha' }], next: 'alpha' })
  expect(await realm.api.call('site', 'list', { limit: 1, after: first.next! })).toMatchObject({ sites: [{ site: 'beta' }], next: null })
})

test('an unreachable site is one line, and nothing is written', async () => {
  const end = await realm.person.log.end()
  const answer = await realm.api.answer('site', 'add', { site: 'gone', kind: 'full', address: 'memory:gone' })
  expect(answer).toMatchObject({ ok: false, error: { code: 'site-unreachable', retryable: true, text: 'site gone at memory:gone cannot be read: nobody answers' } })
  expect(await realm.person.log.end()).toBe(end)
})

test.each([
  [{ site: 'a b', kind: 'full', address: 'memory:x' }, 'malformed'],
  [{ site: 'x', kind: 'nonsense', address: 'memory:x' }, 'unknown-kind'],
  [{ site: 'x', kind: 'full', address: 'http://x' }, 'bad-address'],
  [{ site: 'alpha', kind: 'full', address: 'memory:other' }, 'exists'],
  [{ site: 'x', kind: 'full', address: 'memory:alpha' }, 'exists'],
])('%j is refused as %s, before anything is written', async (request, code) => {
  await addTwoSites(realm)
  const end = await realm.person.log.end()
  const answer = await realm.api.answer('site', 'add', request)
  expect(answer).toMatchObject({ ok: false, error: { code } })
  expect(!answer.ok && answer.error.text).not.toContain('\n')
  expect(await realm.person.log.end()).toBe(end)
})

test('P15: a repeated command adds or removes a site once, and is answered as at first', async () => {
  realm.sites.at.set('memory:x', [])
  const command = '01JD0000000000000000000000'
  const add = () => realm.api.answer('site', 'add', { site: 'x', kind: 'full', address: 'memory:x', command })
  expect(await add()).toMatchObject({ ok: true, services: 0 })
  const end = await realm.person.log.end()
  expect(await add()).toMatchObject({ ok: true, services: null, position: 0 })
  expect(await realm.api.answer('site', 'add', { site: 'x', kind: 'full', address: 'memory:x' })).toMatchObject({ ok: false, error: { code: 'exists' } })
  const remove = { site: 'x', confirmed: true, command: '01JD0000000000000000000001' }
  expect(await realm.api.answer('site', 'remove', remove)).toMatchObject({ ok: true })
  expect(await realm.api.answer('site', 'remove', remove)).toMatchObject({ ok: true, position: 0 })
  expect(await realm.person.log.end()).toBe(end + 1)
})

test('a site is removed when that is confirmed and no unfinished group changes it', async () => {
  await addTwoSites(realm)
  const { api } = realm
  expect(await api.answer('site', 'remove', { site: 'alpha' })).toMatchObject({ ok: false, error: { code: 'not-confirmed', text: expect.stringContaining('site alpha (full, memory:alpha)') } })
  const { group } = await api.call('change', 'apply', { selector: { sites: ['alpha'] }, operation: { name: 'maintenance-on' } })
  expect(await api.answer('site', 'remove', { site: 'alpha', confirmed: true })).toMatchObject({ ok: false, error: { code: 'wrong-state', text: expect.stringContaining(group!) } })
  await realm.work(group!)
  expect(await api.answer('site', 'remove', { site: 'alpha', confirmed: true })).toMatchObject({ ok: true })
  expect(await api.answer('site', 'show', { site: 'alpha' })).toMatchObject({ ok: false, error: { code: 'unknown-site' } })
})
