import { expect, it } from 'vitest'
import { type ServerPlace, byNearness, nextToTry } from '../../../machines/coordinator/choice.ts'

const servers: ServerPlace[] = [{ url: 'a', region: 'west' }, { url: 'b', region: 'east' }, { url: 'c', region: null }, { url: 'd', region: 'east' }]
const urls = (places: readonly ServerPlace[]) => places.map(({ url }) => url).join('')

it('those of the own region come first, else as they were named [508]', () => {
  expect(urls(byNearness('east', servers))).toBe('bdac')
  expect(urls(byNearness('west', servers))).toBe('abcd')
  expect(urls(byNearness('north', servers))).toBe('abcd')
})

it('the nearest that was not tried is next; when all were, the nearest again', () => {
  expect(nextToTry(['a', 'b'], new Set())).toBe('a')
  expect(nextToTry(['a', 'b'], new Set(['a']))).toBe('b')
  expect(nextToTry(['a', 'b'], new Set(['a', 'b']))).toBe('a')
  expect(nextToTry([], new Set())).toBeUndefined()
})
