import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/platform/random.ts'
import {
  canonicalJson, decodeTurn, digestOf, encodeTurn, isUlid, MalformedTurn, MalformedUlid, newUlid, TurnTooLarge, ulidFromCause, ulidTimeMs,
} from '../../streams/codec.ts'
import type { Turn } from '../../streams/envelope.ts'
import { firstDigest } from '../../streams/envelope.ts'

const turn: Turn = {
  turn: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  schema: 1,
  incarnation: 1,
  number: 7,
  timeMs: 1_700_000_000_000,
  previous: firstDigest,
  commits: [{ aggregate: 'group', id: 'g', revision: 3, actor: 'person:p', epoch: 2, events: [{ type: 'JobSucceeded', data: { job: 1, name: 'Zoë "x"' } }] }],
}
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (value: string) => new TextEncoder().encode(value)

describe('bytes of a turn', () => {
  test('are its JSON in the order of the envelope, whatever the order in which it was built', () => {
    const expected =
      `{"turn":"01ARZ3NDEKTSV4RRFFQ69G5FAV","schema":1,"incarnation":1,"number":7,"timeMs":1700000000000,"previous":"${firstDigest}",` +
      '"commits":[{"aggregate":"group","id":"g","revision":3,"actor":"person:p","epoch":2,"events":[{"type":"JobSucceeded","data":{"job":1,"name":"Zoë \\"x\\""}}]}]}'
    expect(text(encodeTurn(turn))).toBe(expected)
    const reversed = Object.fromEntries(Object.entries(turn).reverse()) as unknown as Turn
    expect(text(encodeTurn(reversed))).toBe(expected)
    expect(decodeTurn(encodeTurn(turn))).toEqual(turn)
  })

  test('over the limit are refused with their size', () => {
    const large = { ...turn, commits: [{ ...turn.commits[0]!, events: [{ type: 'X', data: 'x'.repeat(262_144) }] }] }
    expect(() => encodeTurn(large)).toThrow(TurnTooLarge)
  })

  test.each([
    ['not JSON', '{'],
    ['not an object', '[]'],
    ['no turn id', JSON.stringify({ ...turn, turn: 5 })],
    ['a fractional number', JSON.stringify({ ...turn, number: 1.5 })],
    ['number 0', JSON.stringify({ ...turn, number: 0 })],
    ['no time', JSON.stringify({ ...turn, timeMs: undefined })],
    ['a short digest', JSON.stringify({ ...turn, previous: 'abc' })],
    ['no commits', JSON.stringify({ ...turn, commits: undefined })],
    ['a commit that is null', JSON.stringify({ ...turn, commits: [null] })],
    ['a commit without revision', JSON.stringify({ ...turn, commits: [{ ...turn.commits[0], revision: undefined }] })],
    ['a commit without actor', JSON.stringify({ ...turn, commits: [{ ...turn.commits[0], actor: undefined }] })],
    ['an event without type', JSON.stringify({ ...turn, commits: [{ ...turn.commits[0], events: [{ data: 1 }] }] })],
  ])('with %s are malformed', (_, stored) => {
    expect(() => decodeTurn(bytes(stored))).toThrow(MalformedTurn)
  })

  test('that are not UTF-8 are malformed', () => {
    expect(() => decodeTurn(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(MalformedTurn)
  })
})

test('digest is SHA-256 in lower-case hex', () => {
  expect(digestOf(bytes('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('canonical JSON sorts keys (RFC 8785)', () => {
  expect(canonicalJson({ b: 1, a: ['€', 1e3] })).toBe('{"a":["€",1000],"b":1}')
  expect(() => canonicalJson(undefined)).toThrow(TypeError)
})

describe('ULIDs', () => {
  test('begin with their time and differ in the rest', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (timeMs) => {
        const one = newUlid(timeMs, systemRandom)
        expect(isUlid(one)).toBe(true)
        expect(ulidTimeMs(one)).toBe(timeMs)
        expect(newUlid(timeMs, systemRandom)).not.toBe(one)
      }),
    )
  })

  test('all bits of the random source are in them', () => {
    const of = (byte: number) => newUlid(0, { bytes: (length) => new Uint8Array(length).fill(byte) })
    expect(of(0)).toBe('0'.repeat(26))
    expect(of(255)).toBe(`${'0'.repeat(10)}${'Z'.repeat(16)}`)
    expect(of(0b10101010)).toBe(`${'0'.repeat(10)}${'N'.repeat(1)}${text(bytes('ANANANANANANANA'))}`)
  })

  test('P15: one from a cause depends on all of the cause and on the ordinal, and on nothing else', () => {
    const cause = { aggregate: 'trigger', id: 't', revision: 4 }
    const id = ulidFromCause(1_700_000_000_000, cause, 1)
    expect(ulidFromCause(1_700_000_000_000, { revision: 4, id: 't', aggregate: 'trigger' }, 1)).toBe(id)
    expect(ulidTimeMs(id)).toBe(1_700_000_000_000)
    const others = [
      ulidFromCause(1_700_000_000_000, { ...cause, revision: 5 }, 1),
      ulidFromCause(1_700_000_000_000, { ...cause, id: 'u' }, 1),
      ulidFromCause(1_700_000_000_000, { ...cause, aggregate: 'site' }, 1),
      ulidFromCause(1_700_000_000_000, cause, 2),
    ]
    expect(new Set([id, ...others]).size).toBe(5)
  })

  test.each(['', '8ZZZZZZZZZZZZZZZZZZZZZZZZZ', '01ARZ3NDEKTSV4RRFFQ69G5FAI', '01arz3ndektsv4rrffq69g5fav'])('%j is none', (wrong) => {
    expect(isUlid(wrong)).toBe(false)
    expect(() => ulidTimeMs(wrong)).toThrow(MalformedUlid)
  })
})
