/** Mutants: trial */
import type { Mutant } from './mutant.ts'

export const trialMutants: readonly Mutant[] = [
  {
    name: 'an-asker-of-a-lane-may-be-ahead',
    breaks: ['P5'],
    focus: 'moving',
    patches: [
      { file: 'src/lane/holder.ts', find: 'return builtOn.incarnation > this.#options.log.incarnation || builtOn.number > known', replace: `void known
    return false` },
    ],
  },
  {
    name: 'skewed-ids-are-taken',
    breaks: ['P15'],
    patches: [
      { file: 'machines/lane/decide.ts', find: 'if (-ageMs > constants.clockSkewMs) {', replace: 'if (-ageMs > Infinity) {' },
    ],
  },
]
