/** What an agent is to do [604-616]: planned over started over built; of two configurations the later one. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AgentEvent, type AgentState, absentAgent, foldAgent } from '../../../machines/agent/agent.ts'
import {
  type AgentConfiguration,
  type Manifest,
  type PlannedConfiguration,
  type Signature,
  builtInDefaults,
  chooseConfiguration,
  compareBuilds,
  defaultConfiguration,
  defaultGroups,
} from '../../../machines/agent/configuration.ts'
import { configureAgent, startAgent } from '../../../machines/agent/decide.ts'
import { type ManifestEvent, type ManifestState, absentManifest, foldManifest, manifestId, recordManifest, shortDigest, shortOfManifestId } from '../../../machines/agent/manifest.ts'
import { specification } from '../../support/decider-specification.ts'

const manifest: Manifest = { build: '1.0.0', role: 'generic', adapters: ['drill', 'libvirt'], skills: ['drill', 'libvirt'], defaults: builtInDefaults, formats: [1, 2] }
const started = (fields: Partial<Extract<AgentEvent, { type: 'AgentStarted' }>['data']> = {}): AgentEvent => ({
  type: 'AgentStarted',
  data: { instance: 'i1', role: 'generic', region: 'here', skills: [], build: '1.0.0', ...fields },
})
const configured = (data: PlannedConfiguration): AgentEvent => ({ type: 'AgentConfigured', data })
const fold = (...events: AgentEvent[]): AgentState => {
  const state = absentAgent('a1')
  for (const event of events) foldAgent(state, event)
  return state
}

describe('default configuration [604]', () => {
  it('as it was started, where nothing is planned', () =>
    expect(defaultConfiguration(fold(started({ role: 'skilled', skills: ['drill'] })), manifest)).toEqual({
      role: 'skilled', region: 'here', adapters: ['drill', 'libvirt'], skills: ['drill'], skilledOnly: false, capacity: 64, holdsLanes: true,
    }))
  it('what is planned is laid over that', () => {
    const planned: PlannedConfiguration = { role: 'skilled', region: 'there', skilledOnly: true, capacity: 8, holdsLanes: false }
    expect(defaultConfiguration(fold(started(), configured(planned)), manifest)).toMatchObject(planned)
  })
  it('skills are switched on as far as its build has them, and off', () => {
    const state = fold(started({ skills: ['drill', 'own'] }), configured({ skillsOn: ['libvirt', 'unheard-of'], skillsOff: ['drill'] }))
    expect(defaultConfiguration(state, manifest).skills).toEqual(['libvirt', 'own'])
  })
  it("its build's defaults hold where nothing else is said", () =>
    expect(defaultConfiguration(fold(started()), { ...manifest, defaults: { skilledOnly: true, capacity: 2, holdsLanes: false } })).toMatchObject({ skilledOnly: true, capacity: 2, holdsLanes: false }))
})

describe('the revision that a configuration is signed with', () => {
  it('is that of the last plan, or of the last start that said other than the one before', () => {
    expect(fold(started()).planRevision).toBe(1)
    expect(fold(started(), started({ instance: 'i2' })).planRevision).toBe(1)
    expect(fold(started(), started({ instance: 'i2', skills: ['drill'] })).planRevision).toBe(2)
    expect(fold(started(), started({ instance: 'i2', manifest: 'x' })).planRevision).toBe(2)
    expect(fold(started({ skills: ['a b'] }), started({ instance: 'i2', skills: ['a', 'b'] })).planRevision).toBe(2)
    expect(fold(started(), { type: 'AgentStopped', data: { instance: 'i1' } }, configured({ capacity: 1 })).planRevision).toBe(3)
  })
})

describe('of two configurations [616]', () => {
  const signature = (digest: string, revision = 1, build = '1.0.0', leader = '1.0.0'): Signature => ({ digest, revision, build, leader })
  it('there is none yet: the default is written', () => expect(chooseConfiguration(undefined, signature('a'))).toBe('replace'))
  it('equal digests: nothing to do, whichever build is later', () => expect(chooseConfiguration(signature('a'), signature('a', 1, '2.0.0', '2.0.0'))).toBe('keep'))
  it('the same for a later start or plan of the agent is written anew: it waits for one that knows of that', () => {
    expect(chooseConfiguration(signature('a'), signature('a', 2))).toBe('replace')
    expect(chooseConfiguration(signature('a', 2), signature('a', 1, '9.0.0', '9.0.0'))).toBe('keep')
  })
  it('the default wins by a later revision, then build, then leader', () => {
    expect(chooseConfiguration(signature('a'), signature('b', 2))).toBe('replace')
    expect(chooseConfiguration(signature('a'), signature('b', 1, '1.0.1'))).toBe('replace')
    expect(chooseConfiguration(signature('a'), signature('b', 1, '1.0.0', '1.1.0'))).toBe('replace')
  })
  it('an older leader, build or revision never replaces a newer one', () => {
    expect(chooseConfiguration(signature('a', 2, '1.0.0', '1.0.0'), signature('b', 1, '9.0.0', '9.0.0'))).toBe('keep')
    expect(chooseConfiguration(signature('a', 1, '1.10.0'), signature('b', 1, '1.9.0', '9.0.0'))).toBe('keep')
    expect(chooseConfiguration(signature('a', 1, '1.0.0', '2.0.0'), signature('b', 1, '1.0.0', '1.9.9'))).toBe('keep')
    expect(chooseConfiguration(signature('a'), signature('b'))).toBe('keep')
  })
  it('however leaders alternate, what is in force only ever gets later: it changes at most as often as there are different signatures', () => {
    const leaders = fc.array(fc.record({ revision: fc.integer({ min: 1, max: 3 }), leader: fc.constantFrom('1.0.0', '1.1.0', '1.10.0') }), { maxLength: 40 })
    fc.assert(
      fc.property(leaders, (terms) => {
        let current: Signature | undefined
        let writes = 0
        for (const { revision, leader } of terms) {
          const byDefault = signature(`${revision} ${leader}`, revision, '1.0.0', leader)
          if (chooseConfiguration(current, byDefault) === 'keep') continue
          current = byDefault
          writes += 1
        }
        expect(writes).toBeLessThanOrEqual(new Set(terms.map(({ revision, leader }) => `${revision} ${leader}`)).size)
      }),
    )
  })
  it('builds are compared by their numbers, and always one way', () => {
    expect(compareBuilds('0.10.0', '0.9.9')).toBeGreaterThan(0)
    expect(compareBuilds('1.0', '1.0.0')).toBeLessThan(0)
    expect(compareBuilds('test', 'test')).toBe(0)
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => Math.sign(compareBuilds(a, b)) === -Math.sign(compareBuilds(b, a)) && (compareBuilds(a, b) !== 0 || a === b)))
  })
})

it('default groups: by region and skill, those that take any job first [604]', () => {
  const agent = (name: string, fields: Partial<AgentConfiguration>) => ({ agent: name, configuration: { ...defaultConfiguration(fold(started()), manifest), ...fields } })
  expect(defaultGroups([agent('b', { skills: ['drill'] }), agent('a', {}), agent('c', { region: 'there', skills: ['drill'], skilledOnly: true })])).toEqual([
    { region: 'here', skill: null, agents: ['a', 'b'] },
    { region: 'here', skill: 'drill', agents: ['b'] },
    { region: 'there', skill: 'drill', agents: ['c'] },
  ])
})

describe('planning', () => {
  const given = specification<AgentState, AgentEvent>({ empty: () => absentAgent('a1'), fold: foldAgent, fault: (state) => state.unknownType ?? undefined })
  it('what is given is laid over what was planned; the event holds the whole', () => {
    given(started(), configured({ capacity: 4, region: 'there' })).when((state) => configureAgent(state, { capacity: 8, skillsOn: ['b', 'a', 'b'] })).then(configured({ region: 'there', skillsOn: ['a', 'b'], capacity: 8 }))
  })
  it('null takes it back', () => {
    given(started(), configured({ capacity: 4 })).when((state) => configureAgent(state, { capacity: null })).then(configured({}))
  })
  it('what is planned so already is nothing', () => {
    given(started(), configured({ capacity: 4 })).when((state) => configureAgent(state, { capacity: 4, skillsOff: [] })).thenNothing()
    given(started()).when((state) => configureAgent(state, { role: null })).thenNothing()
  })
  it('a skill on and off at once, and no capacity at all, are refused', () => {
    given(started(), configured({ skillsOn: ['x'] })).when((state) => configureAgent(state, { skillsOff: ['x'] })).thenRefused('malformed')
    given(started()).when((state) => configureAgent(state, { capacity: 0 })).thenRefused('malformed')
  })
  it('a start says what its build can do', () => {
    const start = { instance: 'i1', role: 'generic', region: 'here', skills: [], build: '1.0.0', manifest: 'abc' } as const
    given().when((state) => startAgent(state, start)).then({ type: 'AgentStarted', data: start })
    expect(fold(started({ manifest: 'abc' })).manifest).toBe('abc')
    expect(fold(started({ manifest: 'abc' }), started({ instance: 'i2' })).manifest).toBeNull()
  })
})

describe('manifest [610]', () => {
  const given = specification<ManifestState, ManifestEvent>({ empty: () => absentManifest('build-x'), fold: foldManifest, fault: (state) => state.unknownType ?? undefined })
  const recorded: ManifestEvent = { type: 'ManifestRecorded', data: manifest }
  it('is recorded once', () => {
    given().when((state) => recordManifest(state, manifest)).then(recorded)
    given(recorded).when((state) => recordManifest(state, manifest)).thenNothing()
    for (const wrong of [{ build: 1 }, { role: 'service' }, { skills: [1] }, { formats: [1.5] }, { defaults: { ...builtInDefaults, capacity: 0.5 } }, { defaults: undefined }, { adapters: ['x'.repeat(70_000)] }]) {
      given().when((state) => recordManifest(state, { ...manifest, ...wrong } as never)).thenRefused('malformed')
    }
  })
  it('under an id made of its digest', () => {
    expect(shortOfManifestId(manifestId(shortDigest('0123456789abcdef0123')))).toBe('0123456789abcdef')
    expect(shortOfManifestId('self')).toBeUndefined()
  })
  it('an event that this build does not know stops it from writing', () => {
    const state = absentManifest('build-x')
    foldManifest(state, { type: 'SomethingNew', data: manifest } as never)
    expect(state).toMatchObject({ revision: 1, manifest: null, unknownType: 'SomethingNew' })
  })
})
