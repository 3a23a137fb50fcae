/** Mutants: Holders of lanes. */
import type { Mutant } from './mutant.ts'

export const laneMutants: readonly Mutant[] = [
  {
    name: 'taker-does-not-fold',
    breaks: ['P1'],
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
    name: 'holder-goes-on-after-a-conflict',
    breaks: ['P2', 'I4'],
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
    name: 'holder-answers-work-before-the-ack',
    breaks: ['P3', 'I8'],
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
    breaks: ['P3', 'I8'],
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
    name: 'holder-delivers-grants-before-the-ack',
    breaks: ['I9', 'P3'],
    patches: [
      { file: 'src/lane/holder.ts', find: '    if (builder.commits.length > 0 || builder.needsProof) {', replace: `    for (const [instance, { grants, stops }] of builder.dispatches) {
      if (grants[0] !== undefined) this.#options.sendGrants(grants[0].agent, { lane: this.#lane.lane, incarnation: log.incarnation, number: this.#lane.number, grants, stops })
      void instance
    }
    if (builder.commits.length > 0 || builder.needsProof) {` },
    ],
  },
  {
    name: 'no-without-proof',
    breaks: ['P4'],
    focus: 'moving',
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: 'if (builder.commits.length > 0 || builder.needsProof) {',
        replace: 'if (builder.commits.length > 0) {',
      },
    ],
  },
  {
    name: 'digest-of-the-turn-before-last',
    breaks: ['I4'],
    patches: [
      {
        file: 'src/lane/holder.ts',
        find: '    this.#tail.digest = digest ?? digestOf(bytes)\n    this.#lane.number = number',
        replace: '    this.#lane.number = number',
      },
    ],
  },
  {
    name: 'holder-forgets-the-time-of-its-turn',
    breaks: ['I6'],
    patches: [
      { file: 'src/lane/holder.ts', find: `    this.#lane.timeMs = timeMs
`, replace: '' },
    ],
  },
  {
    name: 'idle-holder-never-looks',
    breaks: ['P11', 'I3'],
    patches: [
      { file: 'src/lane/holder.ts', find: 'if (!this.#appended) this.verifyTail()', replace: '' },
      // The leader would give the jobs that its executor never hears of to others.
      { file: 'src/leader/queue-watch.ts', find: 'passedOver.add(agent)', replace: 'void passedOver' },
    ],
  },
  {
    name: 'commands-are-forgotten-at-once',
    breaks: ['P15'],
    patches: [
      {
        file: 'src/lane/turn-builder.ts',
        find: `if (judged.kind === 'known') return`,
        replace: `if (judged.kind === 'known' && false) return`,
      },
    ],
  },
  {
    name: 'withdrawn-commands-are-carried-out',
    breaks: ['P15'],
    patches: [
      { file: 'machines/lane/decide.ts', find: `if (known !== undefined) return { kind: 'known', known }`, replace: `if (known !== undefined && !known.withdrawn) return { kind: 'known', known }` },
    ],
  },
  {
    name: 'half-groups-stay-for-ever',
    breaks: ['P14', 'I3'],
    patches: [
      { file: 'src/lane/holder.ts', find: 'builder.abandon(group)', replace: 'void group' },
    ],
  },
  {
    name: 'lanes-take-older-epochs',
    breaks: ['P27'],
    focus: 'leaders',
    patches: [
      { file: 'src/lane/turn-builder.ts', find: 'if (command.epoch !== undefined && command.epoch < this.#lane.epoch) {', replace: 'if (command.epoch !== undefined && command.epoch < 0) {' },
    ],
  },
]
