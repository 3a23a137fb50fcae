/** I1, I2, I3 of every group in a log. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import { GroupReplay } from './group-replay.ts'
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

export interface GroupExpectations {
  /** Nothing goes wrong any more and everybody had the time: each group must have ended. */
  readonly mustHaveEnded: boolean
}

export function checkGroups(log: ReadLog, { mustHaveEnded }: GroupExpectations): Violation[] {
  const violations: Violation[] = []
  const groups = new Map<string, GroupReplay>()
  for (const { stored, commit } of commitsOf(log, 'group')) {
    let group = groups.get(commit.id)
    if (group === undefined) groups.set(commit.id, (group = new GroupReplay()))
    commit.events.forEach((event, index) => {
      group.apply(event as GroupEvent, commit.revision + index, (rule, what) => {
        violations.push({ rule, what: `group ${commit.id} r${commit.revision + index}: ${what}`, position: stored.message.position })
      })
    })
  }
  if (!mustHaveEnded) return violations
  for (const [id, group] of groups) {
    if (!group.ended) violations.push({ rule: 'I3', what: `group ${id} has not ended: ${group.phase}${group.blocked ? ', blocked' : ''}, job ${group.head} is next`, position: undefined })
  }
  return violations
}
