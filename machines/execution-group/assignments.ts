/** In whose queue each job of a group is: a list in the order of numbers, without overlaps. */
import type { Assignment } from './events.ts'
import { type GroupState, assigneeOf, assignmentFrom } from './state.ts'

/** A job that undoes another, or is added anew, goes into its queue. Its number is higher than all that were assigned. */
export function inherit(state: GroupState, from: number, job: number): void {
  const agent = assigneeOf(state, from)
  if (agent === undefined) return
  const last = state.assignments[state.assignments.length - 1]!
  if (last.agent === agent && last.last === job - 1) state.assignments[state.assignments.length - 1] = { ...last, last: job }
  else state.assignments.push({ first: job, last: job, agent })
}

/** Some job was assigned before, or is twice. `old` is sorted and without overlaps. */
export function overlaps(old: readonly Assignment[], added: readonly Assignment[]): boolean {
  let before = 0
  for (const { first, last } of added) {
    if (first <= before) return true
    before = last
    const next = assignmentFrom(old, first)
    if (next !== undefined && next.first <= last) return true
  }
  return false
}

/** Later assignments win; the list stays sorted and without overlaps. */
export function overlaid(old: readonly Assignment[], added: readonly Assignment[]): Assignment[] {
  let all: Assignment[] = [...old]
  for (const fresh of added) {
    const next: Assignment[] = []
    for (const assignment of all) {
      if (assignment.last < fresh.first || fresh.last < assignment.first) {
        next.push(assignment)
        continue
      }
      if (assignment.first < fresh.first) next.push({ ...assignment, last: fresh.first - 1 })
      if (fresh.last < assignment.last) next.push({ ...assignment, first: fresh.last + 1 })
    }
    next.push(fresh)
    all = next
  }
  return all.sort((left, right) => left.first - right.first)
}
