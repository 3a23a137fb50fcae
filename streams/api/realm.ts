/** `realm`: what holds for all. */
import { z } from 'zod'
import { actor, commandId, count, groupIdText, oneLine, success } from './common.ts'
import { endpoint } from './endpoint.ts'
import { silentInGroup } from './group.ts'

const quarantine = z.object({ why: z.string() }).nullable().describe('while not null nothing is executed')
const changed = success({ quarantine, changed: z.boolean().describe('false: it was so before'), position: count.describe('0 where nothing was written') })

export const realmApi = {
  show: endpoint({
    kind: 'query',
    summary: 'Shows the realm: its identity, constants, leader and durability',
    request: z.strictObject({}),
    response: success({
      name: z.string().describe('prefix of its subjects'),
      realm: z.string().describe('random id'),
      founded: z.boolean(),
      format: count.describe('of the shapes in its log; it rises when every live agent and service knows the next'),
      incarnation: count,
      position: count.describe('last position of the log'),
      constants: z.object({ presenceMs: count, siteCallDeadlineMs: count, clockSkewMs: count, commandMemoryMs: count }),
      leader: z.object({ agent: z.string(), instance: z.string(), epoch: count }).nullable().describe('as the log says; it may be gone'),
      quarantine,
      durability: z.object({ level: z.enum(['synced', 'weak', 'unknown']), why: z.string().nullable() }),
      service: z.object({ id: z.string(), build: z.string() }).describe('who answers'),
      sites: count,
      agents: count.describe('present'),
      lanes: count,
      groups: z.object({
        total: count,
        unfinished: count,
        waiting: z
          .exactOptional(z.object({ count, first: z.array(groupIdText).describe('20 at most'), missing: z.array(z.string()).describe('skills, "no skill" or a role') }))
          .describe('those with jobs that ask for what no agent that is here takes, so that they wait; absent where there are none'),
        silent: z
          .exactOptional(z.object({ count, first: z.array(silentInGroup).describe('20 at most, each with its first such job'), withinMs: count.describe('of all of them') }))
          .describe('those with jobs that stand still, since the executor does not answer; absent where there are none'),
      }),
    }),
    errors: [],
  }),
  quarantine: endpoint({
    kind: 'command',
    summary: 'Begins a quarantine: the realm leads and accepts changes, but executes nothing until it is released',
    request: z.strictObject({ why: oneLine(500).trim().min(1).default('asked by a person').describe('one line for everybody who asks why'), actor, command: commandId }),
    response: changed,
    errors: ['format-too-old', 'wrong-state', 'may-still-happen'],
  }),
  release: endpoint({
    kind: 'command',
    summary: 'Ends the quarantine: what waits is executed',
    request: z.strictObject({ actor, command: commandId }),
    response: changed,
    errors: ['wrong-state', 'may-still-happen'],
  }),
}
