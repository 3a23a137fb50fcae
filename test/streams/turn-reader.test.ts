/** What `turn-reader.ts` reads is what `JSON.parse` makes of the same bytes; where it is not, there is no answer. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MalformedTurn, decodeTurn, encodeTurn, parseTurn } from '../../streams/codec.ts'
import { type Commit, type Turn, firstDigest } from '../../streams/envelope.ts'
import { Expected, Kind, PlainJson } from '../../streams/plain-json.ts'
import { readWrittenTurn } from '../../streams/turn-reader.ts'

const ulid = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const skilled = { site: 'cloud-1', service: 's00001', operation: { name: 'rehearse' }, skill: { name: 'x', need: 'required' }, repeatable: true }
const job = { site: 'cloud-1', service: 's00001', operation: { name: 'rehearse' }, repeatable: true }

function turnOf(commits: readonly Commit[], others: Partial<Turn> = {}): Turn {
  return { turn: ulid, schema: 1, incarnation: 1, number: 7, timeMs: 1_700_000_000_000, previous: firstDigest, commits, ...others }
}

function commitOf(events: readonly { readonly type: string; readonly data: unknown }[], others: Partial<Commit> = {}): Commit {
  return { aggregate: 'group', id: `north-1-${ulid}`, revision: 12, actor: 'agent:a1', events, ...others }
}

/** What most of a log is made of. */
const ordinary: readonly (readonly [string, Commit])[] = [
  ['an outcome and the next grant', commitOf([{ type: 'JobSucceeded', data: { job: 3, grant: 11 } }, { type: 'LockGranted', data: { jobs: [[4, 4]], agent: 'a1', instance: ulid, callDeadlineMs: 10_000 } }])],
  ['the last outcome', commitOf([{ type: 'JobSucceeded', data: { job: 3, grant: 0 } }, { type: 'GroupCompleted', data: {} }])],
  ['a grant of several runs', commitOf([{ type: 'LockGranted', data: { jobs: [[4, 4], [9, 12]], agent: 'a1', instance: ulid, callDeadlineMs: 0 } }])],
  ['queues', commitOf([{ type: 'JobsAssigned', data: { assignments: [{ first: 1, last: 5, agent: 'a1' }, { first: 6, last: 6, agent: 'agent-with-a-name-that-is-longer-than-what-is-looked-up-among-the-known' }] } }], { epoch: 4 })],
  [
    'jobs',
    commitOf(
      [
        { type: 'GroupOpened', data: { name: 'Zoë "{}" \\', decision: 1, jobs: 5, parts: 1, plan: firstDigest, order: 'graph' } },
        {
          type: 'JobsAdded',
          data: {
            part: 1,
            jobs: [
              job,
              { ...job, service: 's00002' },
              { ...job, operation: { name: 'rename', to: 'web' } },
              { ...job, operation: { name: 'rename', to: 'web' }, repeatable: false },
              { ...job, operation: { name: 'assign', user: 'u1' }, after: [[1, 2], [4, 4]] },
              skilled,
              { ...skilled, service: 's00003' },
              { ...skilled, after: [[1, 1]] },
            ],
          },
        },
        { type: 'GroupSealed', data: {} },
      ],
      { revision: 1, command: ulid, actor: 'person:p', correlation: ulid },
    ),
  ],
  ['what is rare', commitOf([{ type: 'JobFailed', data: { job: 1, grant: 2, reason: { code: 'x', text: 'it said: "no }{"\n…' } } }, { type: 'LaterType', data: [1.5, -0, null] }], { command: ulid, epoch: 0 })],
  ['a lane that is taken', commitOf([{ type: 'LaneTaken', data: { agent: 'a1', instance: ulid } }], { aggregate: 'lane', id: 'north-1', epoch: 3, correlation: ulid })],
  ['no names at all', commitOf([{ type: 'LockGranted', data: { jobs: [[1, 1]], agent: '', instance: '', callDeadlineMs: 1 } }, { type: '', data: undefined }], { id: '', actor: '' })],
]

/** Fails where a turn is read that is not the same to the last key, or that is to be refused. True where it was read. */
function readsTheSame(bytes: Uint8Array): boolean {
  const read = readWrittenTurn(bytes)
  if (read === undefined) return false
  const parsed = parseTurn(bytes)
  assert.deepEqual(read, parsed)
  assert.equal(JSON.stringify(read), JSON.stringify(parsed))
  return true
}

/** The same with one thing of it changed, for each thing in it. */
function* variants(value: unknown): Generator<unknown> {
  for (const other of [null, true, 0, -1, 1.5, 1e21, '', 'a1', 'Zoë', {}, [], [[]], { name: 'x' }]) yield other
  if (typeof value === 'string') yield `${value}"`
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const items = value as unknown[]
    yield [...items, null]
    for (const [index, item] of items.entries()) {
      yield items.toSpliced(index, 1)
      yield items.toSpliced(index, 0, item)
      for (const other of variants(item)) yield items.with(index, other)
    }
    return
  }
  const entries = Object.entries(value)
  yield Object.fromEntries(entries.toReversed())
  for (const [index, [key, item]] of entries.entries()) {
    yield Object.fromEntries(entries.toSpliced(index, 1))
    yield Object.fromEntries(entries.toSpliced(index, 0, ['more', 1]))
    yield Object.fromEntries([...entries.toSpliced(index, 1), [key, item]])
    yield Object.fromEntries(entries.with(index, [`${key}s`, item]))
    for (const other of variants(item)) yield Object.fromEntries(entries.with(index, [key, other]))
  }
}

function outcome(decode: (bytes: Uint8Array) => Turn, bytes: Uint8Array): unknown {
  try {
    return JSON.stringify(decode(bytes))
  } catch (error) {
    if (!(error instanceof MalformedTurn)) throw error
    return { refused: error.message }
  }
}

describe('a turn that Reeve wrote', () => {
  it.each(ordinary)('with %s is read', (_, commit) => {
    expect(readsTheSame(encodeTurn(turnOf([commit])))).toBe(true)
  })

  it('is read with all of that together, at whatever place of a larger piece of memory', () => {
    const bytes = encodeTurn(turnOf(ordinary.map(([, commit]) => commit)))
    for (let before = 0; before < 16; before++) {
      const piece = Buffer.alloc(before + bytes.length + 3, '}')
      piece.set(bytes, before)
      expect(readsTheSame(piece.subarray(before, before + bytes.length))).toBe(true)
    }
  })

  it('names whom it named before by the same strings, and keeps equal operations of jobs once', () => {
    const [, commit] = ordinary[0]!
    const [one, other] = [1, 2].map((number) => readWrittenTurn(encodeTurn(turnOf([commit], { number })))!)
    expect(other!.commits[0]!.id).toBe(one!.commits[0]!.id)
    const jobsOf = (jobs: readonly object[]) => (decodeTurn(encodeTurn(turnOf([commitOf([{ type: 'JobsAdded', data: { part: 1, jobs } }])]))).commits[0]!.events[0]!.data as { readonly jobs: readonly { readonly operation: object }[] }).jobs
    for (const jobs of [jobsOf([job, job]), jobsOf([{ ...job, service: 'Zoë' }, job]), jobsOf([skilled, { ...skilled, service: 's2' }])]) expect(jobs[1]!.operation).toBe(jobs[0]!.operation)
  })

  const some = <T>(one: fc.Arbitrary<T>) => fc.oneof({ weight: 12, arbitrary: fc.array(one, { minLength: 1, maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant<T[]>([]) })
  const rarely = <T>(one: fc.Arbitrary<T>) => fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: one })
  const text = fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(ulid, `north-1-${ulid}`, `north-12-${ulid}`, 'a1', 'a2', 'agent:a1', '', 'x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65)) },
    { weight: 1, arbitrary: fc.string({ maxLength: 70 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
    { weight: 1, arbitrary: fc.constantFrom('"', '\\', '\\u0061', '\u007f', '\u0000', 'Zoë', '}]}', '__proto__', '\ud800') },
  )
  const number = fc.oneof(
    { weight: 60, arbitrary: fc.integer({ min: 1, max: 1_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, -0, -1, 1.5, 1e21, 1e-7, 999_999_999_999_999, 1_000_000_000_000_000, Number.MAX_SAFE_INTEGER, 2 ** 60) },
  )
  const runs = some(fc.tuple(number, number))
  const operation = fc.oneof(
    fc.record({ name: text, to: text, user: text }, { requiredKeys: ['name'] }),
    fc.record({ name: fc.constant('rename'), to: fc.constantFrom('a', 'b') }),
    fc.dictionary(text, fc.oneof(text, number), { maxKeys: 2 }),
  )
  const skill = fc.record({ name: text, need: fc.oneof(fc.constantFrom('required', 'preferred'), text), more: text }, { requiredKeys: [] })
  const spec = fc.record(
    { site: text, service: text, operation, skill, repeatable: fc.boolean(), after: runs, compensate: operation },
    { requiredKeys: ['site', 'service', 'operation', 'repeatable'] },
  )
  const plainSpec = fc.record({ site: text, service: text, operation, skill: rarely(skill), repeatable: fc.boolean() })
  const event = fc.oneof(
    { weight: 3, arbitrary: fc.record({ type: fc.constant('JobSucceeded'), data: fc.record({ job: number, grant: number, already: fc.constant(true) }, { requiredKeys: ['job', 'grant'] }) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('LockGranted'), data: fc.record({ jobs: runs, agent: text, instance: text, callDeadlineMs: number }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('JobsAssigned'), data: fc.record({ assignments: some(fc.record({ first: number, last: number, agent: text })) }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('JobsAdded'), data: fc.record({ part: number, jobs: fc.oneof(some(spec), some(plainSpec)) }) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('GroupCompleted', 'GroupSealed', 'JobFailed', 'LockReturned', 'JobsAdded', 'LaterType'), data: fc.oneof(fc.constant({}), fc.constant(undefined), fc.jsonValue()) }) },
  )
  const commit = fc
    .record(
      {
        aggregate: fc.oneof({ weight: 20, arbitrary: fc.constantFrom('group', 'lane') }, { weight: 1, arbitrary: fc.constantFrom('realm', 'site', '__proto__') }),
        id: text,
        revision: number,
        command: text,
        actor: text,
        epoch: number,
        cause: rarely(fc.record({ aggregate: text, id: text, revision: number })),
        correlation: text,
        events: some(event),
      },
      { requiredKeys: ['aggregate', 'id', 'revision', 'actor', 'events'] },
    )
    .map((made): Commit => made as Commit)
  const anyTurn = fc
    .record({ turn: fc.oneof(fc.constant(ulid), text), schema: rarely(fc.constantFrom(0, 2)).map((other) => other ?? 1), incarnation: number, number, timeMs: number, previous: rarely(text).map((other) => other ?? firstDigest), commits: some(commit) })
    .map((made): Turn => made)

  it('is decoded to what JSON says, whatever is in it, or refused for the same reason', () => {
    let read = 0
    fc.assert(
      fc.property(anyTurn, (turn) => {
        const bytes = encodeTurn(turn)
        if (readsTheSame(bytes)) read += 1
        assert.deepEqual(outcome(decodeTurn, bytes), outcome(parseTurn, bytes))
      }),
      { numRuns: 3_000 },
    )
    expect(read).toBeGreaterThan(500)
  })

  const fragments = ['-', '-0', '0', '01', '1.0', '1e3', '9999999999999999', ' ', '\n', '"', '\\', '\\u0061', 'é', '\u0000', '{', '}', '[', ']', ',', ':', '{}', '[]', 'null', '"__proto__":{},', '"job":1,', ',"job":1', '"number":7,', ',"commits":[]', '\ufeff']
  const edit = fc.record({ at: fc.nat(), removed: fc.oneof(fc.constant(0), fc.nat(12)), put: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...fragments) }, { weight: 1, arbitrary: fc.constant('') }), moved: fc.nat(40) })

  it('that was edited anywhere, or whose parts change places, is decoded or refused as by JSON', () => {
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...ordinary.map(([, one]) => turnOf([one, ordinary[0]![1]]))), anyTurn), fc.array(edit, { minLength: 1, maxLength: 3 }), (turn, edits) => {
        let text = Buffer.from(encodeTurn(turn)).toString()
        for (const { at, removed, put, moved } of edits) {
          const from = at % (text.length + 1)
          const rest = text.slice(from + removed)
          text = text.slice(0, from) + put + (put === '' ? rest.slice(moved) + rest.slice(0, moved) : rest)
        }
        const bytes = Buffer.from(text)
        readsTheSame(bytes)
        assert.deepEqual(outcome(decodeTurn, bytes), outcome(parseTurn, bytes))
      }),
      { numRuns: 6_000 },
    )
  })

  it.each(ordinary)('with %s, any one byte of which is another one, is missing or is doubled, or which is cut off, is read as by JSON or not at all', (_, one) => {
    const bytes = encodeTurn(turnOf([one]))
    const bits = [1, 2, 4, 8, 16, 32, 64, 128]
    const others = Buffer.from('"\\{}[],:019-.eE \n\u0000\u007f\u00ff', 'latin1')
    const changed = Buffer.alloc(bytes.length)
    let read = 0
    for (let at = 0; at < bytes.length; at++) {
      changed.set(bytes)
      for (const byte of [...bits.map((bit) => bytes[at]! ^ bit), ...others]) {
        changed[at] = byte
        if (byte !== bytes[at] && readsTheSame(changed)) read += 1
      }
      readsTheSame(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]))
      readsTheSame(Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(at)]))
      assert.equal(readsTheSame(bytes.subarray(0, at)), false)
      assert.equal(readsTheSame(bytes.subarray(at)), at === 0)
    }
    // Letters of names and digits of numbers.
    expect(read).toBeGreaterThan(500)
  })

  it('any one value of which is missing, another one, or has other keys or another order of them, is decoded or refused as by JSON', () => {
    let read = 0
    let left = 0
    for (const changed of variants(parseTurn(encodeTurn(turnOf(ordinary.map(([, one]) => one)))))) {
      const bytes = Buffer.from(JSON.stringify(changed))
      if (readsTheSame(bytes)) read += 1
      else left += 1
      assert.deepEqual(outcome(decodeTurn, bytes), outcome(parseTurn, bytes))
    }
    expect(read).toBeGreaterThan(500)
    expect(left).toBeGreaterThan(200)
  })

  it('whose keys stand in another order, twice, or beside others is read as by JSON or not at all', () => {
    const text = Buffer.from(encodeTurn(turnOf(ordinary.map(([, one]) => one)))).toString()
    const members = [...text.matchAll(/"[A-Za-z]+":("[^"\\]*"|\d+|true)/g)].map(({ index, 0: member }) => ({ index, member }))
    expect(members.length).toBeGreaterThan(60)
    let read = 0
    let left = 0
    const check = (changed: string) => {
      const bytes = Buffer.from(changed)
      if (readsTheSame(bytes)) read += 1
      else left += 1
      assert.deepEqual(outcome(decodeTurn, bytes), outcome(parseTurn, bytes))
    }
    for (const { index, member } of members) {
      const end = index + member.length
      for (const put of [`${member},${member}`, `"x":1,${member}`, `${member},"__proto__":1`, member.replace(':', ' :'), member.replace(':"', ':"\\u0061'), member.replace(/\d+$/, '0$&'), member.replace(/\d+$/, '-$&'), member.replace(/\d+$/, '$&.0')]) {
        if (put !== member) check(text.slice(0, index) + put + text.slice(end))
      }
      const next = members.find((one) => one.index === end + 1)
      if (next !== undefined && text[end] === ',') check(`${text.slice(0, index)}${next.member},${member}${text.slice(next.index + next.member.length)}`)
    }
    // What is inside an event is still read with its turn.
    expect(read).toBeGreaterThan(100)
    expect(left).toBeGreaterThan(100)
  })
})

describe('texts', () => {
  const head = new Expected('{"agent":"')
  const reader = new PlainJson()
  const kind = new Kind()
  const read = (bytes: Uint8Array) => {
    reader.open(bytes)
    expect(reader.take(head)).toBe(true)
    return reader.text(kind)
  }

  it('that end alike, or are as long as one another, are not taken for each other', () => {
    const ends = fc.constantFrom('', 'x', '12345678', 'ABCDEFGHJK', ulid)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: fc.constantFrom('a', 'b', '{', ':'), maxLength: 60 }), ends), { minLength: 1 }), (texts) => {
        for (const [begin, end] of [...texts, ...texts.toReversed()]) assert.equal(read(Buffer.from(`{"agent":"${begin}${end}"}`)), begin + end)
      }),
    )
  })

  it('are the same string once they were read, of whatever turn they were a part', () => {
    const first = read(Buffer.from(`{"agent":"${ulid}"}`))
    expect(read(Buffer.from(`{"agent":"${ulid}", and more`))).toBe(first)
  })

  it('are expected as eight printable characters of ASCII at least', () => {
    expect(() => new Expected('short')).toThrow(RangeError)
    expect(() => new Expected('{"é":"é"}')).toThrow(RangeError)
  })
})
