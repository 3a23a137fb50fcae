/** `machine`: the states of all machines: those that agents run, live, and those that the log is folded into. */
import { z } from 'zod'
import { after, count, id, machineState, next, pageLimit, success } from './common.ts'
import { endpoint } from './endpoint.ts'

/** Whose machines are listed one by one. */
export const aggregateMachines = ['group', 'lane', 'trigger'] as const

const aggregate = z.object({
  machine: z.enum(aggregateMachines),
  id: z.string(),
  state: z.string(),
  revision: count.describe('of the last event that was folded into it'),
  about: z.string().describe('name of a group or a trigger, holder of a lane'),
})
export type AggregateShown = z.infer<typeof aggregate>

export const machineApi = {
  list: endpoint({
    kind: 'query',
    summary: "Lists the present states of the agents' machines, as the agents say, else as last heard",
    request: z.strictObject({ agent: id.optional() }),
    response: success({
      machines: z.array(z.object({ agent: z.string(), machine: z.string(), state: machineState, atMs: z.int() })),
    }),
    errors: [],
  }),
  aggregates: endpoint({
    kind: 'query',
    summary: 'Lists the machines that the log is folded into, with their present states, by machine and id; and how many stand in each state',
    request: z.strictObject({
      machine: z.enum(aggregateMachines).optional().describe('only these'),
      ended: z.boolean().default(false).describe('list also those in a final state'),
      after,
      limit: pageLimit,
    }),
    response: success({
      machines: z.array(aggregate),
      counts: z.array(z.object({ machine: z.string(), state: z.string(), count })).describe('of all, whatever this page lists; jobs are only counted'),
      next,
    }),
    errors: [],
  }),
}
