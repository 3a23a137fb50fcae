import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** For a mutant whose seed of last time does not find it any more. */
const seeds = 400

test('no mutant of the code survives the simulation', { timeout: 1_800_000 }, async () => {
  const main = fileURLToPath(new URL('../simulation/main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, '--mutants', '--seeds', String(seeds)], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = (await once(child, 'close')) as [number | null]
  expect(code).toBe(0)
})
