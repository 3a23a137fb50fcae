/** Mutants: Election and the leader procedure. */
import type { Mutant } from './mutant.ts'

export const leaderMutants: readonly Mutant[] = [
  {
    name: 'leads-without-an-election-in-the-log',
    breaks: ['I7'],
    namedBy: 'I7',
    patches: [
      { file: 'src/election/election.ts', find: '  async #declare() {', replace: `  async #declare() {
    if (this.#leaseInstance !== '') return { type: 'Declared' as const, epoch: 1_000 + this.#leaseInstance.length }` },
    ],
  },
  {
    name: 'stuck-holders-keep-their-lanes',
    breaks: ['P7', 'I3'],
    focus: 'sick',
    patches: [
      { file: 'src/leader/lane-watch.ts', find: `this.#deps.onUnfit(watched.held, 'stuck')`, replace: 'void watched' },
    ],
  },
  {
    name: 'stuck-leaders-stay',
    breaks: ['P7', 'I3'],
    focus: 'sick',
    patches: [
      { file: 'src/leader/leader.ts', find: 'this.#deps.onStuck()', replace: 'void this.#deps' },
      { file: 'src/leader/leader.ts', find: 'this.#ending.signal.aborted || deps.onStuck()', replace: 'void deps' },
      { file: 'machines/election/machine.ts', find: `after: { declareMs: { guard: 'isUndeclared', target: 'aside' } },`, replace: '' },
    ],
  },
  {
    name: 'grants-without-a-word-stay-open',
    breaks: ['I3'],
    focus: 'deaf',
    patches: [{ file: 'src/leader/grant-watch.ts', find: 'void this.#ask(watched).finally(() => end(watched))', replace: 'void end' }],
  },
  {
    name: 'who-does-not-ask-keeps-its-jobs',
    breaks: ['I3'],
    focus: 'mute',
    patches: [{ file: 'src/leader/queue-watch.ts', find: 'passedOver.add(agent)', replace: 'void passedOver' }],
  },
  {
    name: 'open-grants-are-closed-unasked',
    breaks: ['I9'],
    namedBy: 'I9',
    focus: 'bad-sites',
    patches: [
      { file: 'machines/placement/overdue.ts', find: ' + waitMargin * deadlinesPerJob * left * callDeadlineMs + quietLaneMs', replace: ' + 0 * waitMargin * deadlinesPerJob * left * callDeadlineMs * quietLaneMs' },
      { file: 'src/leader/grant-watch.ts', find: 'const said = await this.#abort(', replace: `const said = 'stopped' as AbortSaid; void (this.#abort, ` },
    ],
  },
  {
    name: 'deleted-mappings-are-not-written-again',
    breaks: ['I11'],
    namedBy: 'I11',
    focus: 'wiped',
    patches: [
      { file: 'src/leader/watched-values.ts', find: 'this.#known.delete(change.key.slice(prefix.length))', replace: 'void change' },
    ],
  },
  {
    name: 'hot-lanes-stay-together',
    breaks: ['balance'],
    namedBy: 'balance',
    focus: 'uneven',
    patches: [{ file: 'src/leader/lane-placing.ts', find: 'if (!known || !atRest) return placed', replace: 'if (known || atRest) return placed' }],
  },
  {
    name: 'lanes-go-back-and-forth',
    breaks: ['balance'],
    namedBy: 'balance',
    focus: 'uneven',
    patches: [{ file: 'machines/placement/lane-balance.ts', find: 'if (step.moves < leastMoves || step.taken > (1 - leastGain) * work) continue', replace: 'void leastMoves' }],
  },
]
