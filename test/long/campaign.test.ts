import { expect, test } from 'vitest'
import { runWorld } from '../simulation/world.ts'

/** Of each half: seeds that are always the same, and seeds that nobody has tried. */
const halfMs = 150_000
const fewest = 20
const fixedFrom = 1_000

async function campaign(what: string, from: number): Promise<void> {
  const failed: string[] = []
  const endMs = performance.now() + halfMs
  let seed = from
  for (; seed < from + fewest || performance.now() < endMs; seed++) {
    const { violations } = await runWorld({ seed })
    if (violations.length > 0) failed.push(`npm run sim -- --seed ${seed}: ${violations[0]!.rule} ${violations[0]!.what}`)
  }
  console.log(`${what}: ${seed - from} worlds, npm run sim -- --seeds ${seed - from} --from ${from}`)
  expect(failed).toEqual([])
}

test('worlds from a fixed seed on keep the invariants', { timeout: 900_000 }, () => campaign('fixed seeds', fixedFrom))

test('worlds of fresh seeds, whose numbers are printed, keep the invariants', { timeout: 900_000 }, () =>
  campaign('fresh seeds', 1_000_000 + Math.floor(Math.random() * 1_000_000_000)))
