/**
 * What the simulated site's HTTP interface carries (JSON): shared by its server, its adapter and its tests. The interface stands for
 * a vendor's own; it is not part of the realm's wire.
 */
import { z } from 'zod'
import type { FencingToken, SiteResult } from '../adapter.ts'

export const fencingClasses = ['enforced', 'recorded', 'none'] as const
const fencingClass = z.enum(fencingClasses)

const operation = z.discriminatedUnion('name', [
  z.object({ name: z.enum(['start', 'stop', 'maintenance-on', 'maintenance-off']) }),
  z.object({ name: z.literal('rename'), to: z.string().min(1).max(1000) }),
  z.object({ name: z.enum(['assign', 'deassign']), user: z.string().min(1).max(1000) }),
])
export type SimulatedOperation = z.infer<typeof operation>

/** `POST /v1/services/<id>/operations`, answered with `CallAnswer` (200), `busy` (423) or `ApiError`. */
export const callRequest = z.object({
  operation,
  token: z.object({ scope: z.string().min(1), incarnation: z.int().nonnegative(), revision: z.int().nonnegative() }),
  idempotencyKey: z.string().min(1).max(1000),
  deadlineMs: z.int(),
  /** The fencing that the caller counts on; a site that fences less refuses. */
  fencing: fencingClass,
})
export type CallRequest = z.infer<typeof callRequest>

const service = z.object({
  id: z.string().min(1),
  name: z.string().min(1).max(1000),
  kind: z.enum(['desktop', 'application', 'machine']),
  delivery: z.enum(['hosted', 'streamed', 'local']),
  folder: z.string(),
  group: z.string().nullable(),
  power: z.enum(['on', 'off', 'suspended', 'unknown']),
  maintenance: z.boolean(),
  assignment: z.enum(['fixed', 'first-access', 'pooled']),
  users: z.array(z.string()),
  userGroups: z.array(z.string()),
  sessions: z.array(
    z.object({ id: z.string(), user: z.string(), state: z.enum(['active', 'disconnected']), sinceMs: z.int().nullable() }),
  ),
})
/** `GET /v1/services`. */
export const servicesAnswer = z.object({ site: z.string(), services: z.array(service) })

/** `POST /v1/services`: what is left out has the value of a new desktop. */
export const newService = service
  .omit({ sessions: true })
  .extend({ id: z.string().min(1).max(200) })
  .partial()
  .required({ id: true, name: true })
/** `PATCH /v1/services/<id>`: what an administrator sets at the site itself, past Reeve. */
export const servicePatch = service.omit({ id: true, sessions: true }).partial()

/** `POST /v1/sessions`: a user logs in, to a service by id or to a pool (a group of pooled services) by name. */
export const logIn = z.union([
  z.object({ user: z.string().min(1), userGroups: z.array(z.string()).default([]), service: z.string().min(1) }),
  z.object({ user: z.string().min(1), userGroups: z.array(z.string()).default([]), pool: z.string().min(1) }),
])
export type LogIn = z.infer<typeof logIn>

const when = z.enum(['before', 'after'])
/** `POST /admin/switches`. `when`: before or after the change was made. */
export const switchRequest = z.object({
  /** An operation's name, `read`, or `*` for everything. */
  operation: z.string().min(1).default('*'),
  /** Only calls for this service. */
  service: z.string().optional(),
  /** The next n calls that match; absent: until it is removed. */
  count: z.int().positive().optional(),
  fault: z.discriminatedUnion('kind', [
    /** Each call takes this much longer. `pastDeadline`: also beyond its deadline, as a site that cannot keep one. */
    z.object({ kind: z.literal('latency'), latencyMs: z.int().nonnegative(), pastDeadline: z.boolean().default(false) }),
    /** The site says no; nothing is changed. */
    z.object({ kind: z.literal('refuse'), reason: z.string().min(1).default('refused by a switch') }),
    /** Status 500, which says nothing about what happened. */
    z.object({ kind: z.literal('error'), when: when.default('before') }),
    /** The connection is closed without an answer. */
    z.object({ kind: z.literal('drop'), when: when.default('before') }),
    /** No answer until the switch is removed. `before`: the call then goes on, unless its deadline has passed. */
    z.object({ kind: z.literal('hang'), when: when.default('before') }),
  ]),
})
export type SwitchRequest = z.input<typeof switchRequest>
export type Switch = z.output<typeof switchRequest>

/** What became of a call, in the site's own words. */
export type CallOutcome =
  | SiteResult
  /** A call of a lower token was running still when the time to wait was over; nothing was changed. */
  | { readonly kind: 'busy' }
  /** Its deadline passed before the change was made; nothing was changed. */
  | { readonly kind: 'expired' }
  /** The process ended before the change was made; nothing was changed. Found when the site starts again. */
  | { readonly kind: 'lost' }

/** One call in `GET /v1/journal?after=N&limit=M`, and in `GET /v1/calls?key=K`. */
export interface JournalEntry {
  /** Contiguous from 1, in order of arrival. */
  readonly number: number
  readonly service: string
  readonly operation: SimulatedOperation
  readonly token: FencingToken
  readonly idempotencyKey: string
  readonly deadlineMs: number
  readonly arrivedMs: number
  /** Null: not begun (refused, waiting, or a repeat). */
  readonly beganMs: number | null
  readonly endedMs: number | null
  /** Strict order of beginnings and ends at this site, for what milliseconds cannot tell apart; 0: not yet, or never. */
  readonly beganOrder: number
  readonly endedOrder: number
  readonly outcome: CallOutcome | null
  /** The call whose result was given again, for a repeated idempotency key. */
  readonly repeatOf: number | null
}

export interface CallAnswer {
  readonly call: number
  readonly outcome: CallOutcome
}

export interface ApiError {
  readonly error: { readonly code: string; readonly reason: string }
}
