import { expect, test } from 'vitest'
import { runWorld } from './world.ts'

const from = 1
const count = 10

test(`${count} worlds keep the invariants`, { timeout: 120_000 }, async () => {
  for (let seed = from; seed < from + count; seed++) {
    const { violations } = await runWorld({ seed })
    expect(violations, `npm run sim -- --seed ${seed}`).toEqual([])
  }
})

test('a seed gives the same run again, to the byte of the log', async () => {
  for (const seed of [7, 11]) {
    const first = await runWorld({ seed })
    const second = await runWorld({ seed })
    expect(second).toEqual(first)
  }
})

test('worlds do something: groups end by calls at sites, agents die', async () => {
  const results: Awaited<ReturnType<typeof runWorld>>[] = []
  for (let seed = from; seed < from + 5; seed++) results.push(await runWorld({ seed }))
  const sum = (of: (result: (typeof results)[number]) => number) => results.reduce((total, result) => total + of(result), 0)
  expect(sum(({ calls }) => calls)).toBeGreaterThan(100)
  expect(sum(({ kills }) => kills)).toBeGreaterThan(0)
  expect(sum(({ turns }) => turns)).toBeGreaterThan(300)
})
