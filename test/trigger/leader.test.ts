/** Triggers in a realm of whole agents, in virtual time: what the leader decides and starts, and what becomes of it when it dies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineTrigger } from '../../machines/trigger/decide.ts'
import { LaneLoads } from '../../src/change/lane-loads.ts'
import { RunStarter } from '../../src/trigger/run-starter.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type MappingCollectionValue, fromBytes, mappingCollectionKey } from '../../streams/coordination.ts'
import type { Commit } from '../../streams/envelope.ts'
import { TriggerWorld, minuteMs, other, plain, rehearsal } from './world.ts'

let world: TriggerWorld
const commits: Commit[] = []

beforeEach(async () => {
  world = new TriggerWorld()
  commits.length = 0
  world.view.onTurn(({ turn }) => commits.push(...turn.commits))
  await world.found()
})
afterEach(async () => {
  expect(await world.violations()).toEqual([])
  await world.end()
})

const once = (atMs: number) => ({ when: { atMs: [atMs] } })
const of = (aggregate: string, type: string) => commits.filter((commit) => commit.aggregate === aggregate && commit.events[0]?.type === type)
const ended = (trigger: string) => world.until(`the run of ${trigger} ends`, () => world.trigger(trigger).running !== null && world.ended(trigger))

describe('a nominal time', () => {
  it('comes from the leader, and its jobs go to the skilled agent (claim 8), in the order and with the priority that the trigger says (claim 10)', async () => {
    const services = ['hall/3', 'hall/1', 'hall/2']
    await world.define('nightly', { ...once(world.nowMs + 5_000), change: { ...rehearsal, selector: { services } }, priority: 7 })
    await ended('nightly')
    const epoch = world.view.state.realm.leader!.epoch
    expect(of('trigger', 'TriggerDue')).toMatchObject([{ epoch, actor: `agent:${world.leader()!.agent}` }])
    const [due] = of('trigger', 'TriggerDue')
    expect(of('instruction', 'InstructionTaken')).toMatchObject([
      { epoch, cause: { aggregate: 'trigger', id: 'nightly', revision: due!.revision }, events: [{ data: { priority: 7, trigger: { trigger: 'nightly' } } }] },
    ])
    expect(world.calls).toEqual(['3', '1', '2'])
    const [group] = world.groupsOf('nightly')
    expect(world.executors(group!)).toEqual(['s1', 's1', 's1'])
    expect(of('group', 'JobsAssigned')).toMatchObject([{ epoch }])
  })
  it('opens a group without order where its change has none', async () => {
    await world.define('nightly', { ...once(world.nowMs + 5_000), change: { ...rehearsal, order: 'none' } })
    await ended('nightly')
    expect(of('instruction', 'InstructionTaken')).toMatchObject([{ events: [{ data: { order: 'none' } }] }])
    expect(of('group', 'GroupOpened')).toMatchObject([{ events: [{ data: { order: 'none', decision: 2 } }] }])
  })
  it('is decided at its time, not at the next look', async () => {
    const atMs = world.nowMs + 12_345
    await world.define('nightly', once(atMs))
    await world.until('it is due', () => world.trigger('nightly').decidedMs === atMs)
    expect(world.nowMs - atMs).toBeLessThan(200)
    await ended('nightly')
  })
  it('of a cron expression follows upon the other', async () => {
    await world.define('nightly')
    const from = world.minuteOf(world.nowMs - (world.nowMs % minuteMs))
    await world.passTo(30_000)
    await world.pass(3 * minuteMs)
    expect(world.decided('nightly')).toEqual([1, 2, 3].map((more) => `${from + more} run`))
    expect(world.groupsOf('nightly')).toHaveLength(3)
    await world.remove('nightly')
  })
  it('that cannot be planned is refused, with why; one that changes nothing ends as unchanged', async () => {
    await world.define('lost', { ...once(world.nowMs + 1_000), change: { ...rehearsal, selector: { sites: ['nowhere'] } } })
    await ended('lost')
    expect(world.trigger('lost').recent[0]!.reported).toEqual([{ what: 'refused', text: expect.stringContaining('nowhere') }])
    expect(of('instruction', 'InstructionRefused')).toHaveLength(1)
    await world.define('done', { ...once(world.nowMs + 1_000), change: { ...rehearsal, operation: { name: 'start' } } })
    await ended('done')
    expect(world.trigger('done').recent[0]!.reported).toMatchObject([{ what: 'unchanged' }])
    // So that nobody who planned it otherwise can still take it.
    expect(of('instruction', 'InstructionRefused').map(({ events }) => (events[0]!.data as { code: string }).code)).toEqual(['unknown-site', 'unchanged'])
    await world.define('strange', { ...once(world.nowMs + 1_000), change: { ...rehearsal, colour: 'blue' } })
    await ended('strange')
    expect(world.trigger('strange').recent[0]!.reported).toMatchObject([{ what: 'refused' }])
  })
  it('whose site does not answer is planned again until it does', async () => {
    world.unreachable = true
    await world.define('nightly', once(world.nowMs + 1_000))
    await world.pass(30_000)
    expect(world.run('nightly')?.kind).toBe('to-plan')
    world.unreachable = false
    await ended('nightly')
    expect(world.calls).toHaveLength(3)
  })
  it('whose site does not answer for ten minutes is refused', async () => {
    world.unreachable = true
    await world.define('nightly', once(world.nowMs + 1_000))
    await world.pass(9 * minuteMs)
    expect(world.run('nightly')?.kind).toBe('to-plan')
    await world.pass(2 * minuteMs)
    expect(world.trigger('nightly').recent[0]!.reported).toMatchObject([{ what: 'refused' }])
  })
})

describe('a trigger that is changed, suspended, removed', () => {
  it('decides by the definition before what was due by it, and by the new one what comes later', async () => {
    await world.define('nightly')
    await world.passTo(59_500)
    // Nobody decides: what the definition before asked for at the full minute is not lost.
    for (const agent of ['g1', 'g2']) await world.kill(agent)
    await world.pass(10_000)
    const change = { ...rehearsal, selector: { services: ['hall/2'] } }
    await world.define('nightly', { change })
    expect(world.trigger('nightly').running!.change).toEqual(rehearsal)
    world.generic('g3')
    await world.pass(2 * minuteMs)
    expect(world.trigger('nightly').running!.change).toEqual(change)
    await world.remove('nightly')
    await ended('nightly')
  })
  it('nominal times of a suspended one are none', async () => {
    await world.define('nightly')
    await world.passTo(30_000)
    await world.suspend('nightly')
    const before = world.decided('nightly').length
    await world.pass(3 * minuteMs)
    expect(world.decided('nightly')).toHaveLength(before)
    await world.resume('nightly')
    await world.pass(minuteMs)
    expect(world.decided('nightly')).toHaveLength(before + 1)
    await world.remove('nightly')
    await world.pass(2 * minuteMs)
    expect(world.decided('nightly')).toHaveLength(before + 1)
  })
})

describe('a time that was missed', () => {
  const missedOne = async (missed: typeof plain.missed | { action: 'skip' | 'fail'; graceMs: number } | { action: 'alternate'; graceMs: number; change: typeof other }) => {
    const atMs = world.nowMs + 5_000
    await world.define('nightly', { ...once(atMs), missed: missed as never })
    for (const agent of ['g1', 'g2']) await world.kill(agent)
    await world.pass(60_000)
    world.generic('g3')
    await world.until('it is decided', () => world.trigger('nightly').recent.length === 1)
    const { verdict, why } = world.trigger('nightly').recent[0]!
    return `${verdict} ${why}`
  }
  it('runs now', async () => {
    expect(await missedOne({ action: 'run-now', graceMs: 20_000 })).toBe('run missed')
    await ended('nightly')
    expect(world.calls).toHaveLength(3)
  })
  it('is skipped', async () => {
    expect(await missedOne({ action: 'skip', graceMs: 20_000 })).toBe('skip missed')
  })
  it('fails', async () => {
    expect(await missedOne({ action: 'fail', graceMs: 20_000 })).toBe('fail missed')
  })
  it('runs the other change', async () => {
    expect(await missedOne({ action: 'alternate', graceMs: 20_000, change: other })).toBe('alternate missed')
    await ended('nightly')
    expect(world.calls).toEqual(['2'])
  })
  it('is none within its grace', async () => {
    expect(await missedOne({ action: 'skip', graceMs: 600_000 })).toBe('run null')
    await ended('nightly')
  })
})

describe('the run before goes on', () => {
  beforeEach(() => void (world.callMs = 9_000))
  const slow = { change: { ...rehearsal, selector: { services: Array.from({ length: 3 }, (_, index) => `hall/${index + 1}`) }, includeUnchanged: true } }
  /** Three calls of 9 s: a run lasts 27 s; times are 10 s apart. */
  const times = (count: number) => ({ when: { atMs: Array.from({ length: count }, (_, index) => Math.ceil(world.nowMs / 1_000) * 1_000 + 5_000 + index * 10_000) } })
  const verdicts = () => world.trigger('busy').recent.map(({ verdict, why }) => `${verdict}${why === null ? '' : ` ${why}`}`)

  it('skip', async () => {
    await world.define('busy', { ...slow, ...times(3) })
    await world.until('all are decided', () => verdicts().length === 3, 60_000)
    expect(verdicts()).toEqual(['run', 'skip overlap', 'skip overlap'])
    await ended('busy')
    expect(world.calls).toHaveLength(3)
  })
  it('queue: one after the other, at most so many wait', async () => {
    await world.define('busy', { ...slow, ...times(3), overlap: { action: 'queue', limit: 1 } })
    await world.until('all are decided', () => verdicts().length === 3, 60_000)
    expect(verdicts()).toEqual(['run', 'queue overlap', 'skip full'])
    await world.until('the second has ended', () => world.trigger('busy').waiting.length === 0 && world.ended('busy'), 120_000)
    expect(world.groupsOf('busy')).toHaveLength(2)
    expect(world.calls).toHaveLength(6)
  })
  it('replace: the run before is cancelled, and the last one runs to its end', async () => {
    await world.define('busy', { ...slow, ...times(3), overlap: { action: 'replace' } })
    await world.until('the last has ended', () => verdicts().length === 3 && world.trigger('busy').waiting.length === 0 && world.ended('busy'), 180_000)
    expect(verdicts()).toEqual(['run', 'replace overlap', 'replace overlap'])
    const phases = world.groupsOf('busy').map((group) => world.view.state.group(group)!.phase)
    expect(phases.at(-1)).toBe('completed')
    expect(phases.slice(0, -1).every((phase) => phase === 'cancelled')).toBe(true)
  })
})

describe('monitoring', () => {
  const monitored = (more: object) => ({ ...once(world.nowMs + 2_000), monitoring: { report: ['timeout', 'silent', 'blocked', 'failed', 'succeeded'], ...more } as never })
  const reports = (trigger: string) => world.trigger(trigger).recent[0]!.reported.map(({ what }) => what)

  it('a run over its time-out is reported, once', async () => {
    world.callMs = 9_000
    await world.define('slow', monitored({ timeoutMs: 5_000 }))
    await ended('slow')
    await world.pass(5_000)
    expect(reports('slow')).toEqual(['timeout', 'succeeded'])
  })
  it('a run without a sign of life is reported', async () => {
    world.callMs = 9_000
    await world.define('quiet', monitored({ heartbeatMs: 4_000 }))
    await ended('quiet')
    await world.pass(5_000)
    expect(reports('quiet')).toEqual(['silent', 'succeeded'])
  })
  it('one that stops at a failed job is reported as blocked, one that was cancelled as failed', async () => {
    world.result = { kind: 'failed', code: 'refused-by-site', reason: 'no' }
    await world.define('bad', { ...monitored({}), overlap: { action: 'replace' }, when: { atMs: [world.nowMs + 2_000, world.nowMs + 20_000] } })
    await world.until('it is reported', () => world.trigger('bad').recent[0]?.reported.length === 1)
    expect(reports('bad')).toEqual(['blocked'])
    world.result = { kind: 'done' }
    await world.until('the next has replaced it and ended', () => world.trigger('bad').recent[1]?.reported.length === 1, 60_000)
    expect(reports('bad')).toEqual(['blocked', 'failed'])
    expect(world.trigger('bad').recent[1]!.reported).toMatchObject([{ what: 'succeeded' }])
  })
  it('what is not asked for is not reported', async () => {
    world.callMs = 9_000
    await world.define('slow', { ...monitored({}), monitoring: { timeoutMs: 1_000, report: ['blocked'] } })
    await ended('slow')
    await world.pass(5_000)
    expect(reports('slow')).toEqual([])
  })
})

describe('what its jobs ask for', () => {
  const nobody = 'the jobs of a trigger would wait: no agent takes what asks for this'
  const mapped = async () => {
    const entry = await world.drive(world.observer.mappings.get(mappingCollectionKey))
    const { triggers } = entry === undefined ? {} : fromBytes<MappingCollectionValue>(entry.value)
    return triggers
  }
  const said = () => world.lines.filter(({ message }) => message === nobody).map(({ level, fields }) => ({ level, ...fields }))

  it('is kept beforehand in the mapping collection, and said once where nobody has it; gone with the trigger', async () => {
    await world.define('nightly', { ...once(world.nowMs + 60 * minuteMs), change: { selector: { all: true }, operation: { name: 'rehearse' } } })
    await world.define('elsewhere', { ...once(world.nowMs + 60 * minuteMs), change: { ...rehearsal, selector: { sites: ['nowhere'] } } })
    await world.define('past', once(world.nowMs + 1_000))
    await ended('past')
    await world.pass(5_000)
    const served = [{ trigger: 'elsewhere', groups: [] }, { trigger: 'nightly', groups: [{ region: 'here', skill: 'hall' }] }]
    expect(await mapped()).toEqual(served)
    await world.kill('s1')
    await world.until('it is lost', () => world.view.state.agents.get('s1')?.phase === 'lost', 60_000)
    await world.pass(5_000)
    expect(await mapped()).toMatchObject([{ trigger: 'elsewhere' }, { trigger: 'nightly', missing: ['hall'] }])
    expect(said()).toEqual([])
    await world.pass(2 * minuteMs)
    expect(said()).toMatchObject([{ level: 'warn', trigger: 'nightly', missing: 'hall' }])
    world.start('s2', { role: 'skilled', skills: ['hall'], adapterOf: world.adapterOf })
    await world.pass(10_000)
    expect(await mapped()).toEqual(served)
    await world.remove('nightly')
    await world.suspend('elsewhere')
    await world.pass(5_000)
    expect(await mapped()).toBeUndefined()
    expect(said()).toHaveLength(1)
  })
})

describe('the leader dies', () => {
  const killLeader = async () => {
    await world.until('somebody leads', () => world.leader() !== undefined)
    const { agent } = world.leader()!
    await world.kill(agent)
    world.generic(`${agent}x`)
  }

  it('between the decision and the instruction: the next leader starts the very same run', async () => {
    world.readMs = 3_000
    await world.define('nightly', once(world.nowMs + 5_000))
    await world.until('it is decided', () => world.trigger('nightly').running !== null)
    const { command } = world.trigger('nightly').running!
    expect(world.run('nightly')?.kind).toBe('to-plan')
    await killLeader()
    await world.until('the run ends', () => world.ended('nightly'), 120_000)
    expect(world.trigger('nightly').running!.command).toBe(command)
    expect(world.groupsOf('nightly')).toHaveLength(1)
    expect(world.calls).toEqual(['1', '2', '3'])
  })
  it('between the instruction and the group: the next leader opens it', async () => {
    world.logDelayMs = 20
    await world.define('nightly', once(world.nowMs + 5_000))
    await world.until('the instruction is taken', () => of('instruction', 'InstructionTaken').length === 1)
    expect(of('group', 'GroupOpened')).toHaveLength(0)
    expect(of('group', 'GroupSealed')).toHaveLength(0)
    await killLeader()
    await world.until('the run ends', () => world.ended('nightly'), 120_000)
    expect(world.groupsOf('nightly')).toHaveLength(1)
  })
  it('for so long that no lane takes the command any more: the run ends as refused, and the next one is free (P15)', async () => {
    world.logDelayMs = 20
    await world.define('nightly', once(world.nowMs + 5_000))
    await world.until('the instruction is taken', () => of('instruction', 'InstructionTaken').length === 1)
    for (const agent of ['g1', 'g2']) await world.kill(agent)
    expect(world.run('nightly')?.kind).toBe('opening')
    const refused = { kind: 'refused', code: 'too-old', text: 'too old' } as const
    const { subjects, observer, clock, dice, view } = world
    const writing = { coordinator: observer, subjects, clock, random: dice, view, loads: new LaneLoads(view, { clock, random: dice }), signal: new AbortController().signal, actor: 'service:test' }
    const starter = new RunStarter({ writing, opener: { open: async () => refused }, sites: { read: () => Promise.reject(new Error('a plan that is taken needs no site')) }, adapterOf: world.adapterOf, logger: { debug() {}, info() {}, warn() {}, error() {} } })
    starter.begin('nightly', world.trigger('nightly').running!)
    await world.until('the run has ended', () => world.ended('nightly'))
    expect(world.trigger('nightly').recent[0]!.reported).toEqual([{ what: 'refused', text: 'too old' }])
  })
  it('before the time: the next leader decides it', async () => {
    await world.define('nightly', once(world.nowMs + 5_000))
    await world.pass(4_900)
    await killLeader()
    await world.until('the run ends', () => world.trigger('nightly').running !== null && world.ended('nightly'), 120_000)
    expect(world.groupsOf('nightly')).toHaveLength(1)
  })
  it('over and over: every time is decided once, and each run has one group', async () => {
    await world.define('nightly', { overlap: { action: 'queue', limit: 100 } })
    for (let round = 0; round < 12; round++) {
      await world.pass(1_000)
      await world.passTo(round * 73)
      await killLeader()
    }
    await world.suspend('nightly')
    await world.resume('nightly')
    await world.pass(90_000)
    await world.suspend('nightly')
    await world.until('the last run ends', () => world.ended('nightly'), 240_000)
    expect(world.decided('nightly').length).toBeGreaterThanOrEqual(12)
  })
})

describe('alarms', () => {
  it('are set for every next time, and come back when all are deleted (I11)', async () => {
    await world.define('nightly', once(world.nowMs + 3_600_000))
    await untilPending('its alarm is set', ['nightly'])
    world.realm.deleteAlarms()
    expect(await pending()).toEqual([])
    await untilPending('its alarm is back', ['nightly'])
    await world.remove('nightly')
    await untilPending('its alarm is cancelled', [])
  })
  it('that never come are not missed', async () => {
    world.faults.alarm = () => []
    await world.define('nightly')
    await world.passTo(30_000)
    await world.pass(2 * minuteMs)
    expect(world.groupsOf('nightly').length).toBeGreaterThanOrEqual(2)
    await world.remove('nightly')
  })
  it('that come late, twice, or cannot be set change nothing', async () => {
    let number = 0
    world.faults.alarm = () => (++number % 2 === 0 ? [0, 0, 5_000, 70_000] : [61_000])
    world.faults.alarmWrite = () => (++number % 3 === 0 ? { lose: 'request' } : number % 3 === 1 ? { lose: 'answer' } : undefined)
    await world.define('nightly')
    await world.passTo(30_000)
    await world.pass(4 * minuteMs)
    expect(world.decided('nightly').every((text) => text.endsWith(' run'))).toBe(true)
    expect(world.groupsOf('nightly')).toHaveLength(world.decided('nightly').length)
    await world.remove('nightly')
  })
  const pending = async () => [...(await world.drive(world.observer.alarms.pending()))]
  const untilPending = async (what: string, triggers: readonly string[]) => {
    for (let tries = 0; tries < 200; tries++) {
      if (JSON.stringify(await pending()) === JSON.stringify(triggers)) return
      await world.pass(100)
    }
    throw new Error(`${what}: not within 20 s`)
  }
})

it('in a realm of format 1 nothing of it is written', async () => {
  const old = new TriggerWorld()
  old.start('g1', { newestFormat: 1, adapterOf: old.adapterOf })
  await old.until('somebody leads', () => old.leader() !== undefined)
  const refusal = old.ask('nightly', (state, nowMs) => defineTrigger(state, plain, nowMs))
  await expect(refusal).rejects.toThrow('format-too-old')
  await old.pass(5_000)
  expect([...old.view.state.triggers.keys()]).toEqual([])
  await old.end()
})

it('each commit on a trigger is a turn of its own', async () => {
  await world.define('nightly', once(world.nowMs + 1_000))
  await ended('nightly')
  const last = await world.drive(world.observer.log.last(world.subjects.aggregate('trigger', 'nightly')))
  expect(decodeTurn(last!.bytes).commits).toHaveLength(1)
})
