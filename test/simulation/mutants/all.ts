/** All mutants, in the order in which they are hunted. */
import { executorMutants } from './executor.ts'
import { groupMutants } from './group.ts'
import { laneMutants } from './lane.ts'
import { leaderMutants } from './leader.ts'
import { logMutants } from './log.ts'
import type { Mutant } from './mutant.ts'

export const allMutants: readonly Mutant[] = [...logMutants, ...laneMutants, ...executorMutants, ...leaderMutants, ...groupMutants]
