/** `machine`: the states of the agents' machines, live. */
import { z } from 'zod'
import { id, machineState, success } from './common.ts'
import { endpoint } from './endpoint.ts'

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
}
