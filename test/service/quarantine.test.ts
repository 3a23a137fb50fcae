/** Quarantine by the endpoints of the service interface. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import type { ApiRequest } from '../../streams/api/catalogue.ts'
import { newUlid } from '../../streams/codec.ts'
import { type TestRealm, startServedRealm } from './realm.ts'

let realm: TestRealm
beforeEach(async () => void (realm = await startServedRealm()))
afterEach(() => realm.stop())

const one: Pick<ApiRequest<'change', 'apply'>, 'selector' | 'operation'> = { selector: { services: ['beta/b2'] }, operation: { name: 'start' } }

test('begins once and ends once; whoever asks again is told that it was so before', async () => {
  const command = newUlid(systemClock.nowMs(), systemRandom)
  expect(await realm.api.call('realm', 'quarantine', { why: 'restored', command })).toMatchObject({ changed: true, quarantine: { why: 'restored' } })
  expect(await realm.api.call('realm', 'quarantine', { why: 'restored', command })).toMatchObject({ changed: false, position: 0 })
  expect(await realm.api.call('realm', 'quarantine', { why: 'another' })).toMatchObject({ changed: false, quarantine: { why: 'restored' } })
  expect(await realm.api.call('realm', 'show', {})).toMatchObject({ quarantine: { why: 'restored' } })
  expect(await realm.api.call('realm', 'release', {})).toMatchObject({ changed: true, quarantine: null })
  expect(await realm.api.call('realm', 'release', {})).toMatchObject({ changed: false })
  // The command has been carried out; its repeat begins nothing anew.
  expect(await realm.api.call('realm', 'quarantine', { why: 'restored', command })).toMatchObject({ changed: false, quarantine: null })
})

test('its reason is one line, and says something', async () => {
  expect(await realm.api.answer('realm', 'quarantine', { why: ' \n ' })).toMatchObject({ ok: false, error: { code: 'malformed' } })
  expect(await realm.api.call('realm', 'quarantine', { why: '\nrestored\nfrom a backup\u2028of noon\n' })).toMatchObject({ quarantine: { why: 'restored from a backup of noon' } })
})

test('a change in mode direct is refused with the mode to use; one target without a mode becomes a group that waits', async () => {
  await realm.api.call('realm', 'quarantine', { why: 'restored' })
  const direct = await realm.api.answer('change', 'apply', { ...one, mode: 'direct' })
  expect(direct).toMatchObject({ ok: false, error: { code: 'quarantined', text: 'the realm is in quarantine (restored): nothing is executed until "reeve realm release"; use mode jobs, which waits for that' } })
  const waits = await realm.api.call('change', 'apply', one)
  expect(waits).toMatchObject({ mode: 'jobs', jobs: 1 })
  const shown = async () => (await realm.api.call('group', 'show', { group: waits.group! })).quarantine
  expect(await shown()).toEqual({ why: 'restored' })
  await realm.api.call('realm', 'release', {})
  expect(await shown()).toBeUndefined()
  expect(await realm.work(waits.group!)).toMatchObject({ phase: 'completed' })
  // It waits for nothing any more.
  await realm.api.call('realm', 'quarantine', { why: 'restored' })
  expect(await shown()).toBeUndefined()
})
