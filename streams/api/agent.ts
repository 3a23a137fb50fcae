/** `agent`: agents as the log and their presence say. */
import { z } from 'zod'
import { actor, commandId, after, count, digest, id, machineState, missingForTrigger, next, pageLimit, region, success, written } from './common.ts'
import { endpoint } from './endpoint.ts'

const agent = z.object({
  agent: id,
  role: z.enum(['generic', 'skilled']).describe('this, region and skills: as it is configured; as it was started where no configuration was pushed'),
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
  jobsPerSecond: z.exactOptional(count).describe('jobs that the lanes which it holds settled a second, over the last 10 s; absent where the service has just started'),
  turnsPerSecond: z.exactOptional(count).describe('turns of those lanes a second, over the same time'),
})
export type AgentShown = z.infer<typeof agent>

const role = z.enum(['generic', 'skilled'])
const skillNames = z.array(z.string().min(1).max(64)).max(64)
const capacity = z.int().min(1).max(10_000).describe('most grants of one lane held at once')

const planned = z.object({
  role: z.exactOptional(role),
  region: z.exactOptional(z.string()),
  skillsOn: z.exactOptional(z.array(z.string())),
  skillsOff: z.exactOptional(z.array(z.string())),
  skilledOnly: z.exactOptional(z.boolean()),
  capacity: z.exactOptional(capacity),
  holdsLanes: z.exactOptional(z.boolean()),
}).describe('what is planned for it; what is absent is as it was started or built')

const planChange = z
  .strictObject({
    role: role.nullable().optional(),
    region: region.nullable().optional(),
    skillsOn: skillNames.nullable().optional().describe('skills that its build has and it was not started with'),
    skillsOff: skillNames.nullable().optional(),
    skilledOnly: z.boolean().nullable().optional().describe('takes only jobs that ask for one of its skills'),
    capacity: capacity.nullable().optional(),
    holdsLanes: z.boolean().nullable().optional(),
  })
  .describe('what is absent stays as it is planned; null: as it was started or built')

const planWarnings = {
  withoutEffect: z
    .exactOptional(z.array(z.string()))
    .describe('skills that are planned on or off and that its build, as it is on record, does not have; absent where there are none'),
  newRegion: z.exactOptional(z.string()).describe('the region that is planned, where there is no site, lane or other agent in it yet; absent else'),
}

const signature = z.object({
  digest,
  revision: count.describe('of the agent: of what was planned or how it was started last'),
  build: z.string().describe('of the manifest: what its build is made to do'),
  leader: z.string().describe('build of the leader that computed it'),
})

const configured = z.object({
  configuration: z.object({
    role,
    region: z.string(),
    adapters: z.array(z.string()),
    skills: z.array(z.string()),
    skilledOnly: z.boolean(),
    capacity,
    holdsLanes: z.boolean(),
  }),
  signature,
})

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
    request: z.strictObject({ agent: id, change: planChange.optional().describe('what somebody thinks of planning for it: `would` says what came of it; nothing is written') }),
    response: success({
      ...agent.shape,
      started: z.object({ role: z.enum(['generic', 'skilled']), region: z.string(), skills: z.array(z.string()) }).describe('how it was started last'),
      planned,
      byDefault: configured.nullable().describe('what follows from what is planned, laid over what it is built to do; null while its build is not on record'),
      current: configured.nullable().describe('what the leader pushed, by which the agent goes; null while there is none'),
      coordinator: z.object({ url: z.string(), region: z.string().nullable() }).nullable().describe('server that it is connected to; null where it did not say'),
      machines: z.array(z.object({ machine: z.string(), state: machineState, atMs: z.int() })).describe('as it says, else as last heard'),
      would: z.exactOptional(z.object({ planned, ...planWarnings })).describe('what `configure` with this change would say; absent where none was given'),
    }),
    errors: ['unknown-agent', 'malformed'],
  }),
  mapping: endpoint({
    kind: 'query',
    summary: 'Shows the mapping collection: whose configuration is in force, the default execution groups that placement starts from, who is to hold each lane, and what the jobs of each trigger ask for',
    request: z.strictObject({}),
    response: success({
      mapping: z
        .object({
          epoch: count.describe('of the leader that wrote it'),
          build: z.string().describe('of that leader'),
          agents: z.array(z.object({ agent: id, signature })),
          groups: z
            .array(z.object({ region: z.string(), skill: z.string().nullable().describe('null: jobs that ask for none'), agents: z.array(id) }))
            .describe('agents by region and skill'),
          lanes: z.array(z.object({ lane: z.string(), agent: id.describe('that is to hold it') })),
          triggers: z
            .array(z.object({
              trigger: id,
              groups: z.array(z.object({ region: z.string(), skill: z.string().nullable() })).describe('default execution groups that its jobs ask for, by the sites that its change names'),
              missing: missingForTrigger,
            }))
            .describe('active triggers that have a time to come; the leader may be of a build that writes none'),
          moreTriggers: count.describe('that did not fit'),
        })
        .nullable()
        .describe('null while no leader has written it, and in a realm of format 1'),
    }),
    errors: [],
  }),
  configure: endpoint({
    kind: 'command',
    summary: 'Plans what one agent is to do; the leader pushes it, also to an agent that comes later',
    request: z.strictObject({
      agent: id,
      change: planChange,
      actor,
      command: commandId,
    }),
    response: success({
      agent: id,
      planned,
      ...planWarnings,
      ...written,
    }),
    errors: ['unknown-agent', 'malformed', 'format-too-old', 'may-still-happen'],
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
