import { expect, test } from 'vitest'
import { LatestNames } from '../../src/log-file/latest-names.ts'
import { digestOf } from '../../streams/codec.ts'

const digest = (number: number) => digestOf(new TextEncoder().encode(String(number)))
const added = (names: LatestNames, from: number, count: number) => Array.from({ length: count }, (_, index) => names.add(digest(from + index)))

test('what was named lately is known, whatever was named before', () => {
  const names = new LatestNames(100)
  expect(added(names, 0, 1_000).every((isNew) => isNew)).toBe(true)
  expect(added(names, 901, 99).some((isNew) => isNew)).toBe(false)
  expect(names.add(digest(0))).toBe(true)
})

test('what is named over and over stays known', () => {
  const names = new LatestNames(100)
  names.add(digest(0))
  for (let from = 1; from < 1_000; from += 50) {
    added(names, from, 50)
    expect(names.add(digest(0))).toBe(false)
  }
})
