/**
 * Every rule of the protocol and every invariant that the simulation judges, with the mutants that break it; and the rules without one,
 * with the reason. `docs/simulation.md` holds the table that is made of this.
 */
import { allMutants } from './all.ts'

export const protocolRules: readonly string[] = Array.from({ length: 27 }, (_, index) => `P${index + 1}`)
export const judgedInvariants = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I11'] as const
/** What is judged besides: docs/lanes.md. */
export const judgedBesides = ['balance'] as const

/** Why there is no mutant of a rule, and what shows that it is kept. */
export const withoutMutant: Readonly<Record<string, string>> = {
  P5: 'its absence costs only time: a holder that is behind needs a turn of its own for any "no" (P4), which conflicts, and for any "yes" (P2). A holder that passes over this was hunted through 300 worlds of lanes that move, in vain',
  P8: 'virtual time stands still while code runs, and the renewal thread is not in these worlds. Shown by `test/agent/keeper.test.ts` and `test/faults/freezes.test.ts`',
  P10: 'a second list of one asker costs memory and time, never order: outcomes are judged by token, grants by mark',
}

export function mutantsOf(rule: string): readonly string[] {
  return allMutants.filter(({ breaks }) => breaks.includes(rule)).map(({ name }) => name)
}

/** The tables of docs/simulation.md. */
export function rulesTables(): string {
  const rows = (rules: readonly string[]) =>
    rules.map((rule) => {
      const mutants = mutantsOf(rule)
      return `| ${rule} | ${mutants.length === 0 ? `none: ${withoutMutant[rule] ?? ''}` : mutants.map((name) => `\`${name}\``).join(', ')} |`
    })
  const table = (what: string, rules: readonly string[]) => [`| ${what} | mutants |`, '| --- | --- |', ...rows(rules)].join('\n')
  return `${table('invariant', judgedInvariants)}\n\n${table('rule', protocolRules)}\n\n${table('besides', judgedBesides)}\n`
}
