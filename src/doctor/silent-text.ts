/** What is said of a job whose executor does not answer (I9), in one line. */
import type { SilentGrant } from '../../streams/api/group.ts'

const becomes: Readonly<Record<SilentGrant['then'], string>> = {
  'granted-anew': 'it is granted anew',
  unknown: 'it is for a person to settle, since it may not be repeated',
  failed: 'it counts as failed',
}

export function silentText({ job, agent, present, withinMs, then }: SilentGrant): string {
  return `job ${job} stands still: agent ${agent} does not answer${present ? '' : ' and has no presence any more'}; ${withinText(withinMs)} ${becomes[then]} (later where the leader changes)`
}

export function withinText(withinMs: number): string {
  return withinMs <= 0 ? 'any moment now' : `in ${Math.ceil(withinMs / 1_000)} s at the latest`
}
