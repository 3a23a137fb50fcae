/** `change`: a selector and an operation become an ordered list of jobs, first planned, then applied. */
import { z } from 'zod'
import { actor, commandId, count, digest, groupIdText, oneLine, priority, propertyValue, runs, siteId, success, text, ulid } from './common.ts'
import { endpoint } from './endpoint.ts'
import { operationSchema } from './operation.ts'

export const selectorSchema = z
  .strictObject({
    sites: z.array(siteId).min(1).max(1000).optional().describe('only these sites, in this order; absent: all, by id'),
    folder: z.string().max(1024).optional().describe('this folder and those below it'),
    group: z.string().max(256).optional().describe('group of services'),
    name: z.string().min(1).max(256).optional().describe('pattern: * any text, ? one character, \\ before either for itself'),
    services: z.array(z.string().min(3).max(512)).min(1).max(100_000).optional().describe('explicit list, each SITE/SERVICEID, in this order'),
    all: z.literal(true).optional().describe('every service of the realm; must be said where nothing else narrows the selection'),
  })
  .describe('which services: all conditions must hold')
export type Selector = z.infer<typeof selectorSchema>

const serviceName = z.string().min(3).max(512).describe('SITE/SERVICEID')

/** What is to be changed and how, whoever asks and whenever. */
export const changeTerms = {
  selector: selectorSchema,
  operation: operationSchema,
  includeUnchanged: z.boolean().default(false).describe('make jobs also for services that are so already'),
  window: z.int().min(1).max(1000).default(1).describe('most jobs of one grant; more than 1 only where every job may be repeated'),
  distributionFactor: z.int().min(1).max(100).default(1).describe('percentage of the agents that have the skill, near the sites where there are any, over which the jobs are spread; rounded up, so 1 is one agent a skill (of up to 100)'),
}

/** Of the group, and in the words of who asks. */
export const changeNames = {
  name: oneLine(200).min(1).optional().describe('name of the group; made of the change where absent'),
  text: text(500).optional().describe("the instruction in the asker's words; kept in the index"),
}

const asked = {
  ...changeTerms,
  mode: z
    .enum(['jobs', 'direct', 'desired'])
    .optional()
    .describe('direct: the service carries it out itself and answers with the result, for one target; jobs: agents do; absent: direct for one target, jobs for more'),
}

/** How the group of a change goes, beyond what every change says. */
export const groupTerms = {
  order: z
    .enum(['strict', 'sites', 'graph', 'none'])
    .default('strict')
    .describe('strict: one job after another; sites: those of one site in order, a site that waits for its agent holds up no other; graph: as `predicates` says, the others whenever they can; none: no job waits for another, and many run at once'),
  predicates: z
    .array(z.strictObject({ service: serviceName, after: z.array(serviceName).min(1).max(1000) }))
    .max(10_000)
    .optional()
    .describe('with order graph or sites: the job of this service waits for those of these; services that are so already are waited for by nobody'),
  priority: priority.default(0),
  agents: z.enum(['skilled', 'generic']).optional().describe('only agents of this role carry it out; absent: any'),
  onFailure: z
    .enum(['stop', 'continue', 'compensate'])
    .default('stop')
    .describe('a failed job stops the group until somebody decides; or counts as settled; or what was done is undone, the last first'),
}

const difference = z.object({ property: z.string(), from: propertyValue, to: propertyValue })
const target = { site: siteId, service: z.string(), name: z.string() }
const siteSummary = z.object({
  site: siteId,
  jobs: count,
  alreadySo: count,
  names: z.array(z.string()).describe('of the first services that would be changed; at most 5'),
})

const runMode = z.enum(['jobs', 'direct']).describe('in which it runs')

const planned = {
  operation: operationSchema,
  mode: runMode,
  destructive: z.boolean().describe('users may lose something; apply needs `confirmed` or `plan` (I12)'),
  repeats: z.array(z.string()).describe('one line a site: site, names, count (I12)'),
  plan: digest.nullable().describe('digest of the plan; null where there is nothing to do'),
  jobs: count.describe('how many jobs it has'),
  alreadySo: count.describe('services that are so already and are left out'),
  sites: z.array(siteSummary),
}

export const changeApi = {
  plan: endpoint({
    kind: 'query',
    summary: 'Says what a change would do, job by job; nothing is written',
    request: z.strictObject({
      ...asked,
      ...groupTerms,
      after: count.default(0).describe('number of the last job of the page before'),
      limit: z.int().min(0).max(1000).default(100),
    }),
    response: success({
      ...planned,
      page: z
        .array(z.object({ job: z.int(), ...target, differences: z.array(difference), after: z.exactOptional(runs).describe('jobs that it waits for, with order sites or graph'), undo: z.exactOptional(operationSchema).describe('what undoes it, with onFailure compensate') }))
        .describe('in the order of execution: sites in the order given (else by id), in each the services by id; an explicit list in its own order'),
      next: z.int().nullable().describe('give it as `after` for the next page'),
      unchanged: z.array(z.object(target)).describe('services that are so already; the first 100'),
    }),
    errors: ['unknown-site', 'unknown-service', 'nothing-selected', 'unsupported', 'mode-unavailable', 'quarantined', 'site-unreachable', 'format-too-old'],
  }),
  apply: endpoint({
    kind: 'command',
    summary: 'Opens an execution group with the jobs of a change; answers when all of it is durable, in mode direct with the result',
    request: z.strictObject({
      ...asked,
      ...groupTerms,
      ...changeNames,
      plan: digest.optional().describe('digest from change.plan: refused when the plan is another one by now'),
      confirmed: z.boolean().default(false).describe('who asks has seen sites, names and count of a destructive change (I12)'),
      actor,
      command: commandId,
    }),
    response: success({
      command: ulid,
      group: groupIdText.nullable().describe('null where there was nothing to do'),
      lane: z.string().nullable(),
      mode: runMode,
      result: z
        .object({
          job: z.enum(['succeeded', 'failed', 'unknown', 'cancelled']),
          reason: z.object({ code: z.string(), text: z.string(), full: z.string().optional() }).nullable().describe('where it did not succeed'),
        })
        .nullable()
        .describe('of the one job, in mode direct; null in mode jobs, and where there was nothing to do'),
      plan: digest.nullable(),
      jobs: count,
      alreadySo: count,
      repeats: z.array(z.string()),
      known: z.boolean().describe('this command had been taken before; its first plan was carried on'),
      position: count.describe('position in the log of the turn that sealed it, as far as known; 0 where nothing was written'),
    }),
    errors: [
      'unknown-site',
      'format-too-old',
      'unknown-service',
      'nothing-selected',
      'unsupported',
      'mode-unavailable', 'quarantined',
      'site-unreachable',
      'not-confirmed',
      'plan-changed',
      'other-plan',
      'withdrawn',
      'too-old',
      'too-far-ahead',
      'wrong-state',
      'no-lane-yet',
      'may-still-happen',
    ],
  }),
}
