/**
 * What an executor has to say to the holder of one lane, whoever that is (P6, P10): one list at a time, as state, again every
 * `reconcileMs`, at once when something is new or a holder announces itself. Where nothing is held, queued or unacknowledged on
 * either side, and the holder has said so to just that, every `restMs` is enough. Owns the outcomes that no holder has
 * acknowledged; they survive changes of holder, leader, connection and instance.
 *
 * Locks are asked for by credit, or by name (claim 9): then each round asks for the next job of every group in its queue, one after
 * another; where one is refused as too early, the next of its own queue is tried.
 */
import { cutReason, sizeBytes } from '../../machines/execution-group/limits.ts'
import type { GrantRef, GrantsMessage, OutcomeReport, QueuedJob, WorkAnswer, WorkRequest } from '../../streams/lane-protocol.ts'
import { outcomesInShort } from '../../streams/short-form.ts'
import type { LaneClient, NoAnswer } from '../lane/client.ts'
import { type Clock, type Repeating, every } from '../../streams/ports/clock.ts'
import { grantId } from './held-grant.ts'

/** P6. */
export const reconcileMs = 1_000
/** How often an executor at rest shows itself to each holder; below half of `executorSilenceMs` (src/lane/turn-builder.ts). */
export const restMs = 4_000
/** Ticks come a little early or late. */
const leastRestMs = restMs - reconcileMs / 2
/** Longest that one list waits for its answer; what it said is said again in the next. */
const answerWaitMs = 2_000
/** An exchange that has had no answer for so long is given up, whatever became of it: the next one starts (P6). */
const givenUpMs = answerWaitMs + reconcileMs

export interface LaneLinkOptions {
  readonly lane: string
  readonly agent: string
  readonly clock: Clock
  readonly client: LaneClient
  readonly incarnation: number
  readonly workHere: (lane: string, request: WorkRequest) => Promise<WorkAnswer> | undefined
  readonly instance: () => string
  /** Of this process before that one, the latest last. */
  readonly formerInstances: () => readonly string[]
  /** Grants of this lane to offer room for; 0 while nothing may be granted. */
  readonly capacity: () => number
  readonly held: () => GrantRef[]
  /** Asks for each job by name; absent: by credit. */
  readonly byName?: boolean
  readonly onGrants: (message: Pick<GrantsMessage, 'grants' | 'stops' | 'yields'>) => void
  readonly onSettled: () => void
}

export class LaneLink {
  readonly lane: string
  /** Unfinished groups with jobs in this executor's queue, as the holder said last. */
  queued = 0
  #outcomes: OutcomeReport[] = []
  #stopped: GrantRef[] = []
  #number = 0
  /** Counts exchanges; the answer to one that was given up is still true, but does not start the next. */
  #generation = 0
  #outstanding = false
  #dirty = true
  /** What the holder has answered leaves nothing to be done on either side. */
  #atRest = false
  /** As it has said of itself; who holds the lane after it may not. */
  #holderReadsShort = false
  #saidMs = -Infinity
  #saidCapacity = 0
  #offers = false
  /** By name: what is still to be asked for in this round; undefined before the holder has said what lies in its queue. */
  #round: QueuedJob[] | undefined
  #closed = false
  readonly #ticks: Repeating
  readonly #options: LaneLinkOptions

  constructor(options: LaneLinkOptions) {
    this.#options = options
    this.lane = options.lane
    this.#ticks = every(options.clock, reconcileMs, () => this.#tick())
    this.nudge()
  }

  /** Something is said that no holder has acknowledged. */
  get unsettled(): boolean {
    return this.#outcomes.length > 0 || this.#stopped.length > 0
  }

  /** Room was offered, and no holder has heard since that there is none, nor was it seen that nobody holds the lane: a grant may be on its way. */
  get offers(): boolean {
    return this.#offers
  }

  /** An outcome of it is not acknowledged yet. */
  reports(ref: GrantRef): boolean {
    return this.#outcomes.some((outcome) => isSame(outcome, ref))
  }

  /** Nobody has acknowledged yet that it was given back. */
  givesBack(ref: GrantRef): boolean {
    return this.#stopped.some((one) => isSame(one, ref))
  }

  report(outcomes: readonly OutcomeReport[], stopped?: GrantRef): void {
    for (const outcome of outcomes) this.#outcomes.push(withCutReason(outcome))
    if (stopped !== undefined && !this.givesBack(stopped)) this.#stopped.push(stopped)
    this.nudge()
  }

  /** The lane may come to another holder, whose announcement may be lost. */
  stir(): void {
    this.#atRest = false
  }

  nudge(): void {
    this.#dirty = true
    this.#round = undefined
    if (!this.#outstanding) void this.#exchange()
  }

  /** Whoever was asked before does not hold the lane any more: ask the new holder at once. */
  holderChanged(): void {
    this.#generation += 1
    this.#outstanding = false
    this.#holderReadsShort = false
    this.nudge()
  }

  close(): void {
    this.#closed = true
    this.#ticks.stop()
  }

  #tick(): void {
    const { clock, capacity, held } = this.#options
    const rests = this.#atRest && this.queued === 0 && !this.unsettled && capacity() === this.#saidCapacity && held().length === 0
    const sinceMs = clock.monotonicMs() - this.#saidMs
    // A holder in this very process that was replaced meanwhile drops what it had gathered, and answers nobody (P2).
    if (this.#outstanding && sinceMs >= givenUpMs) this.holderChanged()
    else if (!rests || sinceMs >= leastRestMs) this.nudge()
  }

  async #exchange(): Promise<void> {
    const generation = this.#generation
    this.#outstanding = true
    while (this.#dirty && !this.#closed) {
      // Jobs that end in the same moment go in the same list.
      await Promise.resolve()
      this.#dirty = false
      const { agent, client, clock, incarnation, workHere } = this.#options
      this.#atRest = false
      const { byName = false } = this.#options
      const held = this.#options.held()
      const capacity = this.#options.capacity()
      const former = this.#options.formerInstances()
      const fitting = fittingOf(this.#outcomes)
      const later = grantsOf(this.#outcomes, fitting)
      const asks = byName && held.length < capacity ? this.#round?.shift() : undefined
      const request: WorkRequest = {
        builtOn: { incarnation, number: this.#number },
        agent,
        instance: this.#options.instance(),
        capacity: byName ? 0 : capacity,
        // What is finished, and not said yet, would seem to be lost, and be sent again (P6).
        held: later.size === 0 ? held : [...held, ...later.values()],
        ...(asks === undefined ? {} : { asks }),
        ...(byName ? { byName } : {}),
        readsShort: true,
        ...(former.length === 0 ? {} : { former }),
        outcomes: this.#outcomes.slice(0, fitting),
        stopped: later.size === 0 ? this.#stopped.slice() : this.#stopped.filter((ref) => !later.has(grantId(ref))),
      }
      this.#saidMs = clock.monotonicMs()
      this.#saidCapacity = capacity
      const offers = request.capacity > 0 || asks !== undefined
      if (offers) this.#offers = true
      const answer: WorkAnswer | NoAnswer = await (workHere(this.lane, request) ?? client.work(this.lane, this.#holderReadsShort ? { ...request, outcomes: outcomesInShort(request.outcomes) } : request, answerWaitMs))
      if (this.#closed) return
      if (answer.kind === 'taken') this.#settle(request, answer)
      if (generation !== this.#generation) return
      if (!offers && (answer.kind === 'taken' || (answer.kind === 'no-answer' && answer.why === 'no-holder'))) this.#withdrawn()
      this.#holderReadsShort = answer.kind === 'taken' && answer.readsShort === true
    }
    this.#outstanding = false
  }

  #withdrawn(): void {
    if (!this.#offers) return
    this.#offers = false
    this.#options.onSettled()
  }

  #settle(request: WorkRequest, answer: Extract<WorkAnswer, { kind: 'taken' }>): void {
    if (request.outcomes.length > 0) this.#outcomes = without(this.#outcomes, request.outcomes)
    if (request.stopped.length > 0) this.#stopped = this.#stopped.filter((ref) => !request.stopped.includes(ref))
    if (this.#outcomes.length > 0) this.#dirty = true
    this.#number = Math.max(this.#number, answer.number)
    this.queued = answer.queued
    this.#atRest = answer.queued + answer.grants.length + answer.stops.length + request.held.length === 0
    this.#options.onGrants(answer)
    if (request.byName === true) {
      this.#round ??= [...(answer.queue ?? [])]
      if (this.#round.length > 0 && this.#options.held().length < this.#options.capacity()) this.#dirty = true
    }
    this.#options.onSettled()
  }
}

/** These bound the message; what is left goes in the next one. */
const outcomesPerList = 1_000
/** Far below the smallest `max_payload` in use (1 MiB). */
const outcomesLimitBytes = 256 * 1024
/** What a report takes beside its reason, generously. */
const reportBytes = 200

function isSame(one: GrantRef, other: GrantRef): boolean {
  return one.grant === other.grant && one.group === other.group
}

/** Both in the order in which they came: what is left out is nearly always the beginning. */
function without(outcomes: OutcomeReport[], settled: readonly OutcomeReport[]): OutcomeReport[] {
  const last = settled.length - 1
  if (outcomes[0] === settled[0] && outcomes[last] === settled[last]) return outcomes.length === settled.length ? [] : outcomes.slice(settled.length)
  const gone = new Set(settled)
  return outcomes.filter((outcome) => !gone.has(outcome))
}

/** Of the outcomes from this index on. Their locks are not given back before these are said: jobs that are finished would be granted anew. */
function grantsOf(outcomes: readonly OutcomeReport[], from: number): ReadonlyMap<string, GrantRef> {
  const grants = new Map<string, GrantRef>()
  let before: GrantRef | undefined
  for (let index = from; index < outcomes.length; index++) {
    const outcome = outcomes[index]!
    // Nearly always those of one grant stand together.
    if (before === undefined || !isSame(before, outcome)) grants.set(grantId(outcome), { group: outcome.group, grant: outcome.grant })
    before = outcome
  }
  return grants
}

/** How many of them, in their order, go in one list: one at least. */
function fittingOf(outcomes: readonly OutcomeReport[]): number {
  const most = Math.min(outcomes.length, outcomesPerList)
  let bytes = 0
  for (let count = 0; count < most; count++) {
    const { outcome } = outcomes[count]!
    bytes += outcome.kind === 'succeeded' ? reportBytes : reportBytes + sizeBytes(outcome)
    if (count > 0 && bytes > outcomesLimitBytes) return count
  }
  return most
}

/** An adapter's reason may be of any length; a holder puts no more than this on record. */
function withCutReason(report: OutcomeReport): OutcomeReport {
  const { outcome } = report
  if (outcome.kind === 'succeeded') return report
  const reason = cutReason(outcome.reason)
  return reason === outcome.reason ? report : { ...report, outcome: { ...outcome, reason } }
}
