import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalText } from '../../src/replay/canonical-text.ts'
import { canonicalJson } from '../../streams/codec.ts'

test('is RFC 8785 JSON, for whatever an event may hold', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ unit: 'grapheme' }), fc.array(tie('any')), fc.dictionary(fc.string(), tie('any')), fc.dictionary(fc.nat(30).map(String), tie('any'))),
  })).any
  fc.assert(fc.property(value, (any) => void expect(canonicalText(any)).toBe(canonicalJson(any))))
})

test('leaves out what is not there', () => {
  expect(canonicalText({ b: undefined, a: [{ c: undefined }] })).toBe('{"a":[{}]}')
})
