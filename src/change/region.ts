/** Where a group belongs: the region of most of its jobs. Lanes, and agents, are looked for there first. */
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { RealmFold } from '../realm/view.ts'

export function regionOf(fold: RealmFold, jobs: readonly Pick<JobSpec, 'site'>[]): string {
  const counts = new Map<string, number>()
  for (const { site } of jobs) {
    const region = fold.sites.get(site)?.region ?? ''
    counts.set(region, (counts.get(region) ?? 0) + 1)
  }
  // Of regions with as many jobs, the one that comes first.
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', 0] as [string, number])[0]
}
