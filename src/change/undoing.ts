/** What would undo a change of a service, so that it is again as it was when the change was planned. Pure. */
import type { Service } from '../../machines/service/model.ts'
import type { Operation } from '../../machines/service/operation.ts'

/** Undefined where there is nothing to undo (it is so already), or nothing that would (a suspended machine is not suspended again). */
export function undoing(service: Service, operation: Operation): Operation | undefined {
  switch (operation.name) {
    case 'start':
      return service.power === 'off' ? { name: 'stop' } : undefined
    case 'stop':
      return service.power === 'on' ? { name: 'start' } : undefined
    case 'rename':
      return service.name === operation.to ? undefined : { name: 'rename', to: service.name }
    case 'maintenance-on':
      return service.maintenance ? undefined : { name: 'maintenance-off' }
    case 'maintenance-off':
      return service.maintenance ? { name: 'maintenance-on' } : undefined
    case 'assign':
      return service.users.includes(operation.user) ? undefined : { name: 'deassign', user: operation.user }
    case 'deassign':
      return service.users.includes(operation.user) ? { name: 'assign', user: operation.user } : undefined
    case 'rehearse':
      return { name: 'rehearse' }
  }
}
