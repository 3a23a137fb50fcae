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
  pendingJobs: count,
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
