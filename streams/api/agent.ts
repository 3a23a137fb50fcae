/** `agent`: agents as the log and their presence say. */
import { z } from 'zod'
import { actor, commandId, after, count, id, machineState, next, pageLimit, success } from './common.ts'
import { endpoint } from './endpoint.ts'

const agent = z.object({
  agent: id,
  role: z.enum(['generic', 'skilled']),
  region: z.string(),
  skills: z.array(z.string()),
  build: z.string(),
  phase: z.enum(['absent', 'started', 'stopped', 'lost']).describe('as the log says'),
  instance: z.string(),
  present: z.boolean().describe('its presence is there just now'),
  formats: count.nullable().describe('newest format of the realm that it knows; null while it is not present'),
  leading: z.boolean(),
  lanes: z.array(z.string()).describe('that it holds'),
  assigned: count.describe('jobs in its queue that are not settled'),
  executing: count.describe('jobs that it was granted'),
})
export type AgentShown = z.infer<typeof agent>

export const agentApi = {
  list: endpoint({
    kind: 'query',
    summary: 'Lists all agents that the log knows, by id',
    request: z.strictObject({ after, limit: pageLimit }),
    response: success({ agents: z.array(agent), next }),
    errors: [],
  }),
  show: endpoint({
    kind: 'query',
    summary: 'Shows one agent and the states of its machines',
    request: z.strictObject({ agent: id }),
    response: success({
      ...agent.shape,
      machines: z.array(z.object({ machine: z.string(), state: machineState, atMs: z.int() })).describe('as it says, else as last heard'),
    }),
    errors: ['unknown-agent'],
  }),
  stop: endpoint({
    kind: 'command',
    summary: 'Tells one agent to stop; it finishes or hands back what it holds, unless it is forced',
    request: z.strictObject({
      agent: id,
      mode: z.enum(['graceful', 'forced']).default('graceful').describe('forced: its calls are aborted'),
      instance: z.string().optional().describe('only this instance'),
      actor,
      command: commandId,
    }),
    response: success({ agent: id, instance: z.string().describe('that is stopping') }),
    errors: ['unknown-agent', 'wrong-state'],
  }),
}
