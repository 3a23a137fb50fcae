/** All mutants, in the order in which they are hunted. */
import { executorMutants } from './executor.ts'
import { groupMutants } from './group.ts'
import { laneMutants } from './lane.ts'
import { leaderMutants } from './leader.ts'
import { logMutants } from './log.ts'
import type { Mutant } from './mutant.ts'
import { realmMutants } from './realm.ts'
import { serviceMutants } from './service.ts'
import { triggerMutants } from './trigger.ts'

export const allMutants: readonly Mutant[] = [...logMutants, ...laneMutants, ...executorMutants, ...leaderMutants, ...groupMutants, ...serviceMutants, ...triggerMutants, ...realmMutants]
