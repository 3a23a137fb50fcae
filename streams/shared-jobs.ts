/**
 * Jobs that were just read from JSON stand in memory for as long as their group runs, by the million. Most of what a job says is the same
 * as of the job before it: it is kept once.
 */

const shareable = ['site', 'operation', 'skill', 'compensate'] as const

type Parts = { [key in (typeof shareable)[number]]?: unknown }

/** In place; changes nothing of what the jobs say, nor of the order in which they say it. Takes whatever a list of jobs could be that nobody has judged yet. */
export function shareEqualParts(jobs: unknown): void {
  if (!Array.isArray(jobs)) return
  let before: Parts | undefined
  for (const job of jobs as unknown[]) {
    if (typeof job !== 'object' || job === null) continue
    const parts: Parts = job
    if (before !== undefined) for (const key of shareable) if (parts[key] !== undefined && same(parts[key], before[key])) parts[key] = before[key]
    before = parts
  }
}

/** Texts, or objects of texts; of anything else only that it is the very same. */
export function same(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null || Array.isArray(one) || Array.isArray(other)) return false
  const keys = Object.keys(one)
  const others = Object.keys(other)
  if (keys.length !== others.length) return false
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!
    if (others[index] !== key || (one as Record<string, unknown>)[key] !== (other as Record<string, unknown>)[key]) return false
  }
  return true
}
