/**
 * Why a job of a group was done, or was not: the chain of causes from the instruction to the write at the site, and what became of it,
 * over retries and lost grants. Every link is an event of the log but one: the call that a grant allows stands in no event; what the
 * site saw of it follows from the grant (P22), so that the site's own journal can be looked up by it.
 */
import type { Assignment, GroupEvent, JobSpec, Run } from '../../machines/execution-group/events.ts'
import type { Operation } from '../../machines/service/operation.ts'
import type { Cause } from '../../streams/envelope.ts'
import { decodeTurn } from '../../streams/codec.ts'
import { type Subjects, aggregatesWithSubject } from '../../streams/subjects.ts'
import { callIdentity } from '../executor/call-identity.ts'
import type { FencingToken } from '../sites/adapter.ts'
import type { ReadMessages } from './group.ts'
import { ReplayRefused } from './refused.ts'
import { groupFolding } from './group-history.ts'
import { type Recorded, recordedIn, recordedOfGroup } from './recorded.ts'

export interface EventLink extends Recorded {
  readonly kind: 'event'
  /** Of the chain of retries; null for what concerns the whole group. */
  readonly job: number | null
  /** Of a `LockGranted`: the job whose end came last of those that it had to wait for. */
  readonly enabledBy?: { readonly job: number; readonly position: number; readonly revision: number }
}

/** What a site is given with every call under a grant. */
export interface CallLink {
  readonly kind: 'call'
  readonly job: number
  readonly site: string
  readonly service: string
  readonly operation: Operation
  readonly agent: string
  readonly instance: string
  readonly token: FencingToken
  readonly idempotencyKey: string
  /** Type of the event that ended the grant for this job; null while it is open. */
  readonly endedBy: string | null
}

export type Link = EventLink | CallLink

export interface Why {
  readonly group: string
  readonly job: number
  /** The job that it goes back to, each retry after the one that it replaced, the job itself last. */
  readonly chain: readonly number[]
  /** The job that the first of the chain undoes (a compensation); null for one that was asked for. */
  readonly undoes: number | null
  /** The retry that replaced it since. */
  readonly retriedAs: number | null
  readonly links: readonly Link[]
  /** Causes that the log names and this source does not hold (a file of some lanes only). */
  readonly missing: readonly Cause[]
}

/** Causes of causes: longer chains do not exist. */
const deepest = 16

/** Throws `ReplayRefused`, `MalformedTurn`, and what the source throws. `until`: as in `replayGroup`. */
export async function whyJob(read: ReadMessages, subjects: Subjects, group: string, job: number, until?: number): Promise<Why> {
  const history: Recorded[] = []
  for await (const recorded of recordedOfGroup(read, subjects, group, until)) history.push(recorded)
  const family = familyOf(history)
  if (job < 1 || job > family.jobs) throw new ReplayRefused('unknown-job', `group ${group} has ${family.jobs === 0 ? 'no jobs yet' : `jobs 1 to ${family.jobs}`}, no ${job}`)
  const chain = family.chainOf(job)
  const { links, missing } = await originOf(read, subjects, history[0]!.cause, until)
  return {
    group,
    job,
    chain,
    undoes: family.undoes.get(chain[0]!) ?? null,
    retriedAs: [...family.retryOf].find(([, retryOf]) => retryOf === job)?.[0] ?? null,
    links: [...links, ...linksOf(history, group, chain, family)],
    missing,
  }
}

/** How the jobs of a group follow from one another. */
interface Family {
  /** How many there are, with retries and compensations. */
  readonly jobs: number
  readonly retryOf: ReadonlyMap<number, number>
  /** By number of the compensation. */
  readonly undoes: ReadonlyMap<number, number>
  readonly specs: readonly JobSpec[]
  /** From the first of its retries to the job itself. */
  chainOf(job: number): readonly number[]
}

function familyOf(history: readonly Recorded[]): Family {
  const folding = groupFolding(history[0]!.id)
  const state = folding.empty()
  const retryOf = new Map<number, number>()
  const undoes = new Map<number, number>()
  const specs: JobSpec[] = []
  for (const recorded of history) {
    const before = state.jobsAdded
    folding.fold(state, recorded)
    // The state drops them when the group has ended.
    for (let index = specs.length; index < state.specs.length; index++) specs.push(state.specs[index]!)
    const event = recorded.event as GroupEvent
    if (event.type === 'JobRetried') retryOf.set(event.data.job, event.data.retryOf)
    if (event.type === 'CompensationBegun' && state.jobsAdded > before) {
      let undo = before
      for (const [high, low] of event.data.of) for (let done = high; done >= low; done--) undoes.set((undo += 1), done)
    }
  }
  return {
    jobs: state.jobsAdded,
    retryOf,
    undoes,
    specs,
    chainOf(job) {
      const chain = [job]
      for (let first = retryOf.get(job); first !== undefined; first = retryOf.get(first)) chain.unshift(first)
      return chain
    },
  }
}

/** What led to the group, the first cause first. */
async function originOf(read: ReadMessages, subjects: Subjects, cause: Cause | undefined, until: number | undefined): Promise<{ readonly links: EventLink[]; readonly missing: Cause[] }> {
  const links: EventLink[] = []
  for (let depth = 0; cause !== undefined && depth < deepest; depth++) {
    const found: Recorded | undefined = await eventAt(read, subjects, cause, until)
    if (found === undefined) return { links, missing: [cause] }
    links.unshift({ kind: 'event', job: null, ...found })
    cause = found.cause
  }
  return { links, missing: [] }
}

async function eventAt(read: ReadMessages, subjects: Subjects, { aggregate, id, revision }: Cause, until: number | undefined): Promise<Recorded | undefined> {
  const own = aggregatesWithSubject.find((name) => name === aggregate)
  const same = ({ aggregate: kind, id: one }: { readonly aggregate: string; readonly id: string }) => kind === aggregate && one === id
  const history = own === undefined ? recordedOfGroup(read, subjects, id, until) : recordedOn(read, subjects.aggregate(own, id), same, until)
  try {
    for await (const recorded of history) if (recorded.revision === revision) return recorded
  } catch (error) {
    if (!(error instanceof ReplayRefused && (error.code === 'unknown-group' || error.code === 'archived'))) throw error
  }
  return undefined
}

async function* recordedOn(read: ReadMessages, subject: string, wanted: (commit: { readonly aggregate: string; readonly id: string }) => boolean, until: number | undefined) {
  for await (const batch of read({ subjects: [subject], from: 1, ...(until === undefined ? {} : { until }) })) {
    for (const { position, bytes } of batch) yield* recordedIn(position, decodeTurn(bytes), wanted)
  }
}

function linksOf(history: readonly Recorded[], group: string, chain: readonly number[], family: Family): readonly Link[] {
  const root = chain[0]!
  const spec = family.specs[root - 1]!
  const links: Link[] = []
  const jobs = new Set(chain)
  /** The job of the chain that stands in the queue just now. */
  let present = root
  let added = 0
  let open = true
  let opened: GroupOpened | undefined
  let settled: EventLink['enabledBy']
  let failure: Recorded | undefined
  let grant: { readonly revision: number; readonly call: number } | undefined

  const link = (recorded: Recorded, job: number | null, more: Partial<EventLink> = {}) => void links.push({ kind: 'event', job, ...recorded, ...more })
  const ended = (type: string) => {
    if (grant === undefined) return
    links[grant.call] = { ...(links[grant.call] as CallLink), endedBy: type }
    grant = undefined
  }
  /** A compensation runs in strict order, whatever the order of its group was. */
  const waitedFor = (job: number) => opened?.order === 'strict' || family.undoes.has(root) || within(spec.after ?? [], family.chainOf(job)[0]!)
  const settle = ({ position, revision }: Recorded, job: number, success: boolean) => {
    if ((success || opened?.onFailure === 'continue') && !jobs.has(job) && waitedFor(job)) settled = { job, position, revision }
  }

  for (const recorded of history) {
    const event = recorded.event as GroupEvent
    switch (event.type) {
      case 'GroupOpened':
        opened = event.data
        link(recorded, null)
        break
      case 'JobsAdded': {
        const index = root - added - 1
        added += event.data.jobs.length
        // Of the jobs of a part, only the one that is asked for.
        if (index >= 0 && index < event.data.jobs.length) link(recorded, root, { event: { type: event.type, data: { part: event.data.part, jobs: [spec] } } })
        break
      }
      case 'GroupSealed':
        link(recorded, null)
        break
      case 'JobsAssigned': {
        const mine = event.data.assignments.filter((one) => holds(one, present))
        if (mine.length > 0) link(recorded, present, { event: { type: event.type, data: { assignments: mine } } })
        break
      }
      case 'LockGranted': {
        if (!within(event.data.jobs, present)) break
        link(recorded, present, settled === undefined ? {} : { enabledBy: settled })
        const { agent, instance } = event.data
        const { site, service, operation } = spec
        grant = { revision: recorded.revision, call: links.length }
        links.push({ kind: 'call', job: present, site, service, operation, agent, instance, ...callIdentity(group, recorded.incarnation, recorded.revision, present, opened?.order === 'none' ? root : undefined), endedBy: null })
        break
      }
      case 'LockReturned':
        if (grant?.revision !== event.data.grant) break
        link(recorded, present)
        ended(event.type)
        break
      case 'JobSucceeded':
      case 'JobFailed':
      case 'JobUnknown': {
        const { job } = event.data
        if (event.type !== 'JobUnknown') settle(recorded, job, event.type === 'JobSucceeded')
        if (event.type === 'JobFailed') failure = recorded
        if (jobs.has(job)) {
          link(recorded, job)
          ended(event.type)
          open = event.type === 'JobUnknown'
        } else if (event.type !== 'JobSucceeded' && grant?.revision === event.data.grant) {
          // A job before it in the same grant did not succeed: that closes the grant (I2).
          link(recorded, present)
          ended(event.type)
        }
        break
      }
      case 'JobResolved':
        settle(recorded, event.data.job, event.data.as === 'succeeded')
        if (event.data.as === 'failed') failure = recorded
        if (jobs.has(event.data.job)) {
          link(recorded, event.data.job)
          open = false
        }
        break
      case 'CompensationBegun': {
        const undone = family.undoes.get(root)
        if (undone === undefined) break
        if (failure !== undefined) link(failure, event.data.job)
        // Of all that is undone, only the one that is asked for.
        link(recorded, root, { event: { type: event.type, data: { job: event.data.job, of: [[undone, undone]] } } })
        break
      }
      case 'JobRetried':
        if (jobs.has(event.data.job)) {
          present = event.data.job
          open = true
          link(recorded, present)
        }
        break
      case 'JobsCancelled':
        // A run may only say where the pending jobs lie (P16): one in flight is not cancelled.
        if (open && grant === undefined && within(event.data.jobs, present)) {
          link(recorded, present)
          open = false
        }
        break
      case 'GroupBlocked':
        if (jobs.has(event.data.job)) link(recorded, event.data.job)
        break
      default:
        // What concerns the group as a whole neither led to this job nor ended it.
        break
    }
  }
  return links
}

type GroupOpened = Extract<GroupEvent, { type: 'GroupOpened' }>['data']

function holds({ first, last }: Assignment, job: number): boolean {
  return first <= job && job <= last
}

function within(runs: readonly Run[], job: number): boolean {
  return runs.some(([first, last]) => first <= job && job <= last)
}
