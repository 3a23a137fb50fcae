/** Opening an execution group in parts (P14). */
import { counted } from '../../counted.ts'
import { type Decision, happened, nothing, refused } from '../../decision.ts'
import type { GroupAgents, GroupEvent, GroupMode, GroupOrder, GroupTerms, JobSpec } from '../events.ts'
import { cycleOf, strayPredicate } from '../graph.ts'
import { afterLimit, isPriority, partLimitBytes, sizeBytes, textLimitBytes } from '../limits.ts'
import { groupTable } from '../machine.ts'
import type { GroupState } from '../state.ts'

/**
 * The version of `decide` that a new group is opened with; older groups keep theirs. 2 is that of groups with terms that format 1
 * does not know, so that a group without them is opened as ever.
 */
export function decisionVersionOf(order: GroupOrder, terms: GroupTerms): 1 | 2 {
  return order === 'strict' && Object.keys(terms).length === 0 ? 1 : 2
}
export { partLimitBytes } from '../limits.ts'
export const jobLimit = 1_000_000

export interface OpenGroup extends GroupTerms {
  readonly name: string
  readonly jobs: number
  readonly parts: number
  readonly plan: string
  readonly window: number
  readonly region: string
  readonly distributionFactor: number
  /** Default `jobs`. */
  readonly mode?: GroupMode
  /** Default `strict`. */
  readonly order?: GroupOrder
}

const orders: ReadonlySet<GroupOrder> = new Set(['strict', 'graph', 'none'])
const modes: ReadonlySet<GroupMode> = new Set(['direct', 'jobs', 'sync'])
const roles: ReadonlySet<GroupAgents> = new Set(['skilled', 'generic'])
const policies: ReadonlySet<NonNullable<GroupTerms['onFailure']>> = new Set(['continue', 'compensate'])

export function openGroup(state: GroupState, command: OpenGroup): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'GroupOpened')) {
    if (state.phase === 'abandoned') return refused('wrong-state', abandoned(state))
    return state.plan === command.plan
      ? nothing('opened already')
      : refused('other-plan', `group ${state.group} was opened with another plan; ask again with a new command id`)
  }
  if (!wholeNumber(command.jobs, 1, jobLimit)) return refused('malformed', `a group holds 1 to ${jobLimit} jobs, not ${command.jobs}`)
  if (!wholeNumber(command.parts, 1, command.jobs)) return refused('malformed', `${counted(command.parts, 'part')} for ${counted(command.jobs, 'job')} make no sense`)
  if (!wholeNumber(command.window, 1, 1_000)) return refused('malformed', `window ${command.window}: give a whole number from 1 to 1000`)
  if (!wholeNumber(command.distributionFactor, 1, 100)) {
    return refused('malformed', `distribution factor ${command.distributionFactor}: give a whole percentage from 1 to 100`)
  }
  const mode = command.mode ?? 'jobs'
  if (mode === 'direct' && command.jobs !== 1) return refused('malformed', `a group of mode direct holds one job, not ${command.jobs}`)
  const { order = 'strict' } = command
  const terms = termsOf(command)
  // What is written stays for ever: an order or a policy that this build does not know would be none in every replay.
  if (!orders.has(order) || !modes.has(mode) || !(terms.agents === undefined || roles.has(terms.agents)) || !(terms.onFailure === undefined || policies.has(terms.onFailure))) {
    return refused('malformed', `order ${order}, mode ${mode}, agents ${terms.agents ?? 'any'}, on failure ${terms.onFailure ?? 'stop'}: one of these is unknown to this build; use a newer one`)
  }
  if (order === 'graph' && command.window !== 1) return refused('malformed', `window ${command.window} needs order strict: with a graph of predicates each job is granted by itself`)
  if (order === 'none' && terms.onFailure === 'compensate') return refused('malformed', 'a group without order cannot undo in reverse order what succeeded: give it an order, or let it stop or continue on failure')
  if (mode === 'direct' && (order !== 'strict' || terms.agents !== undefined)) {
    return refused('malformed', 'a group of mode direct is carried out by the service itself: neither an order of its jobs nor agents of one role belong to it')
  }
  if (terms.priority !== undefined && !isPriority(terms.priority)) return refused('malformed', `priority ${terms.priority}: give a whole number from -100 to 100`)
  if (sizeBytes(command.name) > textLimitBytes) return refused('too-large', `a group's name takes at most ${textLimitBytes} bytes; give a shorter one`)
  return happened({
    type: 'GroupOpened',
    data: {
      name: command.name,
      decision: decisionVersionOf(order, terms),
      jobs: command.jobs,
      parts: command.parts,
      plan: command.plan,
      order,
      mode,
      window: command.window,
      region: command.region,
      distributionFactor: command.distributionFactor,
      ...terms,
    },
  })
}

/** Only what is not as in format 1. */
function termsOf({ priority = 0, agents, onFailure, trigger }: OpenGroup): GroupTerms {
  return {
    ...(priority === 0 ? {} : { priority }),
    ...(agents === undefined ? {} : { agents }),
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(trigger === undefined ? {} : { trigger }),
  }
}

export interface AddJobs {
  readonly plan: string
  readonly part: number
  readonly jobs: readonly JobSpec[]
}

export function addJobs(state: GroupState, command: AddJobs): Decision<GroupEvent> {
  if (state.plan !== command.plan) {
    return refused('other-plan', `group ${state.group} was opened with another plan; ask again with a new command id`)
  }
  if (command.part <= state.partsAdded) return nothing(`part ${command.part} was added already`)
  if (!groupTable.can(state.phase, 'JobsAdded')) return refused('wrong-state', `group ${state.group} is ${state.phase}: no jobs can be added`)
  if (command.part !== state.partsAdded + 1 || command.part > state.partsAnnounced) {
    return refused('part-out-of-order', `group ${state.group} waits for part ${state.partsAdded + 1} of ${state.partsAnnounced}, not ${command.part}`)
  }
  if (command.jobs.length < 1 || state.jobsAdded + command.jobs.length > state.jobsAnnounced) {
    return refused('malformed', `part ${command.part} of group ${state.group} brings ${counted(command.jobs.length, 'job')}; ${counted(state.jobsAnnounced - state.jobsAdded, 'job')} of it ${state.jobsAnnounced - state.jobsAdded === 1 ? 'is' : 'are'} missing`)
  }
  const window = state.window
  if (window > 1 && command.jobs.some((job) => !job.repeatable)) {
    return refused('malformed', `group ${state.group} has a window of ${window}, which only repeatable jobs may have`)
  }
  const problem = problemOf(state, command.jobs)
  if (problem !== undefined) return refused('malformed', problem)
  if (sizeBytes(command.jobs) > partLimitBytes) {
    return refused('too-large', `part ${command.part} of group ${state.group} takes more than ${partLimitBytes} bytes; cut the plan into smaller parts`)
  }
  return happened({ type: 'JobsAdded', data: { part: command.part, jobs: command.jobs } })
}

/** One line about predicates and compensations that do not fit the group. */
function problemOf(state: GroupState, jobs: readonly JobSpec[]): string | undefined {
  const first = state.jobsAdded + 1
  if (state.order !== 'graph' && jobs.some((job) => job.after !== undefined)) return `group ${state.group} is of order ${state.order}: its jobs have no predicates of their own`
  if (state.onFailure !== 'compensate' && jobs.some((job) => job.compensate !== undefined)) return `group ${state.group} does not compensate: its jobs must not say how`
  const many = jobs.findIndex((job) => (job.after?.length ?? 0) > afterLimit)
  if (many >= 0) return `job ${first + many} of group ${state.group} names more than ${afterLimit} runs of predicates`
  const stray = strayPredicate(jobs, first, state.jobsAnnounced)
  return stray === undefined ? undefined : `job ${stray.job} of group ${state.group} cannot wait for ${stray.after.join(' to ')}: a job waits for other jobs, from 1 to ${state.jobsAnnounced}`
}

/** One line that names the jobs that wait for one another; undefined where there are none. */
export function cycleText(specs: readonly Pick<JobSpec, 'after'>[], nameOf: (job: number) => string = (job) => `job ${job}`): string | undefined {
  const cycle = cycleOf(specs)
  if (cycle === undefined) return undefined
  const shown = cycle.length > namedInCycle ? [...cycle.slice(0, namedInCycle).map(nameOf), `… (${counted(cycle.length, 'job')})`] : cycle.map(nameOf)
  return `the predicates are cyclic: ${[...shown, nameOf(cycle[0]!)].join(' waits for ')}`
}

const namedInCycle = 8

export function sealGroup(state: GroupState, plan: string): Decision<GroupEvent> {
  if (state.plan !== plan) {
    return refused('other-plan', `group ${state.group} was opened with another plan; ask again with a new command id`)
  }
  if (!groupTable.can(state.phase, 'GroupSealed')) {
    return state.phase === 'abandoned'
      ? refused('wrong-state', abandoned(state))
      : nothing('sealed already')
  }
  if (state.partsAdded !== state.partsAnnounced || state.jobsAdded !== state.jobsAnnounced) {
    return refused('part-out-of-order', `group ${state.group} waits for part ${state.partsAdded + 1} of ${state.partsAnnounced}`)
  }
  const cycle = state.order === 'graph' ? cycleText(state.specs) : undefined
  if (cycle !== undefined) return refused('malformed', `group ${state.group} cannot be sealed: ${cycle}`)
  return happened({ type: 'GroupSealed', data: {} })
}

/** By the holder, when no new part came for `openDeadlineMs`. */
export function abandonGroup(state: GroupState): Decision<GroupEvent> {
  if (!groupTable.can(state.phase, 'GroupAbandoned')) return nothing(`group ${state.group} is ${state.phase}`)
  return happened({ type: 'GroupAbandoned', data: { reason: 'deadline' } })
}

function abandoned(state: GroupState): string {
  return `group ${state.group} was abandoned before all its parts had come; ask again with a new command id`
}

function wholeNumber(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
