/** `machine`: the states of the agents' machines, live. */
import { z } from 'zod'
import { id, success } from './common.ts'
import { endpoint } from './endpoint.ts'

export const machineApi = {
  list: endpoint({
    kind: 'query',
    summary: "Lists the present states of the agents' machines, as far as heard on the inspection subjects since the service started",
    request: z.strictObject({ agent: id.optional() }),
    response: success({
      machines: z.array(z.object({ agent: z.string(), machine: z.string(), state: z.string(), atMs: z.int() })),
    }),
    errors: [],
  }),
}
