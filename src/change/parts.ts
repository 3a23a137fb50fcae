/**
 * Parts of a plan (P14). For ever: every service, whatever its build, cuts a plan into the very same parts, so that one may carry
 * on what another began.
 */
import type { JobSpec } from '../../machines/execution-group/events.ts'
import { partLimitBytes } from '../../machines/execution-group/decide/opening.ts'
import { canonicalJob } from './plan-bytes.ts'

/** Room for what stands around the jobs in `JobsAdded`. */
const aroundBytes = 256

const encoder = new TextEncoder()

/** Consecutive jobs, as many as fit; sizes are those of the canonical JSON with a comma each. */
export function partsOf(jobs: readonly JobSpec[]): JobSpec[][] {
  const parts: JobSpec[][] = []
  let part: JobSpec[] = []
  let bytes = 0
  for (const job of jobs) {
    const size = encoder.encode(canonicalJob(job)).length + 1
    if (part.length > 0 && bytes + size > partLimitBytes - aroundBytes) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(job)
    bytes += size
  }
  if (part.length > 0) parts.push(part)
  return parts
}
