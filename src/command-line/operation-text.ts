/** What is done to a service, in the words that ask for it. Pure. */
import type { JobShown } from '../../streams/api/group.ts'

export function operationText(operation: JobShown['operation']): string {
  switch (operation.name) {
    case 'rename':
      return `rename to ${JSON.stringify(operation.to)}`
    case 'assign':
    case 'deassign':
      return `${operation.name} ${operation.user}`
    default:
      return operation.name
  }
}
