/** I7, P27: whoever decides under an epoch was elected to it in the log before; a lane takes no command of an epoch older than it has seen. */
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

export function checkLeadership(log: ReadLog): Violation[] {
  const violations: Violation[] = []
  /** By epoch. */
  const elections = new Map<number, { readonly agent: string; readonly position: number }>()
  for (const { stored, commit } of commitsOf(log, 'realm')) {
    commit.events.forEach((event, index) => {
      if (event.type !== 'LeaderElected') return
      elections.set(commit.revision + index, { agent: (event.data as { readonly agent: string }).agent, position: stored.message.position })
    })
  }
  const latest = new Map<string, number>()
  for (const { message, turn, lane } of log.turns) {
    const { position } = message
    for (const { aggregate, id, revision, epoch, actor } of turn.commits) {
      if (epoch === undefined) continue
      const say = (rule: string, what: string) => violations.push({ rule, what: `${aggregate} ${id} r${revision} under epoch ${epoch}: ${what}`, position })
      const election = elections.get(epoch)
      if (election === undefined) say('I7', 'nobody was elected to it')
      else if (election.position > position) say('I7', `its election stands at ${election.position}`)
      // A lane is taken by whom the leader's mapping names, under the leader's epoch.
      else if (aggregate !== 'lane' && actor !== `agent:${election.agent}`) say('I7', `${actor} asked, ${election.agent} was elected to it`)
      if (lane === undefined || aggregate === 'lane') continue
      const seen = latest.get(lane) ?? 0
      if (epoch < seen) say('I7/P27', `the lane had taken a command of epoch ${seen} before`)
      latest.set(lane, Math.max(seen, epoch))
    }
  }
  return violations
}
