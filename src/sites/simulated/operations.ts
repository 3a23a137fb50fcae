/** What each operation does to a service of the simulated site. Pure. */
import type { Service } from '../../../machines/service/model.ts'
import type { SiteFailureCode } from '../adapter.ts'
import type { SimulatedOperation } from './protocol.ts'

export type Effect =
  | { readonly kind: 'change'; readonly set: Partial<Service> }
  | { readonly kind: 'already' }
  | { readonly kind: 'refused'; readonly code: SiteFailureCode; readonly reason: string }

const already: Effect = { kind: 'already' }

export function effectOn(service: Service, operation: SimulatedOperation): Effect {
  switch (operation.name) {
    case 'start':
      return service.power === 'on' ? already : { kind: 'change', set: { power: 'on' } }
    case 'stop':
      if (service.power === 'off') return already
      return { kind: 'change', set: { power: 'off', sessions: [], ...(service.assignment === 'pooled' ? { users: [] } : {}) } }
    case 'rename':
      return service.name === operation.to ? already : { kind: 'change', set: { name: operation.to } }
    case 'maintenance-on':
      return service.maintenance ? already : { kind: 'change', set: { maintenance: true } }
    case 'maintenance-off':
      return service.maintenance ? { kind: 'change', set: { maintenance: false } } : already
    case 'assign':
      if (service.users.includes(operation.user)) return already
      if (service.assignment === 'pooled') {
        return { kind: 'refused', code: 'refused-by-site', reason: `service ${service.id} is pooled: the site itself assigns its users` }
      }
      return { kind: 'change', set: { users: [...service.users, operation.user].sort() } }
    case 'deassign':
      if (!service.users.includes(operation.user)) return already
      return {
        kind: 'change',
        set: {
          users: service.users.filter((user) => user !== operation.user),
          sessions: service.sessions.filter((session) => session.user !== operation.user),
        },
      }
  }
}
