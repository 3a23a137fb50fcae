/** `trigger`: changes that are carried out at nominal times. */
import { z } from 'zod'
import { lastTimeMs, missedActions, onceLimit, overlapActions, priorityLimit, reportedOnWish, waitingLimit } from '../../machines/trigger/definition.ts'
import { changeNames, changeTerms, groupTerms } from './change.ts'
import { actor, after, commandId, count, id, missingForTrigger, next, oneLine, pageLimit, success, timeMs, written } from './common.ts'
import { endpoint } from './endpoint.ts'

export const triggerId = id.describe('id of a trigger')

/** The priority is that of the trigger. */
const { priority: _, ...otherTerms } = groupTerms
export const triggeredChangeSchema = z.strictObject({ ...changeTerms, ...otherTerms, ...changeNames }).describe('as in change.apply; always mode jobs')

const atMs = z.array(z.int().min(0).max(lastTimeMs)).min(1).max(onceLimit).optional().describe('once-at: milliseconds since the Unix epoch, rising')
const pattern = z.string().min(1).max(256).describe('five fields: minute, hour, day of the month, month, day of the week')
const zone = z.string().min(1).max(64).describe('IANA time zone, such as Europe/Berlin')
const when = z.strictObject({ atMs, cron: z.strictObject({ pattern, zone }).optional() }).describe('once-at times, a cron expression, or both')
/** As the log holds it: other builds may have taken other times. */
const whenShown = z.object({ atMs: z.array(timeMs).optional(), cron: z.object({ pattern: z.string(), zone: z.string() }).optional() })
const durationMs = z.int().min(1).describe('milliseconds')

const definition = {
  name: oneLine(200).min(1).describe('name of the trigger, and of its groups where the change has none'),
  change: triggeredChangeSchema,
  when,
  priority: z.int().min(-priorityLimit).max(priorityLimit).default(0).describe('of its groups, higher first'),
  missed: z
    .strictObject({
      action: z.enum(missedActions),
      graceMs: z.int().min(0).default(60_000).describe('a nominal time that is decided later than that after it counts as missed'),
      change: triggeredChangeSchema.optional().describe('with alternate: what runs instead'),
    })
    .default({ action: 'run-now', graceMs: 60_000 })
    .describe('what happens to a nominal time that was missed'),
  overlap: z
    .strictObject({
      action: z.enum(overlapActions),
      limit: z.int().min(1).max(waitingLimit).optional().describe('with queue: most that wait'),
    })
    .default({ action: 'skip' })
    .describe('what happens to a nominal time while the run before goes on; replace cancels that run'),
  monitoring: z
    .strictObject({
      timeoutMs: durationMs.optional().describe('longest run'),
      heartbeatMs: durationMs.optional().describe('longest time without any event of its group'),
      report: z.array(z.enum(reportedOnWish)).max(reportedOnWish.length).default(['timeout', 'silent', 'blocked', 'failed']),
    })
    .optional()
    .describe('which runs are reported'),
}

const time = z.object({
  atMs: timeMs,
  local: z.string().describe('on the wall of the zone'),
  weekday: z.string(),
  offset: z.string().describe('of the zone from UTC at that time'),
  utc: z.string(),
})
const phase = z.enum(['absent', 'active', 'suspended', 'removed', 'faulted'])
const runState = z.enum(['to-plan', 'opening', 'going', 'blocked', 'succeeded', 'failed', 'refused', 'unchanged'])
const run = z.object({ atMs: timeMs, command: z.string(), startedMs: timeMs, state: runState, group: z.string().nullable() })
const decided = z.object({
  atMs: timeMs,
  verdict: z.enum(['run', 'alternate', 'skip', 'fail', 'queue', 'replace']),
  why: z.enum(['missed', 'overlap', 'full']).nullable(),
  command: z.string().nullable().describe('of its run, once it was started'),
  reported: z.array(z.object({ what: z.string(), text: z.string().nullable() })),
})
const listed = z.object({
  trigger: triggerId,
  name: z.string(),
  phase,
  when: whenShown,
  next: timeMs.nullable().describe('its next nominal time'),
  running: run.nullable().describe('the run that was started last'),
  waiting: count,
  missing: missingForTrigger,
})
export type TriggerListed = z.infer<typeof listed>

const asking = { trigger: triggerId, actor, command: commandId }
const answer = success({ trigger: triggerId, ...written })
const askErrors = ['unknown-trigger', 'format-too-old', 'may-still-happen', 'wrong-state'] as const

export const triggerApi = {
  define: endpoint({
    kind: 'command',
    summary: 'Defines a trigger, or changes one; its change is planned once to see that it can be',
    request: z.strictObject({
      trigger: triggerId,
      ...definition,
      confirmed: z.boolean().default(false).describe('who asks has seen sites, names and count of a destructive change (I12)'),
      actor,
      command: commandId,
    }),
    response: success({
      trigger: triggerId,
      next: z.array(time).describe('its next nominal times, at most 5'),
      jobs: count.describe('that the change would have if it ran now'),
      repeats: z.array(z.string()).describe('one line a site: site, names, count (I12)'),
      ...written,
    }),
    errors: ['unknown-site', 'unknown-service', 'nothing-selected', 'unsupported', 'site-unreachable', 'not-confirmed', 'format-too-old', 'may-still-happen', 'wrong-state'],
  }),
  remove: endpoint({
    kind: 'command',
    summary: 'Removes a trigger; what waits is dropped, a run that was started goes on',
    request: z.strictObject(asking),
    response: answer,
    errors: askErrors,
  }),
  suspend: endpoint({
    kind: 'command',
    summary: 'Suspends a trigger: its nominal times are none until it is resumed, and nothing that waits starts',
    request: z.strictObject(asking),
    response: answer,
    errors: askErrors,
  }),
  resume: endpoint({
    kind: 'command',
    summary: 'Resumes a suspended trigger: nominal times from now on count',
    request: z.strictObject(asking),
    response: answer,
    errors: askErrors,
  }),
  list: endpoint({
    kind: 'query',
    summary: 'Lists the triggers that are defined, by id',
    request: z.strictObject({ after, limit: pageLimit }),
    response: success({ triggers: z.array(listed), next }),
    errors: [],
  }),
  show: endpoint({
    kind: 'query',
    summary: 'Shows one trigger: definition, run, what waits, and what became of its last nominal times',
    request: z.strictObject({ trigger: triggerId }),
    response: success({
      ...listed.omit({ waiting: true }).shape,
      revision: count,
      fault: z.object({ revision: count, event: z.string() }).nullable(),
      definition: z.object({ ...definition, when: whenShown, change: z.looseObject({}), missed: z.looseObject({}) }).nullable().describe('null after it was removed'),
      waiting: z.array(timeMs).describe('nominal times whose runs wait'),
      recent: z.array(decided).describe('the last first; at most 50'),
    }),
    errors: ['unknown-trigger'],
  }),
  preview: endpoint({
    kind: 'query',
    summary: 'Computes the next nominal times of a trigger, or of times that no trigger has yet',
    request: z.strictObject({
      trigger: triggerId.optional(),
      when: when.optional().describe('where no trigger is named'),
      afterMs: z.int().min(0).max(lastTimeMs).optional().describe('default: now'),
      count: z.int().min(1).max(1000).default(10),
    }),
    response: success({ zone: z.string(), times: z.array(time) }),
    errors: ['unknown-trigger'],
  }),
}
