/** `service`: what the sites provide, desired beside actual [314-324]. */
import { z } from 'zod'
import type { Service } from '../../machines/service/model.ts'
import { after, next, pageLimit, propertyValue, serviceKind, siteId, success } from './common.ts'
import { endpoint } from './endpoint.ts'

const actual = z.object({
  id: z.string(),
  name: z.string(),
  kind: serviceKind,
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
}) satisfies z.ZodType<Service>

const shown = z.object({
  site: siteId,
  actual: actual.describe('as the site says just now'),
  desired: z.record(z.string(), propertyValue).describe('properties that a change has set, and the value that it set'),
  differences: z.array(z.object({ property: z.string(), desired: propertyValue, actual: propertyValue })),
})
export type ServiceShown = z.infer<typeof shown>

export const serviceFilter = {
  site: siteId.optional(),
  folder: z.string().optional().describe('this folder and those below it; outermost first, joined by "/"'),
  group: z.string().optional().describe('group of services'),
  name: z.string().min(1).max(256).optional().describe('pattern: * any text, ? one character, \\ before either for itself'),
}

export const serviceApi = {
  list: endpoint({
    kind: 'query',
    summary: 'Lists services by site and id, desired beside actual',
    request: z.strictObject({ ...serviceFilter, after, limit: pageLimit }),
    response: success({
      services: z.array(shown),
      unreachable: z.array(z.object({ site: siteId, reason: z.string() })).describe('sites that should be on this page and did not answer'),
      next,
    }),
    errors: ['unknown-site'],
  }),
  show: endpoint({
    kind: 'query',
    summary: 'Shows one service, desired beside actual',
    request: z.strictObject({ site: siteId, service: z.string().min(1).max(256).describe("the site's own id of the service") }),
    response: success(shown.shape),
    errors: ['unknown-site', 'unknown-service', 'site-unreachable'],
  }),
}
