/**
 * Shows that the checkers bite: each mutant is the real code with one rule taken out, and some seed must find it. A mutant whose text
 * is no longer in the code fails loudly: it has to be written anew.
 */
import type { Focus } from './plan.ts'
import { type Patch, installMutants } from './mutant-loader.ts'

export interface Mutant {
  readonly name: string
  /** The rule or invariant that it breaks. */
  readonly rule: string
  /** Worlds in which it is hunted; any where it is absent. */
  readonly focus?: Focus
  readonly patches: readonly Patch[]
}

export const mutants: readonly Mutant[] = [
  {
    name: 'executor-ignores-marks',
    rule: 'P21',
    patches: [{ file: 'src/executor/executor.ts', find: 'if (message.grant <= mark) {', replace: 'if (message.grant <= mark && false) {' }],
  },
  {
    name: 'holder-answers-work-before-the-ack',
    rule: 'P3',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: 'if (builder.commits.length > 0 || builder.needsProof) {',
        replace: `for (const { answer } of works) answer({ kind: 'taken', number: this.#lane.number, queued: 0, grants: [], stops: [] })
    if (builder.commits.length > 0 || builder.needsProof) {`,
      },
    ],
  },
  {
    name: 'holder-answers-commands-before-the-ack',
    rule: 'P3',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: 'if (builder.commits.length > 0 || builder.needsProof) {',
        replace: `for (const { answer, make } of answers) answer(make({ position: this.#tail.position + 1, number: this.#lane.number + 1 }))
    if (builder.commits.length > 0 || builder.needsProof) {`,
      },
    ],
  },
  {
    name: 'append-takes-a-conflict-for-success',
    rule: 'I5',
    patches: [
      {
        file: 'streams/append.ts',
        find: `return signal?.aborted ? { kind: 'stopped' } : { kind: 'conflict', last }`,
        replace: `return signal?.aborted ? { kind: 'stopped' } : { kind: 'landed', position: last.position }`,
      },
    ],
  },
  {
    name: 'append-repeats-behind-whatever-is-last',
    rule: 'I5',
    patches: [
      {
        file: 'streams/append.ts',
        find: 'const outcome = await log.append({ subject, bytes, expectedLast })',
        replace: `let expected = expectedLast
    try { expected = (await log.last(subject))?.position ?? 0 } catch {}
    const outcome = await log.append({ subject, bytes, expectedLast: expected })`,
      },
    ],
  },
  {
    name: 'append-takes-silence-for-success',
    rule: 'I8',
    patches: [
      {
        file: 'streams/append.ts',
        find: `      case 'indeterminate': {`,
        replace: `      case 'indeterminate': {
        if (outcome.kind === 'indeterminate') return { kind: 'landed', position: expectedLast + 1 }`,
      },
    ],
  },
  {
    name: 'taker-does-not-fold',
    rule: 'P1',
    patches: [
      {
        file: 'src/lane/taking.ts',
        find: 'const { bytes, outcome } = await append(taking, turn, folded.tail.position)',
        replace: `const end = await taking.log.last(taking.subject)
  if (end !== undefined) {
    const before = JSON.parse(new TextDecoder().decode(end.bytes))
    Object.assign(turn, { number: before.number + 1, previous: digestOf(end.bytes), timeMs: Math.max(turn.timeMs, before.timeMs) })
    folded.state.number = before.number
  }
  const { bytes, outcome } = await append(taking, turn, end?.position ?? 0)`,
      },
    ],
  },
  {
    name: 'presence-gate-ignored',
    rule: 'P18',
    focus: 'cut-off',
    patches: [
      { file: 'src/executor/held-grant.ts', find: 'if (presence.instance !== instance) return false', replace: '' },
      { file: 'src/executor/held-grant.ts', find: 'if (presence.acknowledged && presence.mayStartCall(instance)) return true', replace: 'return true' },
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
        replace: 'for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
      },
    ],
  },
  {
    name: 'no-without-proof',
    rule: 'P4',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: 'if (builder.commits.length > 0 || builder.needsProof) {',
        replace: 'if (builder.commits.length > 0) {',
      },
    ],
  },
  {
    name: 'holder-goes-on-after-a-conflict',
    rule: 'P2',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: `    if (outcome.kind !== 'landed') {
      this.#end()`,
        replace: `    if (outcome.kind === 'conflict' && outcome.last !== undefined) {
      this.#tail.position = outcome.last.position
      this.#tail.digest = digestOf(outcome.last.bytes)
      this.#lane.number = number
      return true
    }
    if (outcome.kind !== 'landed') {
      this.#end()`,
      },
    ],
  },
  {
    name: 'digest-of-the-turn-before-last',
    rule: 'I4',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: '    this.#tail.digest = digestOf(bytes)\n    this.#lane.number = number',
        replace: '    this.#lane.number = number',
      },
    ],
  },
  {
    name: 'stopped-is-said-while-a-call-runs',
    rule: 'P19',
    focus: 'stopping',
    patches: [
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n  }\n\n  #settled',
        replace: `for (const grant of this.#held.values()) {
      grant.stop()
      this.#link(grant.lane).report([], { group: grant.message.group, grant: grant.message.grant })
    }
  }

  #settled`,
      },
      {
        file: 'src/executor/executor.ts',
        find: 'for (const grant of this.#held.values()) grant.stop()\n    for (const link of this.#links.values()) link.nudge()\n    while',
        replace: `for (const grant of this.#held.values()) {
      grant.stop()
      this.#link(grant.lane).report([], { group: grant.message.group, grant: grant.message.grant })
    }
    while`,
      },
    ],
  },
  {
    name: 'commands-are-forgotten-at-once',
    rule: 'P15',
    patches: [
      {
        file: 'src/lane/turn-builder.ts',
        find: `if (judged.kind === 'known') return`,
        replace: `if (judged.kind === 'known' && false) return`,
      },
    ],
  },
  {
    name: 'locks-are-granted-twice',
    rule: 'I1',
    patches: [
      { file: 'machines/execution-group/decide/locks.ts', find: `!jobTable.can(headPhase(state), 'Granted')`, replace: 'false' },
      { file: 'src/lane/schedule.ts', find: `group.grant !== null || `, replace: '' },
      { file: 'src/lane/schedule.ts', find: `!jobTable.can(headPhase(group), 'Granted')`, replace: 'false' },
    ],
  },
  {
    name: 'late-outcomes-always-count',
    rule: 'I4',
    focus: 'cut-off',
    patches: [
      {
        file: 'machines/execution-group/decide/locks.ts',
        find: 'if (open !== null ? open.revision !== grant :',
        replace: 'if (open !== null ? false :',
      },
    ],
  },
  {
    name: 'an-outcome-is-lost-with-the-holder',
    rule: 'I3',
    patches: [
      {
        file: 'src/executor/lane-link.ts',
        find: `outcomes: this.#outcomes.slice(0, outcomesPerList),`,
        replace: `outcomes: this.#outcomes.splice(0, outcomesPerList),`,
      },
      { file: 'src/executor/executor.ts', find: `if (message.grant === mark && !holds && !this.#link(lane).reports(message.group, message.grant)) this`, replace: `if (false) this` },
    ],
  },
  {
    name: 'idle-holder-never-looks',
    rule: 'I3',
    patches: [{ file: 'src/lane/holder.ts', find: 'if (!this.#appended) this.verifyTail()', replace: '' }],
  },
]

export async function runMutants({ seeds, only }: { readonly seeds: number; readonly only: string | undefined }): Promise<number> {
  const wanted = mutants.filter(({ name }) => only === undefined || name === only)
  if (wanted.length === 0) throw new Error(`no mutant is named ${only}: there are ${mutants.map(({ name }) => name).join(', ')}`)
  installMutants((name) => mutants.find((mutant) => mutant.name === name)?.patches ?? [])
  const survivors: string[] = []
  for (const { name, rule, focus } of wanted) {
    const { runWorld } = (await import(`./world.ts?mutant=${name}`)) as typeof import('./world.ts')
    let found = ''
    for (let seed = 1; seed <= seeds && found === ''; seed++) {
      const { violations } = await runWorld({ seed, ...(focus === undefined ? {} : { focus }) })
      const first = violations[0]
      if (first !== undefined) found = `seed ${seed}: ${[...new Set(violations.map((violation) => violation.rule))].join(' ')}; ${first.what.slice(0, 160)}`
    }
    console.log(`${found === '' ? 'SURVIVED' : 'found   '} ${name} (${rule}) ${found === '' ? `${seeds} seeds` : `by ${found}`}`)
    if (found === '') survivors.push(name)
  }
  console.log(`${wanted.length - survivors.length} of ${wanted.length} mutants found${survivors.length === 0 ? '' : `; survived: ${survivors.join(', ')}`}`)
  return survivors.length === 0 ? 0 : 1
}
