/** Triggers: what people define, what the leader decides of each nominal time, and what it reports (claim 10). */
import { describe, expect, it } from 'vitest'
import type { TriggerDefinition } from '../../../machines/trigger/definition.ts'
import { type DueTime, decideDue, defineTrigger, removeTrigger, reportRun, resumeTrigger, startWaiting, suspendTrigger } from '../../../machines/trigger/decide.ts'
import { endedWithoutGroup, recentLimit } from '../../../machines/trigger/evolve.ts'
import { change, defined, definition, due, given, otherChange, removed, reported, resumed, started, suspended, turnMs } from '../../support/trigger-events.ts'

const at = (atMs: number, more: Partial<DueTime> = {}): DueTime => ({ atMs, nowMs: atMs, going: false, command: 'c', ...more })
const alternate = { missed: { action: 'alternate', graceMs: 1_000, change: otherChange } } as const
const queue = { overlap: { action: 'queue', limit: 2 } } as const
const replace = { overlap: { action: 'replace' } } as const

describe('folding', () => {
  it.each([null, {}, { when: 1 }])('an event that cannot be read faults the trigger and nobody else: %j', (data) => {
    const { state } = given({ type: 'TriggerDefined', data } as never, due(20, 'alternate'))
    expect(state).toMatchObject({ phase: 'faulted' })
  })
})

describe('defining', () => {
  it('writes the whole definition, and again where it changes', () => {
    given()
      .when((state) => defineTrigger(state, definition, 10)).then(defined({}, 10))
      .when((state) => defineTrigger(state, definition, 20)).thenNothing()
      .when((state) => defineTrigger(state, { ...definition, priority: 5 }, 20)).then(defined({ priority: 5 }, 20))
  })
  it('a removed one is defined anew under its id; a suspended one stays suspended', () => {
    given(defined(), removed).when((state) => defineTrigger(state, definition, 20)).then(defined({}, 20))
    const { state } = given(defined(), suspended).when((one) => defineTrigger(one, { ...definition, priority: 1 }, 20)).then(defined({ priority: 1 }, 20))
    expect(state.phase).toBe('suspended')
  })
  it('a once-at time in the past is refused, unless it was there before', () => {
    const once = { ...definition, when: { atMs: [100, 300] } }
    given().when((state) => defineTrigger(state, once, 100)).thenRefused('malformed')
    given().when((state) => defineTrigger(state, once, 99)).then(defined({ when: once.when }, 99))
    given(defined({ when: once.when }, 99)).when((state) => defineTrigger(state, { ...once, priority: 1 }, 200)).then(defined({ when: once.when, priority: 1 }, 200))
  })
  it.each<[string, Partial<TriggerDefinition>]>([
    ['no name', { name: '' }],
    ['a long name', { name: 'ä'.repeat(1_100) }],
    ['no time', { when: {} }],
    ['no once-at time', { when: { atMs: [] } }],
    ['times that do not rise', { when: { atMs: [20, 20] } }],
    ['a time with a fraction', { when: { atMs: [20.5] } }],
    ['a time after the year 9999', { when: { atMs: [253_402_300_800_000] } }],
    ['too many times', { when: { atMs: Array.from({ length: 101 }, (_, index) => index + 20) } }],
    ['a priority that is too high', { priority: 101 }],
    ['a grace below 0', { missed: { action: 'skip', graceMs: -1 } }],
    ['alternate without a change', { missed: { action: 'alternate', graceMs: 0 } }],
    ['a change without alternate', { missed: { action: 'skip', graceMs: 0, change } }],
    ['queue without a limit', { overlap: { action: 'queue' } }],
    ['an unbounded queue', { overlap: { action: 'queue', limit: 101 } }],
    ['a limit without queue', { overlap: { action: 'skip', limit: 1 } }],
    ['a timeout of 0', { monitoring: { timeoutMs: 0, report: [] } }],
    ['a heartbeat of 0', { monitoring: { heartbeatMs: 0, report: [] } }],
    ['more than a turn should carry', { change: { ...change, selector: { services: ['x'.repeat(70_000)] } } }],
  ])('refuses %s', (_, wrong) => {
    given().when((state) => defineTrigger(state, { ...definition, ...wrong }, 0)).thenRefused('malformed')
  })
})

describe('removing, suspending, resuming', () => {
  it('what is not there is refused', () => {
    given().when(removeTrigger).thenRefused('unknown-trigger')
    given().when(suspendTrigger).thenRefused('unknown-trigger')
    given().when((state) => resumeTrigger(state, 1)).thenRefused('unknown-trigger')
    given(defined(), removed).when(removeTrigger).thenRefused('unknown-trigger')
    given(defined(), removed).when(suspendTrigger).thenRefused('unknown-trigger')
  })
  it('what is so already changes nothing', () => {
    given(defined()).when(suspendTrigger).then(suspended).when(suspendTrigger).thenNothing()
    given(defined()).when((state) => resumeTrigger(state, 1)).thenNothing()
  })
  it('nominal times of a suspended trigger are none', () => {
    given(defined(), suspended)
      .when((state) => decideDue(state, at(100))).thenNothing()
      .when((state) => resumeTrigger(state, 200)).then(resumed(200))
      .when((state) => decideDue(state, at(200))).thenNothing()
      .when((state) => decideDue(state, at(300))).then(due(300, 'run', { command: 'c' }))
  })
  it('removing drops what waits, and a run that was started goes on', () => {
    const { state } = given(defined(queue), due(100, 'run', { command: 'a' }), due(200, 'queue', { why: 'overlap' })).when(removeTrigger).then(removed)
    expect(state).toMatchObject({ phase: 'removed', waiting: [], running: { command: 'a' } })
    given(defined(), removed).when((one) => decideDue(one, at(100))).thenNothing()
  })
})

describe('a nominal time', () => {
  it('runs, once, by the definition of its time', () => {
    const { state } = given(defined({ priority: 7 }))
      .when((one) => decideDue(one, at(100))).then(due(100, 'run', { command: 'c' }))
      .when((one) => decideDue(one, at(100, { command: 'd' }))).thenNothing()
      .when((one) => decideDue(one, at(50, { command: 'd' }))).thenNothing()
      .when((one) => defineTrigger(one, { ...definition, change: otherChange }, 150)).then(defined({ change: otherChange }, 150))
    expect(state.running).toMatchObject({ atMs: 100, command: 'c', change, priority: 7, cause: 2, startedMs: turnMs })
  })
  it('at or before the time of its definition is not due', () => {
    given(defined({}, 100)).when((state) => decideDue(state, at(100))).thenNothing()
  })
  it('is missed only after its grace', () => {
    given(defined({ missed: { action: 'skip', graceMs: 1_000 } })).when((state) => decideDue(state, at(100, { nowMs: 1_100 }))).then(due(100, 'run', { command: 'c' }))
  })
  const late = at(100, { nowMs: 1_101 })
  it('missed: runs now', () => {
    given(defined()).when((state) => decideDue(state, late)).then(due(100, 'run', { why: 'missed', command: 'c' }))
  })
  it('missed: is skipped', () => {
    given(defined({ missed: { action: 'skip', graceMs: 1_000 } })).when((state) => decideDue(state, late)).then(due(100, 'skip', { why: 'missed' }))
  })
  it('missed: fails', () => {
    given(defined({ missed: { action: 'fail', graceMs: 1_000 } })).when((state) => decideDue(state, late)).then(due(100, 'fail', { why: 'missed' }))
  })
  it('missed: the other change runs', () => {
    const { state } = given(defined(alternate)).when((one) => decideDue(one, late)).then(due(100, 'alternate', { why: 'missed', command: 'c' }))
    expect(state.running?.change).toEqual(otherChange)
  })
})

describe('the run before has not ended', () => {
  const first = due(100, 'run', { command: 'a' })
  const going = at(200, { going: true })
  it('skip', () => {
    given(defined(), first).when((state) => decideDue(state, going)).then(due(200, 'skip', { why: 'overlap' }))
  })
  it('queue: waits, at most so many, and starts in order when the run before has ended', () => {
    given(defined(queue), first)
      .when((state) => decideDue(state, going)).then(due(200, 'queue', { why: 'overlap' }))
      .when((state) => decideDue(state, at(300, { going: true }))).then(due(300, 'queue', { why: 'overlap' }))
      .when((state) => decideDue(state, at(400, { going: true }))).then(due(400, 'skip', { why: 'full' }))
      .when((state) => startWaiting(state, { going: true, command: 'b' })).thenNothing()
      .when((state) => startWaiting(state, { going: false, command: 'b' })).then(started(200, 'b'))
      .when((state) => startWaiting(state, { going: false, command: 'd' })).then(started(300, 'd'))
      .when((state) => startWaiting(state, { going: false, command: 'e' })).thenNothing()
  })
  it('queue: a time that falls due while one waits goes behind it, though no run goes on', () => {
    given(defined(queue), first, due(200, 'queue', { why: 'overlap' })).when((state) => decideDue(state, at(300))).then(due(300, 'queue', { why: 'overlap' }))
  })
  it('replace: drops what waits and starts when the replaced run has ended', () => {
    const { state } = given(defined(replace), first)
      .when((one) => decideDue(one, going)).then(due(200, 'replace', { why: 'overlap' }))
      .when((one) => decideDue(one, at(300, { going: true }))).then(due(300, 'replace', { why: 'overlap' }))
    expect(state).toMatchObject({ running: { command: 'a', replaced: { cause: 3, timeMs: turnMs } }, waiting: [{ atMs: 300 }] })
    const after = given(defined(replace), first, due(300, 'replace', { why: 'overlap' })).when((one) => startWaiting(one, { going: false, command: 'b' })).then(started(300, 'b'))
    expect(after.state.running).toMatchObject({ command: 'b', replaced: null })
  })
  it('a missed time with another change waits with that change', () => {
    const late = at(200, { going: true, nowMs: 9_999 })
    const queued = given(defined({ ...alternate, ...queue }), first).when((state) => decideDue(state, late)).then(due(200, 'queue', { why: 'overlap', alternate: true }))
    expect(queued.state.waiting).toMatchObject([{ change: otherChange }])
    const replaced = given(defined({ ...alternate, ...replace }), first).when((state) => decideDue(state, late)).then(due(200, 'replace', { why: 'overlap', alternate: true }))
    expect(replaced.state.waiting).toMatchObject([{ change: otherChange }])
  })
  it('nothing that waits starts while it is suspended', () => {
    given(defined(queue), first, due(200, 'queue', { why: 'overlap' }), suspended)
      .when((state) => startWaiting(state, { going: false, command: 'b' })).thenNothing()
      .when((state) => resumeTrigger(state, 250)).then(resumed(250))
      .when((state) => startWaiting(state, { going: false, command: 'b' })).then(started(200, 'b'))
  })
})

describe('reports', () => {
  const first = due(100, 'run', { command: 'a' })
  it('each once a run, also of a trigger that was removed', () => {
    given(defined(), first)
      .when((state) => reportRun(state, 'a', 'timeout', 'why')).then(reported(100, 'timeout', 'why'))
      .when((state) => reportRun(state, 'a', 'timeout', 'why')).thenNothing()
      .when(removeTrigger).then(removed)
      .when((state) => reportRun(state, 'a', 'silent')).then(reported(100, 'silent'))
  })
  it('nothing of a run that is not the last', () => {
    given(defined()).when((state) => reportRun(state, 'a', 'timeout')).thenNothing()
    given(defined(), first).when((state) => reportRun(state, 'b', 'timeout')).thenNothing()
  })
  it('texts are cut to what an event holds', () => {
    given(defined(), first).when((state) => reportRun(state, 'a', 'refused', 'x'.repeat(5_000))).then(reported(100, 'refused', 'x'.repeat(2_048)))
  })
  it('refused and unchanged end a run', () => {
    for (const what of ['refused', 'unchanged'] as const) expect(endedWithoutGroup(given(defined(), first, reported(100, what)).state.running!)).toBe(true)
    expect(endedWithoutGroup(given(defined(), first, reported(100, 'timeout')).state.running!)).toBe(false)
  })
})

describe('evolve', () => {
  it('remembers so many nominal times, with what was reported of them', () => {
    const many = Array.from({ length: recentLimit + 5 }, (_, index) => due(index + 1, 'skip', { why: 'overlap' }))
    const { state } = given(defined(), ...many, due(1_000, 'run', { command: 'a' }), reported(1_000, 'blocked'))
    expect(state.recent).toHaveLength(recentLimit)
    expect(state.recent.at(-1)).toEqual({ atMs: 1_000, verdict: 'run', why: null, command: 'a', reported: [{ what: 'blocked', text: null }] })
  })
  it.each([
    ['a time that was decided', [defined(), due(100, 'skip'), due(100, 'skip')]],
    ['a time before the definition', [defined({}, 100), due(100, 'skip')]],
    ['a time of what is not defined', [due(100, 'skip')]],
    ['a run without a command', [defined(), due(100, 'run')]],
    ['a skip with a command', [defined(), due(100, 'skip', { command: 'a' })]],
    ['another change that there is not', [defined(), due(100, 'alternate', { command: 'a' })]],
    ['a start of what does not wait', [defined(), started(100, 'a')]],
    ['a type that it does not know', [defined(), { type: 'TriggerPainted', data: {} } as never]],
  ])('%s faults the trigger; it can be removed and defined anew', (_, events) => {
    const { state } = given(...events)
    expect(state).toMatchObject({ phase: 'faulted', fault: { revision: events.length } })
    given(...events).when((one) => defineTrigger(one, definition, 1)).thenRefused('wrong-state')
    given(...events).when((one) => decideDue(one, at(10_000))).thenNothing()
    given(...events).when(removeTrigger).then(removed).when((one) => defineTrigger(one, definition, 500)).then(defined({}, 500))
  })
})
