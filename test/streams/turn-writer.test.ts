/** What `turn-writer.ts` writes is what `JSON.stringify` makes of the same turn, byte for byte. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { TurnTooLarge, encodeTurnAndCommits } from '../../streams/codec.ts'
import { type Commit, type Turn, turnLimitBytes } from '../../streams/envelope.ts'
import { PlainJsonWriter } from '../../streams/plain-json-writer.ts'
import { writeTurn } from '../../streams/turn-writer.ts'
import { anyTurn, commitOf, ordinary, turnOf, ulid, variants } from './turns.ts'

function jsonOf({ aggregate, id, revision, command, actor, epoch, cause, correlation, events }: Commit): string {
  const named = cause === undefined ? undefined : { aggregate: cause.aggregate, id: cause.id, revision: cause.revision }
  return JSON.stringify({ aggregate, id, revision, command, actor, epoch, cause: named, correlation, events: events.map(({ type, data }) => ({ type, data })) })
}

function writesTheSame(turn: Turn): void {
  const { turn: id, schema, incarnation, number, timeMs, previous } = turn
  const commits = turn.commits.map(jsonOf)
  const written = writeTurn(turn)
  assert.deepEqual(written.commits, commits)
  const head = JSON.stringify({ turn: id, schema, incarnation, number, timeMs, previous })
  assert.equal(Buffer.from(written.bytes).toString('hex'), Buffer.from(`${head.slice(0, -1)},"commits":[${commits.join(',')}]}`).toString('hex'))
}

/** How often a turn of this commit is left to JSON, its head aside. */
function left(commit: Commit): number {
  const stringify = vi.spyOn(JSON, 'stringify')
  writeTurn(turnOf([commit]))
  const calls = stringify.mock.calls.length - 1
  stringify.mockRestore()
  return calls
}

afterEach(() => void vi.restoreAllMocks())

const succeeded = { job: 3, grant: 11 }
const granted = { jobs: [[4, 4]], agent: 'a1', instance: ulid, callDeadlineMs: 10_000 }
const both = (one: unknown, other: unknown): Commit => commitOf([{ type: 'JobSucceeded', data: one }, { type: 'LockGranted', data: other }])

class Named {
  readonly job = 3
  readonly grant = 11
}

/** Where JSON says something else than what the keys let one think, or where there are none to be seen. */
const odd: readonly (readonly [string, unknown])[] = [
  ['says itself how it is written', { ...succeeded, toJSON: () => 'x' }],
  ['says so where it is not seen', Object.defineProperty({ ...succeeded }, 'toJSON', { value: () => 'x' })],
  ['is of a class', new Named()],
  ['is of a class that says how it is written', Object.assign(Object.create({ toJSON: () => 'x' }) as object, succeeded)],
  ['has its keys from another', Object.create(succeeded)],
  ['has them from nowhere', Object.assign(Object.create(null) as object, succeeded)],
  ['is a list with these keys', Object.assign([], succeeded)],
  ['is a number with these keys', Object.assign(Object(5) as object, succeeded)],
  ['is a text', 'x'],
  ['is nothing', undefined],
  ['is null', null],
  ['is a function', () => succeeded],
  ['has a key that is not seen', Object.defineProperty({ ...succeeded }, 'more', { value: 1 })],
  ['has another key instead of one that is not seen', Object.defineProperty({ ...succeeded, more: 1 }, 'already', { value: true })],
  ['has a key that is a symbol', { ...succeeded, [Symbol('more')]: 1 }],
  ['has a key without a value', { ...succeeded, already: undefined }],
  ['has a number as a key', { ...succeeded, 0: 1 }],
  ['says "already" otherwise', { ...succeeded, already: false }],
  ['says "already" first', { already: true, ...succeeded }],
  ['says more than "already"', { ...succeeded, already: true, more: 1 }],
  ['names a job without a value', { job: undefined, grant: 11 }],
  ['names a job by an object', { job: Object(3) as unknown, grant: 11 }],
]
const oddGrants: readonly (readonly [string, unknown])[] = [
  ['a list that says how it is written', { ...granted, jobs: Object.assign([[4, 4]], { toJSON: () => 'x' }) }],
  ['a run that says how it is written', { ...granted, jobs: [Object.assign([4, 4], { toJSON: () => 'x' })] }],
  ['a run with holes', { ...granted, jobs: [new Array<number>(2)] }],
  ['a run without numbers', { ...granted, jobs: [[undefined, 4]] }],
  ['a run of three', { ...granted, jobs: [[4, 4, 4]] }],
  ['no list of runs', { ...granted, jobs: { length: 1, 0: [4, 4] } }],
  ['an agent without a name', { ...granted, agent: undefined }],
  ['an agent whose name is an object', { ...granted, agent: Object('a1') as unknown }],
  ['keys in another order', { agent: 'a1', jobs: [[4, 4]], instance: ulid, callDeadlineMs: 10_000 }],
  ['one key more', { ...granted, more: 1 }],
  ['another key instead of one that is not seen', Object.defineProperty({ jobs: [[4, 4]], agent: 'a1', instance: ulid, more: 1 }, 'callDeadlineMs', { value: 1 })],
  ['one key less', { jobs: [[4, 4]], agent: 'a1', instance: ulid }],
]
const texts = ['', 'a', '1234567', '12345678', '123456789', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65), '"', '\\', '\u0000', '\u001f', ' ', '~', '\u007f', '\u0080', 'Zoë', '日本', '😀', '\ud800', '\udc00x', '\u2028', '__proto__']
const numbers = [0, -0, 1, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2_147_483_647, 2_147_483_648, 4_294_967_296, Number.MAX_SAFE_INTEGER, 2 ** 60, 1e21, -1, 0.5, 1e-7, NaN, Infinity, -Infinity]

describe('a turn', () => {
  it.each(ordinary)('with %s is written as by JSON', (_, commit) => {
    writesTheSame(turnOf([commit]))
  })

  it('of outcomes and grants is written without JSON', () => {
    expect(left(both(succeeded, granted))).toBe(0)
    expect(left(both({ ...succeeded, already: true }, { ...granted, jobs: [[4, 4], [9, 12]] }))).toBe(0)
    expect(left(commitOf([{ type: 'GroupCompleted', data: {} }]))).toBe(0)
    expect(left(both({ ...succeeded, more: 1 }, granted))).toBe(1)
  })

  it.each(odd)('whose outcome %s is written as by JSON', (_, data) => {
    for (const type of ['JobSucceeded', 'LockGranted', 'GroupCompleted', 'LaterType']) writesTheSame(turnOf([commitOf([{ type, data }, { type: 'LockGranted', data: granted }])]))
  })

  it.each(oddGrants)('whose grant has %s is written as by JSON', (_, data) => {
    writesTheSame(turnOf([both(succeeded, data)]))
  })

  it.each([{ command: ulid }, { epoch: 1 }, { cause: { aggregate: 'realm', id: 'r', revision: 1 } }, { correlation: ulid }, { command: null }, { epoch: null }, { correlation: null }])('with %j is written as by JSON', (others) => {
    writesTheSame(turnOf([{ ...both(succeeded, granted), ...others } as Commit]))
  })

  it('with any text and any number at any place is written as by JSON, also when it is written again', () => {
    for (const text of [...texts, ...texts]) {
      for (const others of [{ id: text }, { actor: text }, { aggregate: text }, { command: text }, { correlation: text }]) writesTheSame(turnOf([{ ...both(succeeded, granted), ...others }]))
      for (const others of [{ agent: text }, { instance: text }]) writesTheSame(turnOf([both(succeeded, { ...granted, ...others }), both(succeeded, granted)]))
    }
    for (const number of numbers) {
      for (const others of [{ revision: number }, { epoch: number }]) writesTheSame(turnOf([{ ...both(succeeded, granted), ...others }]))
      for (const data of [{ job: number, grant: 1 }, { job: 1, grant: number }]) writesTheSame(turnOf([both(data, granted)]))
      for (const others of [{ callDeadlineMs: number }, { jobs: [[number, 4]] }, { jobs: [[1, 1], [4, number]] }]) writesTheSame(turnOf([both(succeeded, { ...granted, ...others })]))
    }
  })

  it('any one value of which is missing, another one, or has other keys or another order of them, is written as by JSON', () => {
    const plain = ordinary.filter(([, { command }]) => command === undefined).map(([, commit]) => commit.events)
    for (const { type, data } of plain.flat()) for (const changed of [undefined, ...variants(data)]) writesTheSame(turnOf([commitOf([{ type, data: changed }, { type: 'GroupCompleted', data: {} }])]))
  })

  it('is written as by JSON, whatever is in it', () => {
    fc.assert(fc.property(anyTurn, writesTheSame), { numRuns: 3_000 })
  })

  it('is written as by JSON, whatever the data of its events', () => {
    const value = fc.oneof({ weight: 3, arbitrary: fc.nat() }, { weight: 1, arbitrary: fc.anything({ withNullPrototype: true, withBoxedValues: true, withDate: true, withMap: true }) })
    const data = fc.uniqueArray(fc.tuple(fc.constantFrom('job', 'grant', 'already', 'jobs', 'agent', 'instance', 'callDeadlineMs', 'more', 'toJSON'), value), { selector: ([key]) => key, maxLength: 5 }).map((entries) => Object.fromEntries(entries) as unknown)
    const event = fc.record({ type: fc.constantFrom('JobSucceeded', 'LockGranted', 'GroupCompleted'), data: fc.oneof(data, value) })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 4 }), (events) => writesTheSame(turnOf([commitOf(events)]))),
      { numRuns: 3_000 },
    )
  })

  it('stays as it was written when others are, small ones and ones too large to be stored', () => {
    const large = turnOf([commitOf([{ type: 'LaterType', data: 'ë'.repeat(2 * turnLimitBytes) }]), commitOf(Array.from({ length: 20_000 }, () => ({ type: 'JobSucceeded', data: succeeded })))])
    const first = writeTurn(turnOf([both(succeeded, granted)]))
    const copy = Buffer.from(first.bytes)
    writesTheSame(large)
    writesTheSame(turnOf([both(granted, succeeded)]))
    expect(Buffer.compare(first.bytes, copy)).toBe(0)
    expect(() => encodeTurnAndCommits(large)).toThrow(TurnTooLarge)
  })
})

describe('texts', () => {
  const writer = new PlainJsonWriter()

  it('that begin or end alike, or are as long as one another, are not taken for each other, however many there are', () => {
    const written = (text: string) => {
      writer.open()
      assert.ok(writer.text(text))
      return writer.bytes().toString('latin1')
    }
    for (let round = 0; round < 2; round++) for (let index = 0; index < 5_000; index++) assert.equal(written(`north-${index}-${ulid}`), `north-${index}-${ulid}`)
    fc.assert(fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '{'), maxLength: 70 })), (all) => { for (const text of [...all, ...all]) assert.equal(written(text), text) }))
  })

  it('that are not plain add nothing', () => {
    writer.open()
    for (const text of ['abc"', 'a\\', 'ë', 5, undefined]) expect(writer.text(text)).toBe(false)
    for (const number of [-1, 0.5, 2 ** 31, NaN, '5']) expect(writer.count(number)).toBe(false)
    expect(writer.bytes()).toHaveLength(0)
  })
})
