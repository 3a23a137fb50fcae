/** Changes that may be asked for one service [328]. Shapes stand in the log (in `JobsAdded`): for ever. */
export const operationNames = ['start', 'stop', 'rename', 'maintenance-on', 'maintenance-off', 'assign', 'deassign', 'rehearse'] as const
export type OperationName = (typeof operationNames)[number]

export type Operation =
  | { readonly name: 'start' | 'stop' | 'maintenance-on' | 'maintenance-off' }
  | { readonly name: 'rename'; readonly to: string }
  /** `user` is an opaque id of the realm or the site's own account name; never a secret. */
  | { readonly name: 'assign' | 'deassign'; readonly user: string }
  /** Goes the whole way of a job and changes nothing; only sites of kind `drill` offer it. */
  | { readonly name: 'rehearse' }

/** The property of the canonical model that an operation sets, and the value it will have (for the desired configuration). */
export function effectOf(operation: Operation): { readonly property: string; readonly value: string | boolean | null } {
  switch (operation.name) {
    case 'start':
      return { property: 'power', value: 'on' }
    case 'stop':
      return { property: 'power', value: 'off' }
    case 'rename':
      return { property: 'name', value: operation.to }
    case 'maintenance-on':
      return { property: 'maintenance', value: true }
    case 'maintenance-off':
      return { property: 'maintenance', value: false }
    case 'assign':
      return { property: `user:${operation.user}`, value: true }
    case 'deassign':
      return { property: `user:${operation.user}`, value: false }
    case 'rehearse':
      return { property: 'nothing', value: null }
  }
}
