/**
 * npm run sim -- --seed N [--trace] · --seeds N [--from S] · either with --focus NAME
 * npm run sim -- --mutants [--hunt] [--seeds N] [--only NAME] [--record]
 * Exit code 0: nothing was found (or every mutant was). 1: something was, with one line each to reproduce it.
 */
import { parseArgs } from 'node:util'
import { type Struck, failpoints, tableOf } from './failpoints.ts'
import { focuses } from './plan.ts'
import { runWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    tables: { type: 'boolean', default: false },
    hunt: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    only: { type: 'string' },
    focus: { type: 'string' },
  },
})

const mostShown = 8
/** So many worlds strike every failpoint, or the campaign has failed. */
const campaignSeeds = 500
const focus = focuses.find((name) => name === values.focus)
if (values.focus !== undefined && focus === undefined) throw new Error(`no focus ${values.focus}: there are ${focuses.join(', ')}`)
const bent = focus === undefined ? {} : { focus }
const reproduce = (seed: number) => `npm run sim -- --seed ${seed}${focus === undefined ? '' : ` --focus ${focus}`}`

async function campaign(from: number, count: number): Promise<number> {
  const failed: number[] = []
  const struck: Struck = new Map()
  let steps = 0
  const began = performance.now()
  let saidMs = began
  for (let seed = from; seed < from + count; seed++) {
    const result = await runWorld({ seed, ...bent, ...(values.trace ? { onLine: (line: string) => console.log(line) } : {}) })
    steps += result.steps
    for (const [name, counts] of result.struck) {
      const sum = struck.get(name) ?? { passed: 0, struck: 0 }
      struck.set(name, { passed: sum.passed + counts.passed, struck: sum.struck + counts.struck })
    }
    if (result.violations.length > 0) {
      failed.push(seed)
      console.log(`seed ${seed}: ${result.violations.length} found`)
      for (const { rule, what, position } of result.violations.slice(0, mostShown)) {
        console.log(`  ${rule}${position === undefined ? '' : ` at ${position}`}: ${what}`)
      }
      console.log(`  reproduce: ${reproduce(seed)}`)
    } else if (count === 1) {
      console.log(`seed ${seed}: nothing found. ${JSON.stringify({ ...result, struck: undefined })}`)
    } else if (performance.now() - saidMs > 20_000) {
      saidMs = performance.now()
      console.log(`${seed - from + 1} of ${count} seeds, ${failed.length} failed, ${((performance.now() - began) / 1_000).toFixed(0)} s`)
    }
  }
  const seconds = (performance.now() - began) / 1_000
  console.log(`${count} seeds from ${from}: ${failed.length} failed; ${steps} steps in ${seconds.toFixed(1)} s`)
  for (const seed of failed) console.log(reproduce(seed))
  if (count > 1) console.log(tableOf(struck))
  const missed = count < campaignSeeds || focus !== undefined ? [] : failpoints.filter((name) => (struck.get(name)?.struck ?? 0) === 0)
  if (missed.length > 0) console.log(`never struck: ${missed.join(', ')}`)
  return failed.length === 0 && missed.length === 0 ? 0 : 1
}

if (values.tables) {
  const { rulesTables } = await import('./mutants/rules.ts')
  process.stdout.write(rulesTables())
} else if (values.mutants) {
  const { hunt } = await import('./mutants/hunt.ts')
  const survivors = await hunt({ seeds: Number(values.seeds ?? 400), only: values.only, anew: values.hunt, record: values.record, say: console.log })
  process.exitCode = survivors.length === 0 ? 0 : 1
} else {
  process.exitCode = await campaign(Number(values.seed ?? values.from), values.seed === undefined ? Number(values.seeds ?? 100) : 1)
}
