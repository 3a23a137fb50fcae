/** The routes of the simulated site's HTTP interface. Shapes: `protocol.ts`; documented in `docs/sites/simulated.md`. */
import type { z } from 'zod'
import type { Clock } from '../../../streams/ports/clock.ts'
import { pause } from '../../../streams/ports/clock.ts'
import type { HttpAnswer, HttpHandler, HttpRequest } from '../../platform/http-server.ts'
import type { FencingClass } from '../adapter.ts'
import type { CallDesk } from './calls.ts'
import type { Journal } from './journal.ts'
import { disconnect, logIn, logOut } from './logins.ts'
import { callRequest, fencingClasses, logIn as logInRequest, newService, servicePatch, switchRequest } from './protocol.ts'
import type { Store } from './store.ts'
import type { Switches } from './switches.ts'

export interface ServerParts {
  readonly store: Store
  readonly journal: Journal
  readonly switches: Switches
  readonly calls: CallDesk
  readonly clock: Clock
  readonly fencing: FencingClass
  readonly stopping: AbortSignal
}

const journalPage = 10_000

export function handlerOf(parts: ServerParts): HttpHandler {
  const { store, journal } = parts
  return async (request) => {
    const [area, noun, id, verb] = request.path
    const route = `${request.method} ${area ?? ''}/${noun ?? ''}${id === undefined ? '' : '/*'}${verb === undefined ? '' : `/${verb}`}`
    // What is read is answered only when it is durable: nobody sees a change that a crash could take back.
    switch (route) {
      case 'GET v1/site':
        return json(200, { name: store.name, fencing: parts.fencing, services: store.size })
      case 'GET v1/services':
        return readServices(parts)
      case 'GET v1/services/*': {
        const service = store.service(id!)
        await journal.synced()
        return service ? json(200, service) : failure(404, 'no-such-service', `no service ${id!}`)
      }
      case 'POST v1/services/*/operations':
        return carryOut(parts, id!, request)
      case 'GET v1/journal': {
        const after = wholeNumber(request, 'after', 0)
        const limit = Math.min(wholeNumber(request, 'limit', journalPage), journalPage)
        if (Number.isNaN(after + limit)) return failure(400, 'invalid', 'after and limit are whole numbers')
        const entries = structuredClone(store.calls(after, limit))
        await journal.synced()
        return json(200, { calls: entries, total: store.callCount })
      }
      case 'GET v1/calls': {
        const entries = structuredClone(store.callsOf(request.query.get('key') ?? ''))
        await journal.synced()
        return json(200, { calls: entries })
      }
      case 'POST v1/services':
        return addService(parts, request)
      case 'PATCH v1/services/*':
        return patchService(parts, id!, request)
      case 'DELETE v1/services/*':
        if (!store.service(id!)) return failure(404, 'no-such-service', `no service ${id!}`)
        journal.append({ type: 'removed', service: id!, atMs: parts.clock.nowMs() })
        await journal.synced()
        return json(200, {})
      case 'POST v1/sessions':
        return openSession(parts, request)
      case 'POST v1/sessions/*/disconnect':
      case 'DELETE v1/sessions/*':
        return endSession(parts, id!, verb === 'disconnect')
      case 'GET admin/switches':
        return json(200, { switches: parts.switches.list() })
      case 'POST admin/switches': {
        const wanted = parse(switchRequest, request.body)
        return 'problem' in wanted ? failure(400, 'invalid', wanted.problem) : json(200, { id: parts.switches.add(wanted.value) })
      }
      case 'DELETE admin/switches':
        parts.switches.removeAll()
        return json(200, {})
      case 'DELETE admin/switches/*':
        return parts.switches.remove(Number(id)) ? json(200, {}) : failure(404, 'no-such-switch', `no switch ${id!}`)
      default:
        return failure(404, 'no-such-route', `nothing at ${request.method} /${request.path.join('/')}`)
    }
  }
}

async function readServices(parts: ServerParts): Promise<HttpAnswer | 'hang-up'> {
  for (const { fault, removed } of parts.switches.take('read', undefined)) {
    if (fault.kind === 'latency') await pause(parts.clock, fault.latencyMs, parts.stopping)
    else if (fault.kind === 'hang') await Promise.race([removed, aborted(parts.stopping)])
    else if (fault.kind === 'drop') return 'hang-up'
    else if (fault.kind === 'error') return failure(500, 'internal', 'internal error')
    else return failure(503, 'refused', fault.reason)
  }
  const body = `{"site":${JSON.stringify(parts.store.name)},"services":${parts.store.servicesText()}}`
  await parts.journal.synced()
  return { status: 200, body }
}

async function carryOut(parts: ServerParts, service: string, request: HttpRequest): Promise<HttpAnswer | 'hang-up'> {
  const wanted = parse(callRequest, request.body)
  if ('problem' in wanted) return failure(400, 'invalid', wanted.problem)
  if (fencingClasses.indexOf(wanted.value.fencing) < fencingClasses.indexOf(parts.fencing)) {
    const reason = `site ${parts.store.name} runs with fencing ${parts.fencing}, not ${wanted.value.fencing}`
    return failure(412, 'fencing', reason)
  }
  const answered = await parts.calls.take(service, wanted.value)
  if (answered.kind === 'hang-up') return 'hang-up'
  if (answered.kind === 'internal-error') return failure(500, 'internal', 'internal error')
  return json(answered.outcome.kind === 'busy' ? 423 : 200, { call: answered.call, outcome: answered.outcome })
}

async function addService(parts: ServerParts, request: HttpRequest): Promise<HttpAnswer> {
  const wanted = parse(newService, request.body)
  if ('problem' in wanted) return failure(400, 'invalid', wanted.problem)
  const { id, name, ...given } = wanted.value
  if (parts.store.service(id)) return failure(409, 'exists', `service ${id} exists`)
  const service = {
    id,
    name,
    kind: given.kind ?? 'desktop',
    delivery: given.delivery ?? 'hosted',
    folder: given.folder ?? '',
    group: given.group ?? null,
    power: given.power ?? 'off',
    maintenance: given.maintenance ?? false,
    assignment: given.assignment ?? 'fixed',
    users: (given.users ?? []).toSorted(),
    userGroups: (given.userGroups ?? []).toSorted(),
    sessions: [],
  } as const
  parts.journal.append({ type: 'added', service, atMs: parts.clock.nowMs() })
  await parts.journal.synced()
  return json(200, service)
}

async function patchService(parts: ServerParts, id: string, request: HttpRequest): Promise<HttpAnswer> {
  if (!parts.store.service(id)) return failure(404, 'no-such-service', `no service ${id}`)
  const wanted = parse(servicePatch, request.body)
  if ('problem' in wanted) return failure(400, 'invalid', wanted.problem)
  const set = Object.fromEntries(
    Object.entries(wanted.value).map(([property, value]) => [property, Array.isArray(value) ? value.toSorted() : value]),
  )
  parts.journal.append({ type: 'changed', service: id, why: 'console', set, atMs: parts.clock.nowMs() })
  const service = parts.store.service(id)
  await parts.journal.synced()
  return json(200, service)
}

async function openSession(parts: ServerParts, request: HttpRequest): Promise<HttpAnswer> {
  const wanted = parse(logInRequest, request.body)
  if ('problem' in wanted) return failure(400, 'invalid', wanted.problem)
  const nowMs = parts.clock.nowMs()
  const change = logIn(parts.store, wanted.value, nowMs)
  if ('refused' in change) return failure(403, 'refused', change.refused)
  parts.journal.append({ type: 'changed', service: change.service, why: change.why, set: change.set, atMs: nowMs })
  await parts.journal.synced()
  return json(200, { service: change.service, session: change.session })
}

async function endSession(parts: ServerParts, id: string, keep: boolean): Promise<HttpAnswer> {
  const change = keep ? disconnect(parts.store, id) : logOut(parts.store, id)
  if (!change) return failure(404, 'no-such-session', `no session ${id}`)
  parts.journal.append({ type: 'changed', service: change.service, why: change.why, set: change.set, atMs: parts.clock.nowMs() })
  await parts.journal.synced()
  return json(200, { service: change.service, session: change.session })
}

function parse<T>(schema: z.ZodType<T>, body: string): { readonly value: T } | { readonly problem: string } {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return { problem: 'body is not JSON' }
  }
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data }
  return { problem: result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ') }
}

function wholeNumber(request: HttpRequest, name: string, otherwise: number): number {
  const text = request.query.get(name)
  return text === null ? otherwise : /^\d{1,15}$/.test(text) ? Number(text) : NaN
}

function json(status: number, value: unknown): HttpAnswer {
  return { status, body: JSON.stringify(value) }
}

function failure(status: number, code: string, reason: string): HttpAnswer {
  return json(status, { error: { code, reason } })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
