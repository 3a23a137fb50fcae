/** The details of a job that undoes another: the same service, what its plan says undoes it, nothing that it waits for. */
import type { JobSpec } from './events.ts'

export function undoOf({ site, service, compensate, skill, repeatable }: JobSpec): JobSpec {
  return { site, service, operation: compensate!, ...(skill === undefined ? {} : { skill }), repeatable }
}
