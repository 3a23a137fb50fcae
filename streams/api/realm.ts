/** `realm`: what holds for all. */
import { z } from 'zod'
import { count, success } from './common.ts'
import { endpoint } from './endpoint.ts'

export const realmApi = {
  show: endpoint({
    kind: 'query',
    summary: 'Shows the realm: its identity, constants, leader and durability',
    request: z.strictObject({}),
    response: success({
      name: z.string().describe('prefix of its subjects'),
      realm: z.string().describe('random id'),
      founded: z.boolean(),
      format: count,
      incarnation: count,
      position: count.describe('last position of the log'),
      constants: z.object({ presenceMs: count, siteCallDeadlineMs: count, clockSkewMs: count, commandMemoryMs: count }),
      leader: z.object({ agent: z.string(), instance: z.string(), epoch: count }).nullable().describe('as the log says; it may be gone'),
      durability: z.object({ level: z.enum(['synced', 'weak', 'unknown']), why: z.string().nullable() }),
      service: z.object({ id: z.string(), build: z.string() }).describe('who answers'),
      sites: count,
      agents: count.describe('present'),
      lanes: count,
      groups: z.object({ total: count, unfinished: count }),
    }),
    errors: [],
  }),
}
