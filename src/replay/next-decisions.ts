/**
 * What a group would record next, of each thing that may be asked of it or told it: so that two builds are compared by what they decide,
 * not only by what they keep. Part of the digests of a replay (docs/wire.md): what is asked here stays as it is within a version of those.
 */
import type { Decision } from '../../machines/decision.ts'
import { expireGrant, grantLock, handBack, takeOutcome } from '../../machines/execution-group/decide/locks.ts'
import { cancelGroup, pauseGroup, resolveUnknown, resumeGroup, retryFailed } from '../../machines/execution-group/decide/people.ts'
import type { GroupEvent, Reason } from '../../machines/execution-group/events.ts'
import { type GroupState, assigneeOf, headJob, unknownJob } from '../../machines/execution-group/state.ts'
import { nextOfGrant } from '../../machines/execution-group/unordered.ts'

const reason: Reason = { code: 'compared', text: 'compared' }
const asking = { instance: 'compared', credit: 1_000, callDeadlineMs: 1_000 }
/** Agents that are asked for; of a strict group only one can be granted anything. */
const agentsAsked = 4

type Recorded = readonly { readonly type: string; readonly data: unknown }[]

/** By what is asked; absent where nothing would be recorded. Changes nothing. `usual`: only what goes on all the time, which costs the same however large the group is. */
export function nextDecisions(state: GroupState, usual = false): Readonly<Record<string, Recorded>> {
  const next: Record<string, Recorded> = {}
  const ask = (what: string, decision: Decision<GroupEvent>) => {
    if (decision.kind === 'events') next[what] = decision.events.map(withoutWords)
  }
  const lock = lastLock(state)
  if (lock !== undefined) ask('ifSucceeded', takeOutcome(state, lock.grant, lock.job, { kind: 'succeeded' }))
  for (const agent of agentsOf(state)) ask(`ifAskedBy ${agent}`, grantLock(state, { agent, ...asking }))
  if (usual) return next
  if (lock !== undefined) {
    const { grant, job } = lock
    ask('ifFailed', takeOutcome(state, grant, job, { kind: 'failed', reason }))
    ask('ifUnknown', takeOutcome(state, grant, job, { kind: 'unknown', reason }))
    ask('ifHandedBack', handBack(state, grant))
    ask('ifLost', expireGrant(state, grant))
  }
  const unknown = unknownJob(state)
  if (unknown !== null) {
    ask('ifResolvedAsSucceeded', resolveUnknown(state, unknown.job, 'succeeded'))
    ask('ifResolvedAsFailed', resolveUnknown(state, unknown.job, 'failed'))
  }
  ask('ifRetried', retryFailed(state))
  ask('ifPaused', pauseGroup(state))
  ask('ifResumed', resumeGroup(state))
  ask('ifCancelled', cancelGroup(state))
  return next
}

/** The grant that was opened last, with the job whose outcome comes next; where none is open, the one that a late outcome may still name (P24). */
function lastLock(state: GroupState): { readonly grant: number; readonly job: number } | undefined {
  const open = state.unordered?.grants.at(-1)
  if (open !== undefined) return { grant: open.revision, job: nextOfGrant(open) }
  const late = state.unordered?.late.at(-1)
  if (late !== undefined) return late
  const grant = state.grant ?? state.lastGrant
  const job = headJob(state)
  return grant === null || job === undefined ? undefined : { grant: grant.revision, job }
}

function agentsOf(state: GroupState): Iterable<string> {
  if (state.graph !== null || state.unordered !== null) return new Set(state.assignments.slice(0, agentsAsked).map(({ agent }) => agent))
  const head = headJob(state)
  const agent = head === undefined ? undefined : assigneeOf(state, head)
  return agent === undefined ? [] : [agent]
}

/** The text of a reason is for people: another build may say the same otherwise. */
function withoutWords({ type, data }: GroupEvent): { readonly type: string; readonly data: unknown } {
  return 'reason' in data && typeof data.reason === 'object' ? { type, data: { ...data, reason: data.reason.code } } : { type, data }
}
