/** 50,000 jobs in one group with real processes: to the end, killed in the middle of opening, and left for ever. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FaultRealm } from '../faults/realm.ts'
import { isWhole, killSubmitter } from '../faults/submitter.ts'

const jobs = 50_000
const hookMs = 240_000
let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ agents: [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }] })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: `drill://?services=${jobs}` })
}, hookMs)

afterAll(() => realm?.[Symbol.asyncDispose](), hookMs)

it('killed in the middle of opening, sealed by the service that is started next, and executed one by one to the end', async () => {
  const { group } = await killSubmitter(realm, 'drill', 30)
  await realm.service.start()
  await realm.eventually(() => isWhole(realm.group(group)), { withinMs: 240_000, what: 'the sealed group' })
  const startMs = performance.now()
  await realm.completes(group, 500_000)
  const ranMs = performance.now() - startMs
  console.log(`${jobs} jobs, window 1: ${Math.round(jobs / (ranMs / 1000))} jobs/s`)
  expect(realm.group(group)).toMatchObject({ phase: 'completed', position: jobs })
  expect(await realm.judge()).toEqual([])
}, 900_000)

it('nobody goes on with it: the holder abandons it, nothing of it ever ran, and who asks again is told so', async () => {
  const { group, command } = await killSubmitter(realm, 'drill', 5)
  await realm.eventually(() => realm.group(group).phase === 'abandoned', { withinMs: 240_000, everyMs: 200, what: 'the abandoned group' })
  await realm.service.start()
  const repeated = await realm.api.answer('change', 'apply', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' }, command })
  expect(repeated).toMatchObject({ ok: false })
  expect((await realm.eventsOf(group)).map(({ type }) => type)).toEqual(['GroupOpened', ...Array.from({ length: 5 }, () => 'JobsAdded'), 'GroupAbandoned'])
  expect(await realm.judge()).toEqual([])
}, 400_000)
