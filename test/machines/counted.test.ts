/** A person reads `1 job`, never `1 jobs`. */
import { expect, it } from 'vitest'
import { counted } from '../../machines/counted.ts'

it('has the noun in the number that the count asks for', () => {
  expect([0, 1, 2].map((count) => counted(count, 'service'))).toEqual(['0 services', '1 service', '2 services'])
  expect([1, 3].map((count) => counted(count, 'policy', 'policies'))).toEqual(['1 policy', '3 policies'])
})
