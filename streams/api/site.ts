/** `site`: the scope of management. */
import { z } from 'zod'
import { actor, after, commandId, count, next, pageLimit, region, siteId, success, written } from './common.ts'
import { endpoint } from './endpoint.ts'

const fencing = z.enum(['enforced', 'recorded', 'none']).describe('what the site does with fencing tokens (I9)')
const site = z.object({ site: siteId, kind: z.string(), address: z.string(), region: z.string(), fencing })
export type SiteShown = z.infer<typeof site>

export const siteApi = {
  add: endpoint({
    kind: 'command',
    summary: 'Adds a site to the scope of management, after it has answered',
    request: z.strictObject({
      site: siteId,
      kind: z.string().min(1).max(64),
      address: z.string().min(1).max(1024).describe('never holds a secret'),
      region: region.optional().describe("default: the service's own region"),
      actor,
      command: commandId,
    }),
    response: success({ ...site.shape, services: count.nullable().describe('how many it has; null in the answer to a repetition'), ...written }),
    errors: ['exists', 'unknown-kind', 'bad-address', 'site-unreachable', 'may-still-happen', 'wrong-state'],
  }),
  list: endpoint({
    kind: 'query',
    summary: 'Lists the managed sites, by id',
    request: z.strictObject({ after, limit: pageLimit }),
    response: success({ sites: z.array(site), next }),
    errors: [],
  }),
  show: endpoint({
    kind: 'query',
    summary: 'Shows one site, whether it answers, and what its adapter can do',
    request: z.strictObject({ site: siteId }),
    response: success({
      ...site.shape,
      operations: z.array(z.string()),
      reachable: z.boolean(),
      reason: z.string().nullable().describe('why it cannot be reached'),
      services: count.nullable(),
      unfinished: z.array(z.string()).describe('unfinished groups that change it; the first 100'),
    }),
    errors: ['unknown-site', 'unknown-kind'],
  }),
  remove: endpoint({
    kind: 'command',
    summary: 'Takes a site out of the scope of management; refused while an unfinished group changes it',
    request: z.strictObject({
      site: siteId,
      confirmed: z.boolean().default(false).describe('who asks has seen which site this is (I12)'),
      actor,
      command: commandId,
    }),
    response: success({ site: siteId, ...written }),
    errors: ['unknown-site', 'wrong-state', 'not-confirmed', 'may-still-happen'],
  }),
}
