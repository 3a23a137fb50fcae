/** Mutants: What is decided about groups. */
import type { Mutant } from './mutant.ts'

export const groupMutants: readonly Mutant[] = [
  {
    name: 'locks-are-granted-twice',
    breaks: ['I1'],
    namedBy: 'I1',
    patches: [
      { file: 'machines/execution-group/decide/locks.ts', find: `!jobTable.can(headPhase(state), 'Granted')`, replace: 'false' },
      { file: 'machines/execution-group/waiting.ts', find: `group.grant !== null || `, replace: '' },
      { file: 'machines/execution-group/waiting.ts', find: `!jobTable.can(headPhase(group), 'Granted')`, replace: 'false' },
    ],
  },
  {
    name: 'two-locks-of-one-job-without-order',
    breaks: ['I1'],
    namedBy: 'I1',
    focus: 'unordered',
    patches: [
      { file: 'machines/execution-group/evolve-unordered.ts', find: `if (!turn(unordered, job, 'Granted')) return 'broken-order'`, replace: `unordered.phases[job - 1] = 'granted'` },
      { file: 'machines/execution-group/evolve-unordered.ts', find: 'if (!takeReady(unordered, agent, first, last)) for (let', replace: 'if (unordered.grants.length % 3 !== 0 && !takeReady(unordered, agent, first, last)) for (let' },
    ],
  },
  {
    name: 'late-outcomes-always-count-without-order',
    breaks: ['P24', 'I4'],
    focus: 'cut-off',
    patches: [
      { file: 'machines/execution-group/decide/unordered.ts', find: 'open === undefined && lateGrantOf(unordered, job) !== grant', replace: 'open === undefined && lateGrantOf(unordered, job) !== grant && unordered.phases[job - 1] === undefined' },
      { file: 'machines/execution-group/evolve-unordered.ts', find: 'open === undefined ? lateGrantOf(unordered, job) !== grant :', replace: 'open === undefined ? false :' },
    ],
  },
  {
    name: 'next-job-is-granted-whatever-became-of-the-last',
    breaks: ['I2'],
    patches: [
      { file: 'machines/execution-group/evolve.ts', find: `if (signal === 'Succeeded') advance(state)`, replace: `if (signal === 'Succeeded' || signal === 'Failed') advance(state)` },
    ],
  },
  {
    name: 'late-outcomes-always-count',
    breaks: ['P24', 'I4'],
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
    name: 'late-outcomes-never-count',
    breaks: ['P24'],
    focus: 'cut-off',
    patches: [
      { file: 'machines/execution-group/decide/locks.ts', find: 'state.lastGrant?.revision !== grant || state.lastGrant.left < 1', replace: 'true' },
    ],
  },
  {
    name: 'sealed-with-parts-missing',
    breaks: ['P14', 'I3'],
    patches: [
      { file: 'machines/execution-group/decide/opening.ts', find: 'if (state.partsAdded !== state.partsAnnounced || state.jobsAdded !== state.jobsAnnounced) {', replace: 'if (state.partsAdded < 1) {' },
    ],
  },
  {
    name: 'a-retry-takes-the-number-of-the-last-job',
    breaks: ['P16', 'I3'],
    patches: [
      { file: 'machines/execution-group/decide/people.ts', find: 'data: { job: state.jobsAdded + 1, retryOf: job! }', replace: 'data: { job: state.jobsAdded, retryOf: job! }' },
    ],
  },
  {
    name: 'a-cancel-closes-the-open-grant',
    breaks: ['P25', 'I3'],
    patches: [
      { file: 'machines/execution-group/decide/people.ts', find: 'const inFlight = state.grant?.left ?? 0', replace: 'const inFlight = 0' },
    ],
  },
]
