/** What `turn-reader.ts` reads is what `JSON.parse` makes of the same bytes; where it is not, there is no answer. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MalformedTurn, decodeTurn, encodeTurn, parseTurn } from '../../streams/codec.ts'
import type { Turn } from '../../streams/envelope.ts'
import { Expected, Kind, PlainJson } from '../../streams/plain-json.ts'
import { readWrittenTurn } from '../../streams/turn-reader.ts'
import { anyTurn, commitOf, job, ordinary, skilled, turnOf, ulid, variants } from './turns.ts'

/** Fails where a turn is read that is not the same to the last key, or that is to be refused. True where it was read. */
function readsTheSame(bytes: Uint8Array): boolean {
  const read = readWrittenTurn(bytes)
  if (read === undefined) return false
  const parsed = parseTurn(bytes)
  assert.deepEqual(read, parsed)
  assert.equal(JSON.stringify(read), JSON.stringify(parsed))
  return true
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
