/** Which jobs of a plan wait for which, where they do not all run in one order (agents.md "Execution groups": predicates form a graph). Pure. */
import { cycleText } from '../../machines/execution-group/decide/opening.ts'
import type { JobSpec, Run } from '../../machines/execution-group/events.ts'
import { afterLimit } from '../../machines/execution-group/limits.ts'
import { ApiFailure, type ErrorCode } from '../../streams/api/errors.ts'
import { throwAll } from './selection.ts'

/** sites: those of one site in order, sites beside one another. graph: as `after` says, the others free. none: nobody waits. */
export type AskedOrder = 'strict' | 'sites' | 'graph' | 'none'

/** `service`, and those before it, as SITE/SERVICEID. */
export interface AskedPredicate {
  readonly service: string
  readonly after: readonly string[]
}

/**
 * By index the jobs that each waits for; undefined where all run in one order, or in none. `unchanged` are selected services that have no job: who
 * waits for them waits for nothing. Throws `ApiFailure`, with every service that is not selected, or with a cycle named by its services.
 */
export function predicatesOf(
  jobs: readonly Pick<JobSpec, 'site' | 'service'>[],
  unchanged: readonly string[],
  order: AskedOrder,
  after: readonly AskedPredicate[],
): readonly (readonly Run[])[] | undefined {
  if (order === 'strict' || order === 'none') {
    if (after.length > 0) throw new ApiFailure('malformed', `predicates need order graph (or sites): with order ${order} ${order === 'strict' ? 'every job waits for the one before it' : 'no job waits for another'}`)
    return undefined
  }
  const waits = jobs.map(() => new Set<number>())
  if (order === 'sites') {
    const last = new Map<string, number>()
    jobs.forEach(({ site }, index) => {
      const before = last.get(site)
      if (before !== undefined) waits[index]!.add(before)
      last.set(site, index + 1)
    })
  }
  addAsked(jobs, unchanged, after, waits)
  const predicates = waits.map(runsOf)
  const many = predicates.findIndex((runs) => runs.length > afterLimit)
  if (many >= 0) throw new ApiFailure('malformed', `service ${nameOf(jobs[many]!)} waits for more than ${afterLimit} runs of jobs: say less`)
  const cycle = cycleText(predicates.map((runs) => ({ after: runs })), (job) => nameOf(jobs[job - 1]!))
  if (cycle !== undefined) throw new ApiFailure('malformed', cycle)
  return predicates
}

function addAsked(jobs: readonly Pick<JobSpec, 'site' | 'service'>[], unchanged: readonly string[], after: readonly AskedPredicate[], waits: readonly Set<number>[]): void {
  if (after.length === 0) return
  const numbers = new Map(jobs.map((job, index) => [nameOf(job), index + 1]))
  const settled = new Set(unchanged)
  const problems: { code: ErrorCode; text: string }[] = []
  const selected = (name: string) => {
    if (numbers.has(name) || settled.has(name)) return true
    problems.push({ code: 'malformed', text: `the predicates name service ${JSON.stringify(name)}, which is not selected: write SITE/SERVICEID of one that is` })
    return false
  }
  for (const { service, after: before } of after) {
    const known = selected(service)
    for (const name of before) {
      if (!selected(name) || !known) continue
      if (name === service) problems.push({ code: 'malformed', text: `service ${service} cannot wait for itself` })
      const job = numbers.get(service)
      const predicate = numbers.get(name)
      if (job !== undefined && predicate !== undefined) waits[job - 1]!.add(predicate)
    }
  }
  throwAll(problems)
}

function runsOf(numbers: ReadonlySet<number>): Run[] {
  const runs: [number, number][] = []
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const open = runs[runs.length - 1]
    if (open !== undefined && open[1] === number - 1) open[1] = number
    else runs.push([number, number])
  }
  return runs
}

function nameOf({ site, service }: Pick<JobSpec, 'site' | 'service'>): string {
  return `${site}/${service}`
}
