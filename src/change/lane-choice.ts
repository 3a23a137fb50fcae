/** Which lane a new group belongs to, for life (DESIGN §5 "Lanes"): region of its sites, then the least loaded. */
import { groupTable } from '../../machines/execution-group/machine.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { RealmFold } from '../realm/view.ts'

export interface LaneChoice {
  readonly lane: string
  /** Region of most of the group's jobs: placement prefers agents there. */
  readonly region: string
}

/** Undefined where no lane is held: nobody could take the group. */
export function chooseLane(fold: RealmFold, jobs: readonly JobSpec[]): LaneChoice | undefined {
  const region = regionOf(fold, jobs)
  const held = fold.realm.lanes.filter(({ lane }) => fold.lanes.get(lane)?.holder != null)
  const near = held.filter((lane) => lane.region === region)
  // Lanes of a region without agents are nobody's; a group of such a region goes to another's.
  const candidates = (near.length > 0 ? near : held).map(({ lane }) => ({ lane, load: loadOf(fold, lane) }))
  candidates.sort((a, b) => a.load.groups - b.load.groups || a.load.jobs - b.load.jobs || (a.lane < b.lane ? -1 : 1))
  const best = candidates[0]
  return best === undefined ? undefined : { lane: best.lane, region }
}

/** Unfinished groups of a lane and the jobs that they have still to settle. */
export function loadOf(fold: RealmFold, lane: string): { readonly groups: number; readonly jobs: number } {
  let groups = 0
  let jobs = 0
  for (const group of fold.lanes.get(lane)?.groups.values() ?? []) {
    if (groupTable.isFinal(group.phase)) continue
    groups += 1
    jobs += Math.max(group.jobsAnnounced, group.queued) - group.position
  }
  return { groups, jobs }
}

export function regionOf(fold: RealmFold, jobs: readonly JobSpec[]): string {
  const counts = new Map<string, number>()
  for (const { site } of jobs) {
    const region = fold.sites.get(site)?.region ?? ''
    counts.set(region, (counts.get(region) ?? 0) + 1)
  }
  // Of regions with as many jobs, the one that comes first.
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', 0] as [string, number])[0]
}
