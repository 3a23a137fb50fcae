import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nameMatcher } from '../../src/change/name-pattern.ts'

test.each([
  ['Desktop', 'Desktop', true],
  ['Desktop', 'desktop', false],
  ['Desk', 'Desktop', false],
  ['*', '', true],
  ['?', '', false],
  ['?', '💻', true],
  ['*top', 'Desktop top', true],
  ['a*b*c', 'aXXbYYc', true],
  ['a*b*c', 'aXXcYYb', false],
  ['50\\*', '50*', true],
  ['50\\*', '500', false],
  ['a\\\\b', 'a\\b', true],
  ['a\\b', 'a\\b', true],
  ['Café*', 'Cafe\u0301 7', true],
  ['*\n?', 'two\nx', true],
])('%j and %j', (pattern, name, fits) => {
  expect(nameMatcher(pattern)(name)).toBe(fits)
})

test('any name, escaped, matches itself and nothing longer; a star matches what stands in its place', () => {
  const escaped = (name: string) => name.replaceAll(/[*?\\]/g, '\\$&')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (left, right) => {
      expect(nameMatcher(escaped(left))(left)).toBe(true)
      expect(nameMatcher(escaped(left))(`${left}x`)).toBe(false)
      expect(nameMatcher(`${escaped(left)}*`)(`${left} ${right}`)).toBe(true)
      expect(nameMatcher(`*${escaped(right)}`)(`${left} ${right}`)).toBe(true)
    }),
  )
})

test('a pattern full of stars ends (with backtracking it would not)', () => {
  expect(nameMatcher(`${'*a'.repeat(128)}b`)('a'.repeat(256))).toBe(false)
})
