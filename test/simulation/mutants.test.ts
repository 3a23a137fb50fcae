import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allMutants } from './mutants/all.ts'
import { readFindings } from './mutants/hunt.ts'
import { judgedBesides, judgedInvariants, protocolRules, rulesTables, withoutMutant } from './mutants/rules.ts'

const fileIn = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('the text that each mutant changes stands in the code exactly once', () => {
  const wrong = allMutants.flatMap(({ name, patches }) =>
    patches.filter(({ file, find }) => fileIn(file).split(find).length !== 2).map(({ file, find }) => `${name}: ${file} does not hold exactly once: ${find}`),
  )
  expect(wrong).toEqual([])
})

test('each rule of the protocol has a mutant, or a reason why there is none', () => {
  for (const rule of protocolRules) {
    const has = allMutants.some(({ breaks }) => breaks.includes(rule))
    expect(has || withoutMutant[rule] !== undefined, rule).toBe(true)
    expect(has && withoutMutant[rule] !== undefined, `${rule} has both`).toBe(false)
  }
})

test('each invariant that is judged was named by the checkers for a mutant that breaks it', () => {
  const findings = readFindings()
  for (const invariant of [...judgedInvariants, ...judgedBesides]) {
    const shown = allMutants.filter(({ name, breaks }) => breaks.includes(invariant) && findings[name]?.rules.some((rule) => rule.split('/').includes(invariant)))
    expect(shown.map(({ name }) => name), invariant).not.toEqual([])
  }
})

test('every mutant was found once', () => {
  const findings = readFindings()
  expect(allMutants.map(({ name }) => name).filter((name) => findings[name] === undefined)).toEqual([])
})

test('docs/simulation.md holds the tables of rules (else: npm run sim -- --tables)', () => {
  expect(fileIn('docs/simulation.md')).toContain(rulesTables())
})
