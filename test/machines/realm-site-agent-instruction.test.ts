/** The small aggregates: realm, site, agent, instruction. */
import { describe, expect, it } from 'vitest'
import { type AgentEvent, absentAgent, foldAgent } from '../../machines/agent/agent.ts'
import { type InstructionEvent, type InstructionState, absentInstruction, foldInstruction, refuseInstruction, takeInstruction } from '../../machines/instruction/instruction.ts'
import { beginQuarantine, endQuarantine, raiseFormat, recordRestore } from '../../machines/realm/decide.ts'
import { type RealmEvent, allowsFormat, defaultConstants, emptyRealm, foldRealm } from '../../machines/realm/realm.ts'
import { type SiteEvent, type SiteState, absentSite, addSite, foldSite, removeSite } from '../../machines/site/site.ts'
import { specification } from '../support/decider-specification.ts'

const notKnown = { type: 'SomethingNew', data: {} }

describe('realm', () => {
  const founded = (realm: string): RealmEvent => ({ type: 'RealmFounded', data: { format: 1, realm, constants: { ...defaultConstants, presenceMs: 9_000 }, digest: 'sha256' } })
  const fold = (...events: RealmEvent[]) => {
    const state = emptyRealm()
    for (const event of events) foldRealm(state, event)
    return state
  }
  it('is founded once; what was founded first holds', () => {
    expect(fold(founded('one'), founded('two'))).toMatchObject({ founded: true, realm: 'one', format: 1, constants: { presenceMs: 9_000 }, revision: 2 })
  })
  it('lanes are defined region by region, each once', () => {
    const lanes = (region: string, ...names: string[]): RealmEvent => ({ type: 'LanesDefined', data: { region, lanes: names } })
    expect(fold(lanes('east', 'east-1', 'east-2'), lanes('west', 'west-1'), lanes('east', 'east-2', 'east-3')).lanes).toEqual([
      { region: 'east', lane: 'east-1' }, { region: 'east', lane: 'east-2' }, { region: 'west', lane: 'west-1' }, { region: 'east', lane: 'east-3' },
    ])
  })
  it('the epoch is the revision of LeaderElected', () => {
    const elected = (agent: string): RealmEvent => ({ type: 'LeaderElected', data: { agent, instance: `${agent}-i` } })
    expect(fold(founded('one'), elected('a1'), elected('a2')).leader).toEqual({ agent: 'a2', instance: 'a2-i', epoch: 3 })
  })
  it('its format is raised and never lowered; a shape of format 2 is allowed from there on', () => {
    const raised = (format: number): RealmEvent => ({ type: 'FormatRaised', data: { format } })
    expect(allowsFormat(fold(founded('one')), 2)).toBe(false)
    expect(allowsFormat(fold(founded('one'), raised(2)), 2)).toBe(true)
    expect(fold(founded('one'), raised(2), raised(1)).format).toBe(2)
  })
  it('quarantine begins and ends; the first reason stays', () => {
    const begun = (why: string): RealmEvent => ({ type: 'QuarantineBegun', data: { why } })
    const ended: RealmEvent = { type: 'QuarantineEnded', data: {} }
    expect(fold(founded('one'), begun('restore'), begun('again')).quarantine).toEqual({ why: 'restore', since: 2 })
    expect(fold(founded('one'), begun('restore'), ended).quarantine).toBeNull()
  })
  it('decides what may be recorded of format and quarantine', () => {
    const one = fold(founded('one'))
    expect(raiseFormat(one, 2)).toEqual({ kind: 'events', events: [{ type: 'FormatRaised', data: { format: 2 } }] })
    expect(raiseFormat(one, 1).kind).toBe('nothing')
    expect(raiseFormat(emptyRealm(), 2).kind).toBe('refused')
    expect(beginQuarantine(one, 'x')).toMatchObject({ kind: 'refused', refusal: { code: 'format-too-old' } })
    const two = fold(founded('one'), { type: 'FormatRaised', data: { format: 2 } })
    expect(beginQuarantine(two, 'x')).toEqual({ kind: 'events', events: [{ type: 'QuarantineBegun', data: { why: 'x' } }] })
    expect(beginQuarantine(two, 'x'.repeat(3_000))).toEqual({ kind: 'events', events: [{ type: 'QuarantineBegun', data: { why: 'x'.repeat(2_048) } }] })
    expect(endQuarantine(two).kind).toBe('nothing')
    foldRealm(two, { type: 'QuarantineBegun', data: { why: 'x' } })
    expect(beginQuarantine(two, 'y').kind).toBe('nothing')
    expect(endQuarantine(two)).toEqual({ kind: 'events', events: [{ type: 'QuarantineEnded', data: {} }] })
  })
  it('a restore is recorded in quarantine, with the format that it needs', () => {
    const restored = { from: 3, how: 'import', turns: 7, realm: 'two', end: 'd'.repeat(64) } as const
    const recorded: RealmEvent = { type: 'RealmRestored', data: restored }
    const begun: RealmEvent = { type: 'QuarantineBegun', data: { why: 'x' } }
    const raised: RealmEvent = { type: 'FormatRaised', data: { format: 2 } }
    expect(recordRestore(fold(founded('one')), restored, 'x')).toEqual({ kind: 'events', events: [raised, recorded, begun] })
    expect(recordRestore(fold(founded('one'), raised), restored, 'x')).toEqual({ kind: 'events', events: [recorded, begun] })
    // One that goes on keeps its reason.
    expect(recordRestore(fold(founded('one'), raised, begun), restored, 'y')).toEqual({ kind: 'events', events: [recorded] })
    expect(recordRestore(emptyRealm(), restored, 'x').kind).toBe('refused')
    expect(recordRestore(fold(founded('one'), notKnown as unknown as RealmEvent), restored, 'x').kind).toBe('refused')
    expect(recordRestore(fold(founded('one'), { type: 'FormatRaised', data: { format: 99 } }), restored, 'x').kind).toBe('refused')
    const state = fold(founded('one'), raised)
    foldRealm(state, recorded)
    expect(state).toMatchObject({ revision: 3, unknownType: null, quarantine: null })
  })
  it('knows that weak durability was accepted, and what it does not know', () => {
    expect(fold({ type: 'WeakDurabilityAccepted', data: { level: 'weak', why: 'x' } }).weakDurability).toBe(true)
    expect(fold(founded('one'), notKnown as unknown as RealmEvent)).toMatchObject({ revision: 2, unknownType: 'SomethingNew' })
  })
})

describe('site', () => {
  const command = { kind: 'simulated', address: 'http://127.0.0.1:1', region: 'east', fencing: 'enforced' } as const
  const added: SiteEvent = { type: 'SiteAdded', data: command }
  const removed: SiteEvent = { type: 'SiteRemoved', data: {} }
  const given = specification<SiteState, SiteEvent>({ empty: () => absentSite('site-a'), fold: foldSite, fault: (state) => state.unknownType ?? undefined })
  it('is added once, removed, and added again', () => {
    given()
      .when((state) => addSite(state, command)).then(added)
      .when((state) => addSite(state, command)).thenRefused('exists')
      .when((state) => removeSite(state, [])).then(removed)
      .when((state) => removeSite(state, [])).thenRefused('unknown-site')
      .when((state) => addSite(state, { ...command, region: 'west' })).then({ type: 'SiteAdded', data: { ...command, region: 'west' } })
  })
  it('is not removed while groups change it', () => {
    given(added).when((state) => removeSite(state, ['g1'])).thenRefused('wrong-state')
    expect(removeSite(given(added).state, ['g1', 'g2', 'g3'])).toMatchObject({ refusal: { text: expect.stringContaining('group g1 and 2 more') } })
  })
  it('is not written by a build that does not know it all', () => {
    const later = notKnown as unknown as SiteEvent
    given(added, later).when((state) => removeSite(state, [])).thenRefused('wrong-state')
    given(later).when((state) => addSite(state, command)).thenRefused('wrong-state')
  })
})

describe('agent', () => {
  const started = (instance: string): AgentEvent => ({ type: 'AgentStarted', data: { instance, role: 'skilled', region: 'east', skills: ['libvirt'], build: 'b1' } })
  const fold = (...events: AgentEvent[]) => {
    const state = absentAgent('a1')
    for (const event of events) foldAgent(state, event)
    return state
  }
  it('starts, stops and is lost', () => {
    expect(fold(started('i1'))).toMatchObject({ phase: 'started', instance: 'i1', role: 'skilled', region: 'east', skills: ['libvirt'], build: 'b1' })
    expect(fold(started('i1'), { type: 'AgentStopped', data: { instance: 'i1' } }).phase).toBe('stopped')
    expect(fold(started('i1'), { type: 'AgentLost', data: { instance: 'i1' } }).phase).toBe('lost')
  })
  it('the end of a former instance says nothing of the present one (P17)', () => {
    expect(fold(started('i1'), started('i2'), { type: 'AgentLost', data: { instance: 'i1' } })).toMatchObject({ phase: 'started', instance: 'i2', revision: 3 })
    expect(fold(started('i1'), started('i2'), { type: 'AgentStopped', data: { instance: 'i1' } }).phase).toBe('started')
  })
  it('remembers what it does not know', () => {
    expect(fold(notKnown as unknown as AgentEvent)).toMatchObject({ revision: 1, unknownType: 'SomethingNew' })
  })
})

describe('instruction', () => {
  const given = specification<InstructionState, InstructionEvent>({ empty: () => absentInstruction('C1'), fold: foldInstruction, fault: (state) => state.unknownType ?? undefined })
  const taken: InstructionEvent = { type: 'InstructionTaken', data: { lane: 'east-1', plan: 'p', text: 'start all' } }
  const refusedEvent: InstructionEvent = { type: 'InstructionRefused', data: { text: 'start all', code: 'unknown-site', why: 'there is no site x' } }
  it('is taken once; whoever meets it follows it (P13)', () => {
    const { state } = given().when((at) => takeInstruction(at, 'east-1', 'p', 'start all')).then(taken).when((at) => takeInstruction(at, 'east-2', 'q', 'other')).thenNothing()
    expect(state.taken).toEqual(taken.data)
    const terms = { name: 'n', window: 4, distributionFactor: 50, mode: 'direct' as const }
    given().when((at) => takeInstruction(at, 'east-1', 'p', 'start all', terms)).then({ type: 'InstructionTaken', data: { ...taken.data, ...terms } } as InstructionEvent)
  })
  it('a refusal is recorded, and stays', () => {
    given().when((at) => refuseInstruction(at, 'start all', 'unknown-site', 'there is no site x')).then(refusedEvent)
      .when((at) => takeInstruction(at, 'east-1', 'p', 'start all')).thenRefused('wrong-state')
      .when((at) => refuseInstruction(at, 'start all', 'x', 'y')).thenRefused('wrong-state')
    given(taken).when((at) => refuseInstruction(at, 'start all', 'x', 'y')).thenNothing()
  })
  it('what came first stands', () => {
    expect(given(taken, refusedEvent).state).toMatchObject({ taken: taken.data, refused: null, revision: 2 })
    expect(given(refusedEvent, taken).state).toMatchObject({ taken: null, refused: refusedEvent.data })
  })
  it('long texts do not fit, an unknown type ends writing', () => {
    given().when((at) => takeInstruction(at, 'east-1', 'p', 'x'.repeat(2_100))).thenRefused('too-large')
    given().when((at) => takeInstruction(at, 'east-1', 'p', 't', { name: 'x'.repeat(2_100) })).thenRefused('too-large')
    given(notKnown as unknown as InstructionEvent).when((at) => takeInstruction(at, 'east-1', 'p', 't')).thenRefused('wrong-state')
  })
})
