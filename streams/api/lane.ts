/** `lane`: lanes with holder and load. */
import { z } from 'zod'
import { count, success } from './common.ts'
import { endpoint } from './endpoint.ts'

const lane = z.object({
  lane: z.string(),
  region: z.string(),
  phase: z.enum(['free', 'held']),
  holder: z.object({ agent: z.string(), instance: z.string() }).nullable(),
  number: count.describe('lane number of its last turn'),
  groups: count,
  unfinished: count.describe('groups that have not ended'),
  pendingJobs: count.describe('that they have still to settle'),
  work: z.exactOptional(count).describe('those of the pending jobs that wait for the lane or run, not for a person; of an ordered group at most 1,000 times its window. A new group goes to the lane of its region with the least of it'),
  jobsPerSecond: z.exactOptional(count).describe('jobs that were settled a second, over the last 10 s; absent where the service has just started'),
  turnsPerSecond: z.exactOptional(count).describe('turns a second, over the same time'),
})
export type LaneShown = z.infer<typeof lane>

export const laneApi = {
  list: endpoint({
    kind: 'query',
    summary: 'Lists the lanes with their holder and load',
    request: z.strictObject({}),
    response: success({ lanes: z.array(lane) }),
    errors: [],
  }),
}
