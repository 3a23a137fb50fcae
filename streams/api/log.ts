/** `log`: what happened. */
import { z } from 'zod'
import { count, id, position, success } from './common.ts'
import { endpoint } from './endpoint.ts'

const commit = z.looseObject({
  aggregate: z.string(),
  id: z.string(),
  revision: z.int(),
  actor: z.string(),
  events: z.array(z.object({ type: z.string(), data: z.unknown() })),
})

export const turnShown = z.object({
  position,
  subject: z.string(),
  storedMs: z.int().describe("the server's stamp"),
  whole: z.boolean().describe('false where commits of other aggregates were left out'),
  turn: z.looseObject({
    turn: z.string(),
    schema: z.int(),
    incarnation: z.int(),
    number: z.int(),
    timeMs: z.int(),
    previous: z.string(),
    commits: z.array(commit),
  }),
})
export type TurnShown = z.infer<typeof turnShown>

export const logApi = {
  read: endpoint({
    kind: 'query',
    summary: 'Reads the log from a position on',
    request: z.strictObject({
      from: z.int().min(1).default(1).describe('first position'),
      until: z.int().min(1).optional().describe('last position'),
      limit: z.int().min(1).max(1000).default(100),
      aggregate: z
        .enum(['realm', 'agent', 'site', 'config', 'action', 'trigger', 'instruction', 'lane', 'group'])
        .optional()
        .describe('only commits of this kind'),
      id: id.optional().describe('only commits of this one; needs `aggregate`'),
    }),
    response: success({
      turns: z.array(turnShown),
      next: z.int().describe('the position to read from next'),
      end: count.describe('last position of the log when it was asked'),
      archived: z.int().optional().describe('turns of the lane up to this number are in its archives; only where a lane or a group is named, and `from` is before what is left of it'),
      complete: z.boolean().describe('nothing more is there up to `end` (or `until`)'),
    }),
    errors: [],
  }),
}
