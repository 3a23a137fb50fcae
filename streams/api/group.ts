/** `group`: execution groups with their exclusive state. */
import { z } from 'zod'
import type { ExclusiveState } from '../../machines/execution-group/exclusive-state.ts'
import { actor, after, commandId, count, groupIdText, next, pageLimit, position, priority, reason, runs, siteId, success, ulid, written } from './common.ts'
import { endpoint } from './endpoint.ts'
import { operationSchema } from './operation.ts'

const phase = z.enum([
  'absent', 'opening', 'running', 'blocked', 'paused', 'compensating', 'compensation-blocked', 'compensation-paused', 'cancelling', 'completed', 'compensated',
  'cancelled', 'abandoned', 'faulted',
])

const exclusiveState = z.object({
  group: groupIdText,
  name: z.string(),
  phase,
  revision: count,
  fault: z
    .object({
      type: z.enum(['broken-order', 'broken-life-cycle', 'broken-count', 'broken-revision', 'malformed', 'unknown-event']),
      revision: count,
      event: z.string(),
    })
    .nullable(),
  decision: count,
  plan: z.string(),
  order: z.enum(['strict', 'graph', 'none']),
  mode: z.enum(['direct', 'jobs', 'sync']),
  window: count,
  region: z.string(),
  distributionFactor: count,
  jobs: count,
  position: count.describe('how many jobs of the queue are settled'),
  executed: runs,
  executing: runs,
  pending: runs,
  cancelled: runs,
  unknown: z.object({ job: count, reason }).nullable(),
  failed: z.array(z.object({ job: count, reason })),
  retries: z.array(z.object({ job: count, retryOf: count })),
  lock: z.object({ grant: count, agent: z.string(), instance: z.string() }).nullable(),
  assignments: z.array(z.object({ first: count, last: count, agent: z.string() })),
  priority: z.exactOptional(z.int()).describe('absent: 0'),
  agents: z.exactOptional(z.enum(['skilled', 'generic'])).describe('absent: any'),
  onFailure: z.exactOptional(z.enum(['continue', 'compensate'])).describe('absent: a failed job stops the group'),
  compensation: z.exactOptional(z.object({ job: count, of: runs })).describe('the job that failed, and what is undone because of it, from the last to the first'),
  locks: z.exactOptional(z.array(z.object({ grant: count, agent: z.string(), instance: z.string(), jobs: runs }))).describe('only without order: all open locks; `lock` is then null'),
  unknowns: z.exactOptional(z.array(z.object({ job: count, reason }))).describe('only without order: all jobs whose outcome is not known; `unknown` is the first'),
})
/** The schema says all of the state, and nothing else. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T
export const schemaIsTheState: Same<z.infer<typeof exclusiveState>, Mutable<ExclusiveState>> = true

const silentGrant = z.object({
  job: count.describe('the first that is left of the grant'),
  grant: count,
  agent: z.string(),
  instance: z.string(),
  present: z.boolean().describe('its presence is not over yet'),
  withinMs: count.describe('milliseconds from now, at most, until what `then` says, unless the leader changes'),
  then: z.enum(['granted-anew', 'unknown', 'failed']).describe('what becomes of the job: unknown (for a person) where it may not be repeated, failed in mode direct'),
})
/** Most that are named of one group. */
export const silentLimit = 20
export type SilentGrant = z.infer<typeof silentGrant>
export const silentInGroup = silentGrant.extend({ group: groupIdText })

const listed = z.object({
  group: groupIdText,
  name: z.string(),
  phase,
  jobs: count,
  position: count,
  failed: count,
  sites: z.array(siteId).describe('known while it is unfinished; the first 20'),
  lane: z.string(),
  revision: count,
})

const job = z.object({
  job: z.int(),
  site: siteId,
  service: z.string(),
  operation: operationSchema,
  phase: z.enum(['pending', 'granted', 'unknown', 'succeeded', 'failed', 'cancelled']),
  agent: z.string().nullable().describe('in whose queue it is, or who executes or executed it'),
  reason: reason.nullable(),
  retryOf: z.int().nullable(),
})
export type JobShown = z.infer<typeof job>

const ask = { group: groupIdText, actor, command: commandId }
const answer = success({ group: groupIdText, command: ulid, ...written, known: z.boolean().describe('carried out before; this is its first result') })
const laneErrors = ['unknown-group', 'wrong-state', 'withdrawn', 'too-old', 'too-far-ahead', 'no-lane-yet', 'may-still-happen', 'format-too-old'] as const

export const groupApi = {
  list: endpoint({
    kind: 'query',
    summary: 'Lists execution groups, the latest first',
    request: z.strictObject({ phase: z.array(phase).min(1).optional(), site: siteId.optional().describe('unfinished groups that change it'), after, limit: pageLimit }),
    response: success({ groups: z.array(listed), next }),
    errors: [],
  }),
  show: endpoint({
    kind: 'query',
    summary: 'Shows the exclusive state of one group, as the log has it',
    request: z.strictObject({ group: groupIdText }),
    response: success({ state: exclusiveState, lane: z.string(), position, missing: z.exactOptional(z.array(z.string())).describe('skills, "no skill" or a role, that jobs of it ask for and no agent that is here takes, so that they wait; absent where there are none'), silent: z.exactOptional(z.array(silentGrant)).describe(`grants whose executor does not answer, so that their jobs stand still; ${silentLimit} at most, absent where there are none`), quarantine: z.exactOptional(z.object({ why: z.string() })).describe('the realm is in quarantine, so that no more of it is executed; absent where it is not, or the group has ended'), unheld: z.exactOptional(z.literal(true)).describe('nobody holds its lane, so that nothing of it is decided; absent where somebody does, or it has ended') }),
    errors: ['unknown-group'],
  }),
  jobs: endpoint({
    kind: 'query',
    summary: 'Lists the jobs of a group by number',
    request: z.strictObject({
      group: groupIdText,
      after: count.default(0).describe('number of the last job of the page before'),
      limit: pageLimit,
    }),
    response: success({ group: groupIdText, jobs: z.array(job), next: z.int().nullable().describe('give it as `after` for the next page') }),
    errors: ['unknown-group', 'archived'],
  }),
  pause: endpoint({
    kind: 'command',
    summary: 'Grants no more locks in a group; the job in flight ends by its outcome',
    request: z.strictObject(ask),
    response: answer,
    errors: laneErrors,
  }),
  resume: endpoint({
    kind: 'command',
    summary: 'Lets a paused group go on',
    request: z.strictObject(ask),
    response: answer,
    errors: laneErrors,
  }),
  prioritize: endpoint({
    kind: 'command',
    summary: 'Puts a group before those of a lower priority, in the granting of locks',
    request: z.strictObject({ ...ask, priority: priority }),
    response: answer,
    errors: laneErrors,
  }),
  retry: endpoint({
    kind: 'command',
    summary: 'Adds the failed job of a blocked group anew, in its place',
    request: z.strictObject(ask),
    response: answer,
    errors: laneErrors,
  }),
  cancel: endpoint({
    kind: 'command',
    summary: 'Cancels all pending jobs of a group; the one in flight ends by its outcome',
    request: z.strictObject(ask),
    response: answer,
    errors: laneErrors,
  }),
  resolve: endpoint({
    kind: 'command',
    summary: 'Settles a job whose outcome is not known, by a person who has looked',
    request: z.strictObject({ ...ask, job: z.int().min(1), as: z.enum(['succeeded', 'failed']) }),
    response: answer,
    errors: laneErrors,
  }),
}
