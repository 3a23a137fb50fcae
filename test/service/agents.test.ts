/** `agent`: what is planned for an agent, what follows from it, and what it goes by [608-616]. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ManifestEvent, type ManifestState, absentManifest, foldManifest, manifestId, recordManifest } from '../../machines/agent/manifest.ts'
import { manifestOf } from '../../src/agent/manifest.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import { type AgentConfigurationValue, type MappingCollectionValue, agentConfigurationKey, mappingCollectionKey, toBytes } from '../../streams/coordination.ts'
import { subjectsOf } from '../../streams/subjects.ts'
import { type TestRealm, recordStart, startRealm } from './realm.ts'

let realm: TestRealm
beforeEach(async () => {
  realm = await startRealm()
  await realm.serve('s1')
})
afterEach(() => realm.stop())

const subjects = subjectsOf('reeve')

const started = (manifest: string) => recordStart(realm.person.log, 'a1', 'i1', manifest)

async function recorded(manifest: string): Promise<void> {
  const id = manifestId(manifest)
  await writeAggregate<ManifestState, ManifestEvent>({ log: realm.person.log, clock: systemClock, random: systemRandom }, {
    subject: subjects.aggregate('config', id), aggregate: 'config', id, empty: absentManifest(id), fold: foldManifest, actor: 'agent:a2',
    decide: (state) => recordManifest(state, manifestOf('1.0.0', 2)),
  })
}

test('is shown with what follows from it, signed, as soon as its build is on record', async () => {
  await started('abc')
  expect(await realm.api.call('agent', 'show', { agent: 'a1' })).toMatchObject({ planned: {}, byDefault: null, current: null, coordinator: null })
  await recorded('abc')
  expect(await realm.api.call('agent', 'show', { agent: 'a1' })).toMatchObject({
    byDefault: { configuration: { role: 'generic', region: 'here', capacity: 64, holdsLanes: true }, signature: { revision: 1, build: '1.0.0' } },
  })
})

test('who is mapped to what is shown as the leader keeps it; as none while there is none, or what stands there is none', async () => {
  const { mappings } = realm.person
  expect(await realm.api.call('agent', 'mapping', {})).toEqual({ ok: true, mapping: null })
  const mapping: MappingCollectionValue = {
    epoch: 4,
    build: '1.0.0',
    agents: [{ agent: 'a1', signature: { digest: 'a'.repeat(64), revision: 1, build: '1.0.0', leader: '1.0.0' } }],
    groups: [{ region: 'here', skill: null, agents: ['a1'] }, { region: 'here', skill: 'drill', agents: ['a1'] }],
    lanes: [{ lane: 'here-1', agent: 'a1' }],
  }
  await mappings.put(mappingCollectionKey, toBytes(mapping))
  expect(await realm.api.call('agent', 'mapping', {})).toEqual({ ok: true, mapping: { ...mapping, triggers: [], moreTriggers: 0 } })
  const groups = [{ region: 'here', skill: 'drill' }]
  await mappings.put(mappingCollectionKey, toBytes({ ...mapping, triggers: [{ trigger: 't1', groups }, { trigger: 't2', groups, missing: ['drill'] }], moreTriggers: 3 }))
  expect(await realm.api.call('agent', 'mapping', {})).toMatchObject({ mapping: { triggers: [{ trigger: 't1', groups, missing: [] }, { trigger: 't2', groups, missing: ['drill'] }], moreTriggers: 3 } })
  await mappings.put(mappingCollectionKey, new TextEncoder().encode('not JSON'))
  expect(await realm.api.call('agent', 'mapping', {})).toEqual({ ok: true, mapping: null })
})

test('is planned in parts, taken back, and answered by what is planned now; a repetition is known', async () => {
  await started('abc')
  await recorded('abc')
  const first = await realm.api.call('agent', 'configure', { agent: 'a1', change: { capacity: 4, skillsOn: ['drill'] } })
  expect(first).toMatchObject({ agent: 'a1', planned: { capacity: 4, skillsOn: ['drill'] }, revision: 2 })
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { capacity: 4 } })).toMatchObject({ position: 0, revision: 2 })
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { capacity: null, role: 'skilled' } })).toMatchObject({ planned: { role: 'skilled', skillsOn: ['drill'] }, revision: 3 })
  expect(await realm.api.call('agent', 'show', { agent: 'a1' })).toMatchObject({
    planned: { role: 'skilled', skillsOn: ['drill'] },
    byDefault: { configuration: { role: 'skilled', skills: ['drill'], capacity: 64 }, signature: { revision: 3 } },
  })
})

test('says which skills that are planned on its build does not have', async () => {
  await started('abc')
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { skillsOn: ['drill', 'juggling'] } })).not.toHaveProperty('withoutEffect')
  await recorded('abc')
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { capacity: 4 } })).toMatchObject({ planned: { skillsOn: ['drill', 'juggling'] }, withoutEffect: ['juggling'] })
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { skillsOn: ['drill'] } })).not.toHaveProperty('withoutEffect')
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { skillsOff: ['libvrit', 'libvirt'] } })).toMatchObject({ withoutEffect: ['libvrit'] })
})

test('a rehearsal of a plan says the same as the plan, and plans nothing', async () => {
  await started('abc')
  await recorded('abc')
  const before = await realm.api.call('agent', 'show', { agent: 'a1' })
  expect(before).not.toHaveProperty('would')
  for (const change of [{ skillsOn: ['drill', 'juggling'] }, { region: 'thre' }, { capacity: 4 }]) {
    const { would } = await realm.api.call('agent', 'show', { agent: 'a1', change })
    const { planned } = await realm.api.call('agent', 'show', { agent: 'a1' })
    expect(planned).toEqual(before.planned)
    const { ok: _ok, agent: _agent, position: _position, revision: _revision, ...said } = await realm.api.call('agent', 'configure', { agent: 'a1', change })
    expect(would).toEqual(said)
    await realm.api.call('agent', 'configure', { agent: 'a1', change: { skillsOn: null, region: null, capacity: null } })
  }
  await expect(realm.api.call('agent', 'show', { agent: 'a1', change: { skillsOn: ['x'], skillsOff: ['x'] } })).rejects.toMatchObject({ code: 'malformed' })
})

test('says that there is nobody and nothing yet in the region that is planned', async () => {
  await started('abc')
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { region: 'thre' } })).toMatchObject({ planned: { region: 'thre' }, newRegion: 'thre' })
  expect(await realm.api.call('agent', 'configure', { agent: 'a1', change: { region: 'here' } })).not.toHaveProperty('newRegion')
})

test('is listed as it is configured, with how it was started beside that', async () => {
  await started('abc')
  const asStarted = { role: 'generic', region: 'here', skills: [] }
  expect(await realm.api.call('agent', 'list', {})).toMatchObject({ agents: [asStarted] })
  const value: AgentConfigurationValue = {
    agent: 'a1', epoch: 4,
    configuration: { role: 'skilled', region: 'there', adapters: ['drill'], skills: ['drill'], skilledOnly: true, capacity: 4, holdsLanes: false },
    signature: { digest: 'a'.repeat(64), revision: 1, build: '1.0.0', leader: '1.0.0' },
  }
  await realm.person.config.put(agentConfigurationKey('a1'), toBytes(value))
  expect(await realm.api.call('agent', 'list', {})).toMatchObject({ agents: [{ role: 'skilled', region: 'there', skills: ['drill'] }] })
  expect(await realm.api.call('agent', 'show', { agent: 'a1' })).toMatchObject({ role: 'skilled', region: 'there', skills: ['drill'], started: asStarted })
})

test('of an agent that nobody knows is refused, and so is a plan that contradicts itself', async () => {
  await started('abc')
  expect(await realm.api.answer('agent', 'configure', { agent: 'nobody', change: { capacity: 4 } })).toMatchObject({ ok: false, error: { code: 'unknown-agent' } })
  expect(await realm.api.answer('agent', 'configure', { agent: 'a1', change: { skillsOn: ['x'], skillsOff: ['x'] } })).toMatchObject({ ok: false, error: { code: 'malformed' } })
})
