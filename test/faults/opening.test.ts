/** 5,000 jobs in one group, and a submitter that is killed after any part of them: sealed by a repeat or by who goes on, never half (P13-P15). */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FaultRealm, patienceMs } from './realm.ts'
import { isWhole, killSubmitter, type KilledAfter } from './submitter.ts'

const jobs = 5_000
let realm: FaultRealm

beforeAll(async () => {
  realm = await FaultRealm.start({ agents: [{ id: 'g1', role: 'generic' }, { id: 'g2', role: 'generic' }] })
  await realm.api.call('site', 'add', { site: 'drill', kind: 'drill', address: `drill://?services=${jobs}` })
}, patienceMs)

afterAll(() => realm?.[Symbol.asyncDispose](), patienceMs)

it('killed after each part, and before the first and the last step: the same group is sealed, once, with all its jobs', async () => {
  let parts = 1
  const groups: string[] = []
  for (let step = -1; step <= parts; step++) {
    const after: KilledAfter = step < 0 ? 'instruction' : step
    const { command, group } = await killSubmitter(realm, 'drill', after)
    const half = realm.view.state.group(group)
    parts = half?.partsAnnounced ?? parts
    if (half !== undefined) {
      expect({ phase: half.phase, parts: half.partsAdded, grant: half.grant }).toEqual({ phase: 'opening', parts: after, grant: null })
      // What the service proposes comes between the last part and the seal.
      if (half.partsAdded < half.partsAnnounced) expect(half.assignments).toEqual([])
    }
    await realm.service.start()
    // Half of them by a repeat of the very same command, the others by the service alone, which finds what nobody finishes.
    if (step % 2 === 0) {
      const repeated = await realm.api.call('change', 'apply', { selector: { sites: ['drill'] }, operation: { name: 'rehearse' }, command })
      expect(repeated).toMatchObject({ group, command, known: true })
    }
    await realm.eventually(() => realm.view.state.group(group) !== undefined && isWhole(realm.group(group)), { what: `group ${group}, left after ${after}, sealed` })
    expect(realm.group(group).jobsAnnounced).toBe(jobs)
    groups.push(group)
    if (step < parts) await realm.api.call('group', 'cancel', { group })
  }
  expect(parts).toBeGreaterThan(5)
  await realm.completes(groups.at(-1)!, patienceMs)
  for (const group of groups.slice(0, -1)) expect(await realm.stopped(group)).toBe('cancelled')
  expect(realm.group(groups.at(-1)!).position).toBe(jobs)
  expect(await realm.judge()).toEqual([])
  const opened = (await realm.log()).turns.flatMap(({ turn }) => turn.commits).filter(({ events }) => events[0]?.type === 'GroupOpened')
  expect(opened.map(({ id }) => id)).toEqual(groups)
}, 2 * patienceMs)
