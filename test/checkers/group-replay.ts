/**
 * An execution group as the checkers see it: replayed from its events by a second hand, deliberately without the product's own
 * fold. Says what breaks I1, I2 or I3 and goes on.
 */
import type { GroupEvent, Run } from '../../machines/execution-group/events.ts'

export type JobEnd = 'succeeded' | 'failed' | 'cancelled'

export interface OpenGrant {
  readonly revision: number
  readonly instance: string
  /** All of its jobs, in order. */
  readonly jobs: readonly number[]
  /** Those not settled. */
  left: number[]
}

export type Broken = (rule: string, what: string) => void

export class GroupReplay {
  phase: 'opening' | 'sealed' | 'cancelling' | 'completed' | 'cancelled' | 'abandoned' | 'absent' = 'absent'
  blocked = false
  sealed = false
  announced = 0
  jobs = 0
  parts = 0
  /** Numbers in execution order, those that were replaced or cancelled left out. */
  queue: number[] = []
  readonly ends = new Map<number, JobEnd>()
  /** The same jobs, in the order in which they ended. */
  readonly endedInOrder: number[] = []
  readonly unknown = new Set<number>()
  grant: OpenGrant | undefined
  /** The last one that was closed with jobs left. */
  lastGrant: OpenGrant | undefined
  revision = 0

  get ended(): boolean {
    return this.phase === 'completed' || this.phase === 'cancelled' || this.phase === 'abandoned'
  }

  /** Everything of the queue before it has ended: a group of 50,000 jobs is not walked again at each event. */
  #headAt = 0

  get head(): number | undefined {
    while (this.#headAt < this.queue.length && this.ends.has(this.queue[this.#headAt]!)) this.#headAt += 1
    return this.queue[this.#headAt]
  }

  /** The next jobs of the queue that have not ended, at most so many. */
  #next(count: number): number[] {
    const jobs: number[] = []
    if (this.head === undefined) return jobs
    for (let at = this.#headAt; at < this.queue.length && jobs.length < count; at++) if (!this.ends.has(this.queue[at]!)) jobs.push(this.queue[at]!)
    return jobs
  }

  apply(event: GroupEvent, revision: number, broken: Broken): void {
    this.revision = revision
    if (this.ended) broken('I3', `${event.type} after it had ended as ${this.phase}`)
    switch (event.type) {
      case 'GroupOpened':
        if (this.phase !== 'absent') broken('I3', 'opened twice')
        this.phase = 'opening'
        this.announced = event.data.jobs
        return
      case 'JobsAdded':
        if (event.data.part !== this.parts + 1) broken('I3', `part ${event.data.part} after ${this.parts} (P14)`)
        this.parts = event.data.part
        this.jobs += event.data.jobs.length
        return
      case 'GroupSealed':
        if (this.jobs !== this.announced) broken('I3', `sealed with ${this.jobs} of ${this.announced} jobs (P14)`)
        this.phase = 'sealed'
        this.sealed = true
        this.queue = Array.from({ length: this.jobs }, (_, index) => index + 1)
        return
      case 'GroupAbandoned':
        if (this.sealed) broken('I3', 'abandoned after it was sealed')
        this.phase = 'abandoned'
        return
      case 'JobsAssigned':
        return
      case 'LockGranted':
        return this.#grant(event.data.jobs, event.data.instance, revision, broken)
      case 'LockReturned':
        if (this.grant?.revision !== event.data.grant) broken('I1', `grant ${event.data.grant} is returned, ${this.grant?.revision ?? 'none'} is open`)
        this.#close()
        return
      case 'JobSucceeded':
        this.#settle(event.data.job, event.data.grant, 'succeeded', broken)
        return
      case 'JobFailed':
        this.#settle(event.data.job, event.data.grant, 'failed', broken)
        this.#close()
        return
      case 'JobUnknown':
        if (this.grant?.revision !== event.data.grant || this.grant.left[0] !== event.data.job) broken('I2', `job ${event.data.job} became unknown out of order`)
        this.unknown.add(event.data.job)
        this.#close()
        return
      case 'JobResolved':
        if (!this.unknown.has(event.data.job)) broken('I3', `job ${event.data.job} is resolved, but was not unknown`)
        this.#end(event.data.job, event.data.as, broken)
        return
      case 'JobRetried': {
        const { job, retryOf } = event.data
        if (this.ends.get(retryOf) !== 'failed') broken('I3', `job ${retryOf} is retried, but is ${this.ends.get(retryOf) ?? 'not ended'}`)
        if (job !== this.jobs + 1) broken('I3', `retry ${job} after ${this.jobs} jobs (P16)`)
        this.jobs = job
        this.queue[this.queue.indexOf(retryOf)] = job
        this.#headAt = 0
        return
      }
      case 'JobsCancelled':
        for (const job of numbersOf(event.data.jobs)) {
          if (this.grant?.left.includes(job) === true) broken('I3', `job ${job} is cancelled while it is granted (P25)`)
          this.#end(job, 'cancelled', broken)
        }
        this.queue = this.queue.filter((job) => this.ends.get(job) !== 'cancelled')
        this.#headAt = 0
        return
      case 'GroupBlocked':
        this.blocked = true
        return
      case 'GroupUnblocked':
        this.blocked = false
        return
      case 'GroupCancelRequested':
        this.phase = 'cancelling'
        return
      case 'GroupCancelled':
        this.#over('cancelled', broken)
        return
      case 'GroupCompleted':
        if (this.queue.some((job) => this.ends.get(job) !== 'succeeded')) broken('I3', 'completed with jobs that did not succeed')
        this.#over('completed', broken)
        return
      default:
        broken('I6', `unknown event ${(event as { readonly type: string }).type}`)
    }
  }

  #over(phase: 'cancelled' | 'completed', broken: Broken): void {
    if (this.grant !== undefined) broken('I1', `${phase} while grant ${this.grant.revision} is open`)
    for (let job = 1; job <= this.jobs; job++) if (!this.ends.has(job)) broken('I3', `${phase} while job ${job} has no terminal event`)
    this.phase = phase
  }

  #grant(runs: readonly Run[], instance: string, revision: number, broken: Broken): void {
    const jobs = numbersOf(runs)
    if (this.grant !== undefined) broken('I1', `grant ${revision} while grant ${this.grant.revision} is open`)
    if (this.phase !== 'sealed' || this.blocked) broken('I2', `grant ${revision} while the group is ${this.blocked ? 'blocked' : this.phase}`)
    const next = this.#next(jobs.length)
    if (jobs.length === 0 || next.join() !== jobs.join()) broken('I2', `grant ${revision} of jobs ${jobs.join()}, whose turn is ${next.join()}`)
    if (jobs.some((job) => this.unknown.has(job))) broken('I2', `grant ${revision} of a job whose outcome is not known`)
    this.grant = { revision, instance, jobs, left: [...jobs] }
    this.lastGrant = undefined
  }

  #settle(job: number, grant: number, end: JobEnd, broken: Broken): void {
    const open = this.grant ?? this.lastGrant
    if (open?.revision !== grant) broken('I4', `job ${job} ${end} by grant ${grant}, which is ${this.grant === undefined ? 'not the last one' : 'not open'} (P24)`)
    else if (open.left[0] !== job) broken('I2', `job ${job} ${end} before job ${open.left[0]} of its grant`)
    if (this.head !== job) broken('I2', `job ${job} ${end} while job ${this.head} waits before it`)
    if (open !== undefined) open.left = open.left.filter((other) => other !== job)
    this.#end(job, end, broken)
    if (this.grant?.left.length === 0) this.grant = undefined
  }

  #end(job: number, end: JobEnd, broken: Broken): void {
    const before = this.ends.get(job)
    if (before !== undefined) broken('I3', `job ${job} ${end}, and ${before} before`)
    else this.endedInOrder.push(job)
    this.ends.set(job, end)
    this.unknown.delete(job)
  }

  #close(): void {
    if (this.grant === undefined) return
    this.lastGrant = this.grant
    this.grant = undefined
  }
}

export function numbersOf(runs: readonly Run[]): number[] {
  return runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}
