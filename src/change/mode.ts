/** In which mode a change runs, and where `direct` is refused with the mode to use instead (agents.md [342]). */
import { jobTable } from '../../machines/job/machine.ts'
import { groupTable } from '../../machines/execution-group/machine.ts'
import { type GroupState, headPhase, pendingRuns } from '../../machines/execution-group/state.ts'
import { ApiFailure } from '../../streams/api/errors.ts'
import type { RealmFold } from '../realm/view.ts'
import type { Target } from './selection.ts'

export type RunMode = 'direct' | 'jobs'

/**
 * `asked` undefined: `direct` for one target, `jobs` for more, and for what only agents do (`needsAgents`). What another group will do is a courtesy to look at (DESIGN §3): one
 * that is opened at this very moment may be missed, and then both change the target, one after the other. Throws `ApiFailure`.
 */
export function runModeOf(fold: RealmFold, asked: RunMode | undefined, targets: readonly Target[], needsAgents = false): RunMode {
  const mode = asked ?? (targets.length === 1 && !needsAgents ? 'direct' : 'jobs')
  if (mode === 'jobs') return mode
  if (needsAgents) throw new ApiFailure('mode-unavailable', 'mode direct is carried out by the service itself, without an order of several jobs, predicates or agents: use mode jobs')
  const [target, another] = targets
  if (target === undefined || another !== undefined) {
    throw new ApiFailure('mode-unavailable', `mode direct changes one service, and ${targets.length} are selected: use mode jobs`)
  }
  const site = target.site.site
  const group = groupThatChanges(fold, site, target.service.id)
  if (group !== undefined) {
    throw new ApiFailure('mode-unavailable', `mode direct is not for service ${site}/${target.service.id}, which the unfinished group ${group} still changes: use mode jobs, or wait for that group`)
  }
  return mode
}

/** The site could not be read from here, so it cannot be changed from here either. */
export function notFromHere(failure: ApiFailure): ApiFailure {
  return new ApiFailure('mode-unavailable', `${failure.message}; from here mode direct cannot be used: use mode jobs where an agent beside the site can reach it`, { more: failure.more })
}

function groupThatChanges(fold: RealmFold, site: string, service: string): string | undefined {
  for (const group of fold.groups()) {
    if (!groupTable.isFinal(group.phase) && hasJobAhead(group, site, service)) return group.group
  }
  return undefined
}

/** A job that has not ended. One that failed has: only a person's retry would begin another. */
function hasJobAhead(group: GroupState, site: string, service: string): boolean {
  const changes = (job: number) => {
    const spec = group.specs[job - 1]
    return spec?.site === site && spec.service === service
  }
  // Parts still come.
  if (groupTable.can(group.phase, 'JobsAdded')) return group.specs.some((_, index) => changes(index + 1))
  if (group.unordered !== null) return group.unordered.phases.some((phase, index) => !jobTable.isFinal(phase) && changes(index + 1))
  const failed = group.head !== 0 && jobTable.isFinal(headPhase(group)) ? 1 : 0
  for (const [first, last] of pendingRuns(group, failed)) {
    for (let job = first; job <= last; job++) if (changes(job)) return true
  }
  return false
}
