import { expect, test } from 'vitest'
import { runWorld } from '../simulation/world.ts'

const from = 1_000
const count = 100

test(`${count} worlds keep the invariants`, async () => {
  const failed: string[] = []
  for (let seed = from; seed < from + count; seed++) {
    const { violations } = await runWorld({ seed })
    if (violations.length > 0) failed.push(`npm run sim -- --seed ${seed}: ${violations[0]!.rule} ${violations[0]!.what}`)
  }
  expect(failed).toEqual([])
})
