/** The format gate, and quarantine, with whole agents in virtual time. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { happened } from '../../machines/decision.ts'
import { writeAggregate } from '../../src/realm/aggregate-writer.ts'
import type { CommitContext } from '../../src/realm/commit-append.ts'
import { joinRealm } from '../../src/realm/founding.ts'
import { putIntoQuarantine, releaseFromQuarantine } from '../../src/realm/quarantine.ts'
import { laneClient } from '../../src/lane/client.ts'
import { canonicalBytes, digestOf, newUlid } from '../../streams/codec.ts'
import { groupId } from '../../streams/subjects.ts'
import { World } from './world.ts'

let world: World
let context: CommitContext
beforeEach(() => {
  world = new World()
  context = { log: world.observer.log, clock: world.clock, random: world.dice }
})
afterEach(() => world.end())

const job = (number: number): JobSpec => ({ site: 'drill', service: `s0000${number}`, operation: { name: 'rehearse' }, repeatable: true })
const format = () => world.view.state.realm.format

async function found(newestFormat: number): Promise<void> {
  const founding = { actor: 'program:test', region: 'here', durability: { level: 'synced' }, acceptWeakDurability: false, newestFormat } as const
  await world.drive(joinRealm(context, world.subjects, founding))
}

async function lanesHeld(): Promise<void> {
  await world.until('all lanes held', () => world.view.state.lanes.size === 4 && [...world.view.state.lanes.values()].every(({ holder }) => holder !== null))
}

async function runs(group: string): Promise<void> {
  await world.until(`the end of ${group}`, () => world.view.state.group(group)?.phase === 'completed', 60_000)
}

describe('the format of the realm', () => {
  it('stays at 1 while an agent lives that knows no more, and rises when that one is gone; groups go on', async () => {
    await found(1)
    world.start('old', { newestFormat: 1 })
    await world.until('a leader', () => world.leader() !== undefined)
    for (const agent of ['b', 'c']) world.start(agent)
    await lanesHeld()
    await world.addSite('drill', 'drill://?services=9')
    await runs(await world.openGroup('here-1', [job(1), job(2)]))
    await world.pass(20_000)
    expect(format()).toBe(1)
    const before = await world.openGroup('here-2', [job(3), job(4)])
    await world.drive(world.members.get('old')!.running.stop())
    await world.until('format 2', () => format() === 2, 60_000)
    await runs(before)
    expect(world.view.state.group(before)).toMatchObject({ decision: 1 })
    expect(world.events.filter(({ type }) => type === 'FormatRaised')).toHaveLength(1)
  })

  it('does not rise while it is in doubt whether one that knows no more lives: not before it is found lost (P18)', async () => {
    await found(1)
    for (const agent of ['a', 'b']) world.start(agent)
    world.start('old', { newestFormat: 1 })
    await lanesHeld()
    await world.kill('old')
    const killedMs = world.time.nowMs
    await world.until('format 2', () => format() === 2, 60_000)
    const { presenceMs } = world.view.state.realm.constants
    expect(world.time.nowMs - killedMs).toBeGreaterThanOrEqual(presenceMs * 1.1 - presenceMs / 3)
    const types = world.events.map(({ type, id }) => (type === 'AgentLost' ? `lost ${id}` : type))
    expect(types.indexOf('lost old')).toBeLessThan(types.indexOf('FormatRaised'))
  })

  it('an agent that knows no more refuses a realm of a newer format with one line, and ends when the realm rises above it', async () => {
    await found(1)
    for (const agent of ['a', 'b']) world.start(agent)
    await world.until('format 2', () => format() === 2, 60_000)
    const late = world.start('late', { newestFormat: 1 })
    const end = await world.drive(late.ended)
    expect(end).toMatchObject({ kind: 'failed', error: { name: 'RealmRefused', message: 'the realm has format 2, --newest-format 1 was given: leave it out' } })
    world.members.delete('late')
  })

  it('one that joined and is not seen yet when the realm rises ends by itself', async () => {
    await found(1)
    const late = world.start('late', { newestFormat: 1 })
    await world.drive(late.joined)
    const raised = await world.drive(
      writeAggregate(context, {
        subject: world.subjects.aggregate('realm', 'self'), aggregate: 'realm', id: 'self', empty: {}, fold: () => {}, actor: 'program:test',
        decide: () => happened({ type: 'FormatRaised', data: { format: 2 } }),
      }),
    )
    expect(raised.kind).toBe('written')
    expect(await world.drive(late.ended)).toMatchObject({ kind: 'failed', error: { name: 'RealmRefused' } })
    world.members.delete('late')
  })

  it('in a realm of format 1 no writer of an aggregate appends a newer shape', async () => {
    await found(1)
    const write = (type: string) =>
      world.drive(
        writeAggregate(context, {
          subject: world.subjects.aggregate('trigger', 't1'), aggregate: 'trigger', id: 't1', empty: {}, fold: () => {}, actor: 'program:test',
          decide: () => happened({ type, data: {} }),
        }),
      )
    expect(await write('TriggerDefined')).toEqual({
      kind: 'refused',
      refusal: { code: 'format-too-old', text: 'the realm\'s format is 1, this needs 2; it rises when every live agent and service knows it: "reeve agent list"' },
    })
    expect(await world.drive(world.observer.log.last(world.subjects.aggregate('trigger', 't1')))).toBeUndefined()
    for (const agent of ['a', 'b']) world.start(agent)
    await world.until('format 2', () => format() === 2, 60_000)
    expect((await write('TriggerDefined')).kind).toBe('written')
  })

  it('is read for a newer shape only by a writer that knows of none that holds it', async () => {
    await found(2)
    const realm = world.subjects.aggregate('realm', 'self')
    const reading = vi.spyOn(context.log, 'last')
    const write = (type: string, known: { readonly format?: number }) =>
      world.drive(
        writeAggregate(context, {
          subject: world.subjects.aggregate('trigger', 't1'), aggregate: 'trigger', id: 't1', empty: {}, fold: () => {}, actor: 'program:test', ...known,
          decide: () => happened({ type, data: {} }),
        }),
      )
    expect((await write('TriggerDefined', { format: 2 })).kind).toBe('written')
    expect(reading).not.toHaveBeenCalledWith(realm)
    for (const known of [{}, { format: 1 }]) {
      reading.mockClear()
      expect((await write('TriggerRemoved', known)).kind).toBe('written')
      expect(reading).toHaveBeenCalledWith(realm)
    }
  })
})

describe('quarantine', () => {
  it('begun before the first agent starts: it leads, maps and assigns, and grants nothing until it is released', async () => {
    await found(2)
    expect((await world.drive(putIntoQuarantine(context, world.subjects, { actor: 'program:test', why: 'restored' }))).kind).toBe('written')
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await lanesHeld()
    await world.addSite('drill', 'drill://?services=9')
    const group = await world.openGroup('here-1', [job(1), job(2), job(3)])
    await world.until('its jobs assigned', () => (world.view.state.group(group)?.assignments.length ?? 0) > 0)
    await world.pass(30_000)
    expect(world.executors(group)).toEqual([])
    const asked = await world.drive(
      laneClient({ bus: world.observer.bus, subjects: world.subjects }).work('here-1', {
        builtOn: { incarnation: 1, number: 0 }, agent: 'x', instance: 'x', capacity: 0, held: [], outcomes: [], stopped: [], asks: { group, job: 1 },
      }),
    )
    expect(asked).toMatchObject({ kind: 'taken', refused: { code: 'quarantined' } })
    await world.drive(releaseFromQuarantine(context, world.subjects, { actor: 'program:test' }))
    await runs(group)
    const types = world.events.map(({ type }) => type)
    expect(types.indexOf('LockGranted')).toBeGreaterThan(types.indexOf('QuarantineEnded'))
  })

  it('begun while groups run: what runs is finished or handed back, then nothing is granted; it ends after the release', async () => {
    await found(2)
    for (const agent of ['a', 'b', 'c']) world.start(agent)
    await lanesHeld()
    await world.addSite('drill', 'drill://?services=9')
    world.logDelayMs = 5
    const jobs = Array.from({ length: 9 }, (_, index) => job(index + 1))
    const group = await world.openGroup('here-1', [...jobs, ...jobs, ...jobs])
    await world.until('some of it done', () => world.executors(group).length > 3)
    await world.drive(putIntoQuarantine(context, world.subjects, { actor: 'program:test', why: 'incident' }))
    await world.until('no open grant', () => world.view.state.group(group)!.grant === null)
    await world.pass(1_000)
    const granted = world.executors(group).length
    await world.pass(20_000)
    expect(world.executors(group)).toHaveLength(granted)
    expect(world.view.state.group(group)).toMatchObject({ phase: 'running', grant: null })
    await world.drive(releaseFromQuarantine(context, world.subjects, { actor: 'program:test' }))
    await runs(group)
  })

  it('of a realm of format 1 it is refused, unless nobody is present: then the format rises in the same commit', async () => {
    await found(1)
    const asked = { actor: 'program:test', why: 'restored' }
    expect(await world.drive(putIntoQuarantine(context, world.subjects, asked))).toMatchObject({ kind: 'refused', refusal: { code: 'format-too-old' } })
    expect((await world.drive(putIntoQuarantine(context, world.subjects, { ...asked, nobodyPresent: true }))).kind).toBe('written')
    await world.until('it', () => world.view.state.realm.quarantine !== null)
    expect(world.view.state.realm).toMatchObject({ format: 2, quarantine: { why: 'restored' } })
  })
})

describe('a holder in a realm of format 1', () => {
  it('refuses a command that leads to a newer shape, and takes it once the format has risen', async () => {
    await found(1)
    world.start('old', { newestFormat: 1 })
    for (const agent of ['a', 'b']) world.start(agent)
    await lanesHeld()
    const lanes = laneClient({ bus: world.observer.bus, subjects: world.subjects })
    const jobs = [{ ...job(1), later: 1 }]
    const plan = digestOf(canonicalBytes({ jobs }))
    const group = groupId('here-1', newUlid(world.clock.nowMs(), world.dice))
    const send = (body: object) => world.drive(lanes.send('here-1', { builtOn: { incarnation: 1, number: 0 }, group, actor: 'program:test', body: body as never }))
    expect(await send({ kind: 'open', name: 'newer', jobs: 1, parts: 1, plan, window: 1, region: 'here', distributionFactor: 100 })).toMatchObject({ kind: 'done' })
    expect(await send({ kind: 'add', plan, part: 1, jobs })).toMatchObject({ kind: 'refused', code: 'format-too-old' })
    expect(world.view.state.group(group)).toMatchObject({ partsAdded: 0 })
    await world.drive(world.members.get('old')!.running.stop())
    await world.until('format 2', () => format() === 2, 60_000)
    expect((await send({ kind: 'add', plan, part: 1, jobs })).kind).not.toBe('not-the-holder')
  })
})
