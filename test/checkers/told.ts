/** I8, P3, P4: what somebody was told is what the log holds. Usable where a test kept what it was answered. */
import type { GroupEvent } from '../../machines/execution-group/events.ts'
import type { GrantRef, LaneCommand, LaneCommandAnswer, OutcomeReport } from '../../streams/lane-protocol.ts'
import { GroupReplay } from './group-replay.ts'
import { type ReadLog, commitsOf } from './read.ts'
import type { Violation } from './violation.ts'

export interface ToldFacts {
  readonly commands: readonly {
    readonly lane: string
    readonly command: LaneCommand
    readonly answer: Exclude<LaneCommandAnswer, { kind: 'not-the-holder' }>
    /** Last position of the log when the attempt was sent, and when its answer was heard. */
    readonly sentAt: number
    readonly heardAt: number
  }[]
  /** Reports of which an executor was told that they are settled. */
  readonly outcomes: readonly {
    readonly agent: string
    readonly lane: string
    readonly outcomes: readonly OutcomeReport[]
    readonly stopped: readonly GrantRef[]
    readonly heardAt: number
  }[]
}

export function checkTold(log: ReadLog, told: ToldFacts): Violation[] {
  return [...checkCommands(log, told.commands), ...checkOutcomes(log, told.outcomes)]
}

function checkCommands(log: ReadLog, commands: ToldFacts['commands']): Violation[] {
  const violations: Violation[] = []
  const byPosition = new Map(log.turns.map((stored) => [stored.message.position, stored]))
  const facts = groupFacts(log)
  for (const { lane, command, answer, sentAt, heardAt } of commands) {
    const { group, body } = command
    const say = (rule: string, what: string) => violations.push({ rule, what: `${body.kind} of ${group} (command ${command.command}): ${what}`, position: undefined })
    const firstAt = (fact: string) => facts.get(`${group} ${fact}`) ?? Infinity
    if (answer.kind === 'refused') {
      if (answer.code === 'unknown-group' && firstAt('GroupOpened') <= sentAt) say('I4/P4', `was answered "${answer.text}", but the group had been in the log since ${firstAt('GroupOpened')}`)
      continue
    }
    const stored = byPosition.get(answer.position)
    if (answer.known !== true) {
      if (stored === undefined || stored.lane !== lane) say('I8/P3', `was answered "done at ${answer.position}", where no turn of ${lane} stands`)
      else if (stored.turn.number !== answer.number) say('I8/P3', `was answered lane number ${answer.number}, at ${answer.position} stands ${stored.turn.number}`)
      if (answer.position > heardAt) say('I8/P3', `was answered "done at ${answer.position}" when the log ended at ${heardAt}`)
    }
    const wanted = factOf(command)
    if (wanted !== undefined && firstAt(wanted) > heardAt) say('I8/P3', `was answered "done", but ${wanted} was not in the log by ${heardAt}`)
  }
  return violations
}

function factOf({ body, command }: LaneCommand): string | undefined {
  switch (body.kind) {
    case 'open':
      return 'GroupOpened'
    case 'add':
      return `JobsAdded${body.part}`
    case 'seal':
      return 'GroupSealed'
    case 'retry':
    case 'resolve':
      return `command ${command}`
    default:
      return undefined
  }
}

function groupFacts(log: ReadLog): Map<string, number> {
  const facts = new Map<string, number>()
  for (const { stored, commit } of commitsOf(log, 'group')) {
    const note = (fact: string) => {
      const key = `${commit.id} ${fact}`
      if (!facts.has(key)) facts.set(key, stored.message.position)
    }
    if (commit.command !== undefined) note(`command ${commit.command}`)
    for (const event of commit.events) note(event.type === 'JobsAdded' ? `JobsAdded${(event.data as { readonly part: number }).part}` : event.type)
  }
  return facts
}

/** An outcome that counts is in the log before its executor forgets it; a grant given back is closed. */
function checkOutcomes(log: ReadLog, told: ToldFacts['outcomes']): Violation[] {
  const violations: Violation[] = []
  const replays = new Map<string, GroupReplay>()
  const commits = [...commitsOf(log, 'group')]
  let next = 0
  for (const { agent, outcomes, stopped, heardAt } of [...told].sort((left, right) => left.heardAt - right.heardAt)) {
    for (; next < commits.length && commits[next]!.stored.message.position <= heardAt; next++) {
      const { commit } = commits[next]!
      let group = replays.get(commit.id)
      if (group === undefined) replays.set(commit.id, (group = new GroupReplay()))
      commit.events.forEach((event, index) => group.apply(event as GroupEvent, commit.revision + index, () => {}))
    }
    const say = (what: string) => violations.push({ rule: 'I8/P3', what: `${agent} was told at ${heardAt} that it may forget ${what}`, position: heardAt })
    for (const { group: id, grant, job, outcome } of outcomes) {
      const group = replays.get(id)
      if (group === undefined || group.ended) continue
      if (group.openGrant(grant)?.left.includes(job) === true) say(`job ${job} of ${id} ${outcome.kind} by grant ${grant}, which is open and waits for it`)
      // P24: it would have settled the job.
      if (group.takesLate(job, grant) && outcome.kind !== 'unknown') say(`job ${job} of ${id} ${outcome.kind} by grant ${grant}, the job's last one, and nothing has settled it (P24)`)
    }
    for (const { group: id, grant } of stopped) {
      if (replays.get(id)?.openGrant(grant) !== undefined) say(`that it gave back grant ${grant} of ${id}, which is open`)
    }
  }
  return violations
}
