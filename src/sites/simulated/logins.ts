/**
 * Users' sessions, and the assignments that the site makes itself: at first access, or out of a pool. Pure: each function answers what
 * is to be set.
 */
import type { Service, Session } from '../../../machines/service/model.ts'
import type { LogIn } from './protocol.ts'
import type { Store } from './store.ts'

export interface SessionChange {
  readonly service: string
  readonly why: string
  readonly set: Partial<Service>
  readonly session: Session
}

export interface LogInRefused {
  readonly refused: string
}

export function logIn(store: Store, request: LogIn, nowMs: number): SessionChange | LogInRefused {
  const found = 'pool' in request ? placeInPool(store, request) : findService(store, request)
  if ('refused' in found) return found
  const again = found.sessions.find((session) => session.user === request.user)
  const session: Session = again
    ? { ...again, state: 'active' }
    : { id: store.nextSessionId(), user: request.user, state: 'active', sinceMs: nowMs }
  const others = found.sessions.filter((other) => other.id !== session.id)
  const isAssigned = found.users.includes(request.user)
  return {
    service: found.id,
    why: isAssigned ? 'log-in' : `log-in, assigned by the site (${found.assignment})`,
    // Whoever logs in to a service that is off has it started, as a broker does.
    set: { power: 'on', sessions: [...others, session], ...(isAssigned ? {} : { users: [...found.users, request.user].sort() }) },
    session,
  }
}

function findService(store: Store, request: LogIn & { service: string }): Service | LogInRefused {
  const service = store.service(request.service)
  if (!service) return { refused: `no service ${request.service}` }
  if (service.maintenance) return { refused: `service ${service.id} is in maintenance` }
  if (service.users.includes(request.user)) return service
  if (!mayUse(service, request)) return { refused: `user ${request.user} is in no group that may use service ${service.id}` }
  if (service.assignment === 'fixed') return { refused: `service ${service.id} is not assigned to user ${request.user}` }
  if (service.users.length > 0) return { refused: `service ${service.id} is assigned to another user` }
  return service
}

/** The service where the user is logged in already, else the first that is free. */
function placeInPool(store: Store, request: LogIn & { pool: string }): Service | LogInRefused {
  let free: Service | undefined
  let isKnown = false
  for (const service of store.services()) {
    if (service.group !== request.pool || service.assignment !== 'pooled') continue
    isKnown = true
    if (service.maintenance) continue
    if (service.users.includes(request.user)) return service
    if (service.users.length === 0 && mayUse(service, request)) free ??= service
  }
  if (free) return free
  return { refused: isKnown ? `pool ${request.pool} has no free service for user ${request.user}` : `no pool ${request.pool}` }
}

function mayUse(service: Service, request: LogIn): boolean {
  return service.userGroups.length === 0 || service.userGroups.some((group) => request.userGroups.includes(group))
}

/** The session stays; a pooled service stays the user's meanwhile. Undefined: no such session. */
export function disconnect(store: Store, sessionId: string): SessionChange | undefined {
  const found = findSession(store, sessionId)
  if (!found) return undefined
  const session: Session = { ...found.session, state: 'disconnected' }
  const sessions = found.service.sessions.map((other) => (other.id === sessionId ? session : other))
  return { service: found.service.id, why: 'disconnect', set: { sessions }, session }
}

/** Ends the session; a pooled service is free again. Undefined: no such session. */
export function logOut(store: Store, sessionId: string): SessionChange | undefined {
  const found = findSession(store, sessionId)
  if (!found) return undefined
  const { service, session } = found
  const sessions = service.sessions.filter((other) => other.id !== sessionId)
  const users = service.assignment === 'pooled' ? service.users.filter((user) => user !== session.user) : service.users
  return { service: service.id, why: 'log-out', set: { sessions, users }, session }
}

function findSession(store: Store, id: string): { readonly service: Service; readonly session: Session } | undefined {
  for (const service of store.services()) {
    const session = service.sessions.find((candidate) => candidate.id === id)
    if (session) return { service, session }
  }
  return undefined
}
