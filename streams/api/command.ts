/** `command`: settling commands whose answer never came (P15). */
import { z } from 'zod'
import { actor, groupIdText, success, ulid } from './common.ts'
import { endpoint } from './endpoint.ts'

export const commandApi = {
  withdraw: endpoint({
    kind: 'command',
    summary: 'Settles a command: it was carried out, or it never will be',
    request: z.strictObject({
      command: ulid,
      group: groupIdText.optional().describe('the group that it was for, where there is one; without it every lane is asked'),
      actor,
    }),
    response: success({
      command: ulid,
      settled: z.enum(['carried-out', 'withdrawn']),
      group: groupIdText.nullable().describe('the group that it changed'),
    }),
    errors: ['no-lane-yet', 'may-still-happen'],
  }),
}
