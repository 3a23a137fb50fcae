/**
 * An execution group as the checkers see it: replayed from its events by a second hand, deliberately without the product's own
 * fold. Says what breaks I1, I2 or I3 and goes on.
 */
import type { GroupEvent, JobSpec, Run } from '../../machines/execution-group/events.ts'

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
  phase: 'opening' | 'sealed' | 'cancelling' | 'completed' | 'compensated' | 'cancelled' | 'abandoned' | 'absent' = 'absent'
  blocked = false
  paused = false
  sealed = false
  order: 'strict' | 'graph' | 'none' = 'strict'
  onFailure: 'stop' | 'continue' | 'compensate' = 'stop'
  /** Undoing what succeeded: strict, and a failure stops it, whatever the group did before. */
  compensating = false
  /** By number − 1. */
  readonly specs: JobSpec[] = []
  /** What a compensation would undo, the first success first. */
  undoable: number[] = []
  announced = 0
  jobs = 0
  parts = 0
  /** Numbers in execution order, those that were replaced or cancelled left out. */
  queue: number[] = []
  /** The job that stands where each was added, retries in place of what they retry: what the predicates of a graph name. */
  places: number[] = []
  readonly ends = new Map<number, JobEnd>()
  /** The same jobs, in the order in which they ended. */
  readonly endedInOrder: number[] = []
  readonly unknown = new Set<number>()
  readonly retryOf = new Map<number, number>()
  grant: OpenGrant | undefined
  /** The last one that was closed with jobs left. */
  lastGrant: OpenGrant | undefined
  /** Without order, in place of both: the open grants by revision, the one that holds each job, and the last one that each job had. */
  readonly open = new Map<number, OpenGrant>()
  readonly #heldBy = new Map<number, number>()
  readonly #lastOf = new Map<number, number>()
  revision = 0

  get ended(): boolean {
    return this.phase === 'completed' || this.phase === 'compensated' || this.phase === 'cancelled' || this.phase === 'abandoned'
  }

  /** Everything of the queue before it has ended: a group of 50,000 jobs is not walked again at each event. */
  #headAt = 0

  /** A graph has none: any job whose predicates are settled may be next; without order any job. */
  get head(): number | undefined {
    if (this.isGraph || this.isUnordered) return undefined
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
        this.order = event.data.order
        this.onFailure = event.data.onFailure ?? 'stop'
        return
      case 'JobsAdded':
        if (event.data.part !== this.parts + 1) broken('I3', `part ${event.data.part} after ${this.parts} (P14)`)
        this.parts = event.data.part
        this.jobs += event.data.jobs.length
        this.specs.push(...event.data.jobs)
        return
      case 'GroupSealed':
        if (this.jobs !== this.announced) broken('I3', `sealed with ${this.jobs} of ${this.announced} jobs (P14)`)
        this.phase = 'sealed'
        this.sealed = true
        this.queue = Array.from({ length: this.jobs }, (_, index) => index + 1)
        this.places = [...this.queue]
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
        if (this.openGrant(event.data.grant) === undefined) broken('I1', `grant ${event.data.grant} is returned, ${this.grant?.revision ?? 'none'} is open`)
        this.#close(event.data.grant)
        return
      case 'JobSucceeded':
        this.#settle(event.data.job, event.data.grant, 'succeeded', broken)
        if (event.data.already !== true) this.#remember(event.data.job)
        return
      case 'JobFailed':
        this.#settle(event.data.job, event.data.grant, 'failed', broken)
        this.#close(event.data.grant)
        this.#left(event.data.job, 'failed')
        return
      case 'JobUnknown':
        if (this.openGrant(event.data.grant)?.left[0] !== event.data.job) broken('I2', `job ${event.data.job} became unknown out of order`)
        this.unknown.add(event.data.job)
        this.#close(event.data.grant)
        return
      case 'JobResolved':
        if (!this.unknown.has(event.data.job)) broken('I3', `job ${event.data.job} is resolved, but was not unknown`)
        this.#end(event.data.job, event.data.as, broken)
        this.#left(event.data.job, event.data.as)
        if (event.data.as === 'succeeded') this.#remember(event.data.job)
        return
      case 'JobRetried': {
        const { job, retryOf } = event.data
        if (this.ends.get(retryOf) !== 'failed') broken('I3', `job ${retryOf} is retried, but is ${this.ends.get(retryOf) ?? 'not ended'}`)
        if (job !== this.jobs + 1) broken('I3', `retry ${job} after ${this.jobs} jobs (P16)`)
        this.jobs = job
        this.retryOf.set(job, retryOf)
        this.specs.push(this.specs[retryOf - 1]!)
        this.queue[this.queue.indexOf(retryOf)] = job
        if (this.places.includes(retryOf)) this.places[this.places.indexOf(retryOf)] = job
        this.#headAt = 0
        return
      }
      case 'JobsCancelled':
        for (const job of numbersOf(event.data.jobs)) {
          // Of a graph a run says where the pending jobs lie (P16).
          if (this.isGraph && (!this.queue.includes(job) || this.ends.has(job) || this.grant?.left.includes(job) === true)) continue
          if (this.isUnordered && (this.ends.has(job) || this.#heldBy.has(job))) continue
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
        if (this.isUnordered && this.#stops()) broken('I2', 'unblocked while a job stops it')
        this.blocked = false
        return
      case 'GroupCancelRequested':
        this.phase = 'cancelling'
        return
      case 'GroupCancelled':
        this.#over('cancelled', broken)
        return
      case 'GroupCompleted':
        if (this.compensating) broken('I3', 'completed while it undid what it had done')
        if (this.queue.some((job) => this.ends.get(job) !== 'succeeded' && !this.#isSettled(job))) broken('I3', 'completed with jobs that did not succeed')
        this.#over('completed', broken)
        return
      case 'GroupPaused':
        if (this.paused) broken('I1', 'paused twice')
        this.paused = true
        // What still stops it when it is resumed blocks it anew.
        this.blocked = false
        return
      case 'GroupResumed':
        if (!this.paused) broken('I1', 'resumed, but was not paused')
        this.paused = false
        return
      case 'GroupPrioritized':
        return
      case 'CompensationBegun':
        return this.#compensate(event.data.job, event.data.of, broken)
      case 'GroupCompensated':
        if (!this.compensating) broken('I3', 'compensated without having begun to')
        if (this.queue.some((job) => job > this.announced && this.ends.get(job) !== 'succeeded')) broken('I3', 'compensated with jobs that did not succeed')
        this.#over('compensated', broken)
        return
      default:
        broken('I6', `unknown event ${(event as { readonly type: string }).type}`)
    }
  }

  get isUnordered(): boolean {
    return this.order === 'none'
  }

  openGrant(revision: number): OpenGrant | undefined {
    if (this.isUnordered) return this.open.get(revision)
    return this.grant?.revision === revision ? this.grant : undefined
  }

  /** P24: an outcome of this grant, which is not open, would settle the job. */
  takesLate(job: number, grant: number): boolean {
    if (this.isUnordered) return this.#lastOf.get(job) === grant && !this.#heldBy.has(job) && !this.ends.has(job)
    return this.grant === undefined && this.lastGrant?.revision === grant && this.lastGrant.left[0] === job && (this.isGraph || this.head === job)
  }

  #stops(): boolean {
    return this.unknown.size > 0 || (this.onFailure === 'stop' && this.queue.some((job) => this.ends.get(job) === 'failed'))
  }

  /** P22: the job that it goes back to over its retries. */
  chainOf(job: number): number {
    let first = job
    for (let before = this.retryOf.get(first); before !== undefined; before = this.retryOf.get(first)) first = before
    return first
  }

  get isGraph(): boolean {
    return this.order === 'graph' && !this.compensating
  }

  /** I2: what counts for those that wait for it. */
  #isSettled(job: number): boolean {
    const end = this.ends.get(job)
    return end === 'succeeded' || (end === 'failed' && this.onFailure === 'continue')
  }

  #remember(job: number): void {
    if (!this.compensating && this.specs[job - 1]?.compensate !== undefined) this.undoable.push(job)
  }

  #compensate(job: number, of: readonly Run[], broken: Broken): void {
    if (this.onFailure !== 'compensate' || this.compensating) broken('I3', `begins to undo, which ${this.compensating ? 'it did already' : 'it was not opened for'}`)
    if (this.ends.get(job) !== 'failed') broken('I3', `begins to undo because of job ${job}, which is ${this.ends.get(job) ?? 'not ended'}`)
    if (this.grant !== undefined) broken('I1', `begins to undo while grant ${this.grant.revision} is open`)
    for (const waiting of this.queue) if (!this.ends.has(waiting)) broken('I3', `begins to undo while job ${waiting} waits`)
    const named = new Set(of.flatMap(([high, low]) => numbersOf([[low, high]])))
    const undone = this.undoable.filter((done) => named.has(done)).reverse()
    if (undone.length !== this.undoable.length) broken('I3', `of ${this.undoable.length} jobs that can be undone ${undone.length} are named`)
    this.compensating = true
    this.blocked = false
    for (const done of undone) {
      const { site, service, compensate, repeatable, skill } = this.specs[done - 1]!
      this.jobs += 1
      this.queue.push(this.jobs)
      this.specs.push({ site, service, operation: compensate!, repeatable, ...(skill === undefined ? {} : { skill }) })
    }
  }

  /** Jobs that had to be settled before it, of those that stand in the queue now; a retry counts from its own place. */
  predecessors(job: number): number[] {
    if (this.isUnordered) return []
    if (this.order === 'graph' && this.places.includes(job)) return this.#predicates(job).filter((other) => other < job)
    const place = this.queue.indexOf(job)
    return place < 0 ? [] : this.queue.slice(0, place).filter((other) => other < job && (this.order === 'strict' || other > this.announced))
  }

  #predicates(job: number): number[] {
    return numbersOf(this.specs[job - 1]?.after ?? []).map((before) => this.places[before - 1]!)
  }

  /** The jobs that stand in the places that it waits for, and are not settled. */
  #unsettledBefore(job: number): number[] {
    return this.#predicates(job).filter((before) => !this.#isSettled(before))
  }

  #over(phase: 'cancelled' | 'completed' | 'compensated', broken: Broken): void {
    if (this.grant !== undefined) broken('I1', `${phase} while grant ${this.grant.revision} is open`)
    if (this.open.size > 0) broken('I1', `${phase} while grants ${[...this.open.keys()].join()} are open`)
    for (let job = 1; job <= this.jobs; job++) if (!this.ends.has(job)) broken('I3', `${phase} while job ${job} has no terminal event`)
    this.phase = phase
  }

  #grant(runs: readonly Run[], instance: string, revision: number, broken: Broken): void {
    const jobs = numbersOf(runs)
    if (this.grant !== undefined) broken('I1', `grant ${revision} while grant ${this.grant.revision} is open`)
    if (this.phase !== 'sealed' || this.blocked) broken('I2', `grant ${revision} while the group is ${this.blocked ? 'blocked' : this.phase}`)
    if (this.paused) broken('I2', `grant ${revision} while the group is paused`)
    if (this.isUnordered) return this.#grantUnordered(jobs, instance, revision, broken)
    const next = this.isGraph ? jobs.filter((job) => this.queue.includes(job) && !this.ends.has(job) && this.#unsettledBefore(job).length === 0) : this.#next(jobs.length)
    if (jobs.length === 0 || next.join() !== jobs.join()) broken('I2', `grant ${revision} of jobs ${jobs.join()}, whose turn is ${next.join()}`)
    if (jobs.some((job) => this.unknown.has(job))) broken('I2', `grant ${revision} of a job whose outcome is not known`)
    this.grant = { revision, instance, jobs, left: [...jobs] }
    this.lastGrant = undefined
  }

  #grantUnordered(jobs: readonly number[], instance: string, revision: number, broken: Broken): void {
    if (jobs.length === 0) broken('I1', `grant ${revision} of no job`)
    for (const job of jobs) {
      const held = this.#heldBy.get(job)
      if (held !== undefined) broken('I1', `grant ${revision} of job ${job} while grant ${held} of it is open`)
      if (job < 1 || job > this.jobs || this.ends.has(job)) broken('I3', `grant ${revision} of job ${job}, which is ${this.ends.get(job) ?? 'none of the group'}`)
      if (this.unknown.has(job)) broken('I2', `grant ${revision} of job ${job}, whose outcome is not known`)
      this.#heldBy.set(job, revision)
      this.#lastOf.set(job, revision)
    }
    this.open.set(revision, { revision, instance, jobs, left: [...jobs] })
  }

  #settleUnordered(job: number, grant: number, end: JobEnd, broken: Broken): void {
    const open = this.open.get(grant)
    if (open === undefined) {
      if (!this.takesLate(job, grant)) broken('I4', `job ${job} ${end} by grant ${grant}, which is neither open nor the last one of the job (P24)`)
    } else {
      if (open.left[0] !== job) broken('I2', `job ${job} ${end} before job ${open.left[0]} of its grant`)
      open.left = open.left.filter((other) => other !== job)
      this.#heldBy.delete(job)
      if (open.left.length === 0) this.open.delete(grant)
    }
    this.#end(job, end, broken)
  }

  #settle(job: number, grant: number, end: JobEnd, broken: Broken): void {
    if (this.isUnordered) return this.#settleUnordered(job, grant, end, broken)
    const open = this.grant ?? this.lastGrant
    if (open?.revision !== grant) broken('I4', `job ${job} ${end} by grant ${grant}, which is ${this.grant === undefined ? 'not the last one' : 'not open'} (P24)`)
    else if (open.left[0] !== job) broken('I2', `job ${job} ${end} before job ${open.left[0]} of its grant`)
    if (!this.isGraph && this.head !== job) broken('I2', `job ${job} ${end} while job ${this.head} waits before it`)
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

  /** Of the grant that was closed last: nothing behind a failure was begun, so no truth about it can come late. */
  #left(job: number, end: 'succeeded' | 'failed'): void {
    if (end === 'failed') this.lastGrant = undefined
    else if (this.lastGrant !== undefined) this.lastGrant.left = this.lastGrant.left.filter((other) => other !== job)
  }

  #close(revision: number): void {
    if (this.isUnordered) {
      for (const job of this.open.get(revision)?.left ?? []) this.#heldBy.delete(job)
      this.open.delete(revision)
      return
    }
    if (this.grant === undefined) return
    this.lastGrant = this.grant
    this.grant = undefined
  }
}

export function numbersOf(runs: readonly Run[]): number[] {
  return runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index))
}
