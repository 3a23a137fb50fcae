/**
 * Hunts mutants: the seed that found one last time goes first, then others until one finds it. `findings.json` holds those seeds; they
 * move as the code does, so that one which no longer finds its mutant is news, and only a survivor is a failure.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { installMutants } from '../mutant-loader.ts'
import { allMutants } from './all.ts'
import type { Mutant } from './mutant.ts'

export interface Finding {
  readonly seed: number
  /** Rules and invariants that the checkers named. */
  readonly rules: readonly string[]
}

const findingsFile = new URL('./findings.json', import.meta.url)

export function readFindings(): Record<string, Finding> {
  return JSON.parse(readFileSync(findingsFile, 'utf8')) as Record<string, Finding>
}

export interface HuntOptions {
  /** Most seeds a mutant. */
  readonly seeds: number
  readonly only?: string | undefined
  /** Without what was found before. */
  readonly anew: boolean
  /** Keep what was found. */
  readonly record: boolean
  readonly say: (line: string) => void
}

/** Names of the mutants that survived. */
export async function hunt({ seeds, only, anew, record, say }: HuntOptions): Promise<string[]> {
  const wanted = allMutants.filter(({ name }) => only === undefined || name === only)
  if (wanted.length === 0) throw new Error(`no mutant is named ${only}: there are ${allMutants.map(({ name }) => name).join(', ')}`)
  installMutants((name) => allMutants.find((mutant) => mutant.name === name)?.patches ?? [])
  const findings = readFindings()
  const survivors: string[] = []
  for (const mutant of wanted) {
    const before = anew ? undefined : findings[mutant.name]?.seed
    const found = await find(mutant, before, seeds)
    const moved = before !== undefined && found?.seed !== before ? ` (seed ${before} does not find it any more)` : ''
    const what = found === undefined ? `${seeds} seeds` : `by seed ${found.seed}: ${found.rules.join(' ')}; ${found.what.split('\n')[0]!.slice(0, 140)}`
    say(`${found === undefined ? 'SURVIVED' : 'found   '} ${mutant.name} (${mutant.breaks.join(' ')}${mutant.focus === undefined ? '' : `, worlds ${mutant.focus}`}) ${what}${moved}`)
    if (found === undefined) survivors.push(mutant.name)
    else findings[mutant.name] = { seed: found.seed, rules: found.rules }
    if (record) writeFileSync(findingsFile, `${JSON.stringify(sorted(findings), undefined, 2)}\n`)
  }
  say(`${wanted.length - survivors.length} of ${wanted.length} mutants found${survivors.length === 0 ? '' : `; survived: ${survivors.join(', ')}`}`)
  return survivors
}

async function find({ name, focus, namedBy }: Mutant, first: number | undefined, seeds: number) {
  const { runWorld } = (await import(`../world.ts?mutant=${name}`)) as typeof import('../world.ts')
  const order = Array.from({ length: seeds }, (_, index) => index + 1).filter((seed) => seed !== first)
  for (const seed of first === undefined ? order : [first, ...order]) {
    const { violations } = await runWorld({ seed, ...(focus === undefined ? {} : { focus }) })
    const rules = [...new Set(violations.map(({ rule }) => rule))].sort()
    const named = violations.find(({ rule }) => namedBy === undefined || rule.split('/').includes(namedBy))
    if (named !== undefined) return { seed, rules, what: named.what }
  }
  return undefined
}

function sorted(findings: Record<string, Finding>): Record<string, Finding> {
  return Object.fromEntries(allMutants.flatMap(({ name }) => (findings[name] === undefined ? [] : [[name, findings[name]]])))
}
