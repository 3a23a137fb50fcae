/** Ids of programs that were given none. */
import { hostName } from '../platform/own-machine.ts'
import { ownProcessId } from '../platform/process.ts'

/** `<machine>-<role>-<process>`: different for every process that runs at the same time. */
export function defaultId(role: string): string {
  return `${hostName().replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 30)}-${role}-${ownProcessId()}`
}
