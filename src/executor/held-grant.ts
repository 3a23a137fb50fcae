/**
 * One grant that this executor holds: its jobs, run one after another at their site (I2, I9, P18, P23).
 */
import { effectOf } from '../../machines/service/operation.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { Outcome } from '../../machines/execution-group/decide/locks.ts'
import type { Service } from '../../machines/service/model.ts'
import type { GrantMessage, OutcomeReport } from '../../streams/lane-protocol.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Presence, SiteDirectory } from '../agent/context.ts'
import type { SiteConnection, SiteResult } from '../sites/adapter.ts'
import { callIdentity } from './call-identity.ts'

/** Calls are aborted at this part of their deadline, by this process's monotonic clock (P18). */
const callShare = 0.9
/** How often an executor whose presence is in doubt looks again. */
const presencePollMs = 50

export interface GrantEnvironment {
  readonly clock: Clock
  readonly presence: Presence
  readonly quarantined: () => boolean
  readonly sites: SiteDirectory
  readonly failpoint?: (name: ExecutorFailpoint) => Promise<void>
}

/** Where the simulation kills: before the site is touched, and after, before anybody knows. */
export type ExecutorFailpoint = 'call-before' | 'call-after'

export type GrantEnd =
  | { readonly kind: 'outcomes'; readonly outcomes: readonly OutcomeReport[] }
  /** No call of it runs, and none will (P19). Outcomes of jobs that were finished before are offered all the same. */
  | { readonly kind: 'stopped'; readonly outcomes: readonly OutcomeReport[] }

export class HeldGrant {
  readonly message: GrantMessage
  readonly lane: string
  #begun = false
  #stopped = false
  #aborted = false
  /** For waits, which are rare; most grants never need it. */
  #waits: AbortController | undefined
  /** Of the call that runs. */
  #calling: AbortController | undefined
  readonly #environment: GrantEnvironment

  constructor(message: GrantMessage, lane: string, environment: GrantEnvironment) {
    this.message = message
    this.lane = lane
    this.#environment = environment
  }

  get begun(): boolean {
    return this.#begun
  }

  /** No further call is started. */
  stop(): void {
    this.#stopped = true
  }

  /** And the one that runs is aborted. */
  abort(): void {
    this.#stopped = true
    this.#aborted = true
    this.#waits?.abort()
    this.#calling?.abort()
  }

  #pause(delayMs: number): Promise<void> {
    this.#waits ??= new AbortController()
    if (this.#aborted) this.#waits.abort()
    return pause(this.#environment.clock, delayMs, this.#waits.signal)
  }

  async run(): Promise<GrantEnd> {
    const { message } = this
    const outcomes: OutcomeReport[] = []
    for (const { job, spec } of message.jobs) {
      if (!(await this.#mayCall())) return { kind: 'stopped', outcomes }
      this.#begun = true
      const result = await this.#call(job, spec)
      if (result.kind === 'fenced') return { kind: 'stopped', outcomes }
      // Aborted by order, or because of a later grant: what may be done again is given back, what may not is unknown (I9).
      if (result.kind === 'unknown' && this.#aborted && spec.repeatable) return { kind: 'stopped', outcomes }
      const outcome = outcomeOf(result)
      outcomes.push({ group: message.group, grant: message.grant, job, outcome })
      // A job that did not succeed closes its grant (I2).
      if (outcome.kind !== 'succeeded') break
    }
    return { kind: 'outcomes', outcomes }
  }

  /** Waits while the presence is only in doubt; false once it is lost, or somebody said stop. */
  async #mayCall(): Promise<boolean> {
    const { presence, quarantined } = this.#environment
    const { instance } = this.message
    while (!this.#stopped) {
      if (presence.instance !== instance || quarantined()) return false
      if (presence.acknowledged && presence.mayStartCall(instance)) return true
      await this.#pause(presencePollMs)
    }
    return false
  }

  async #call(job: number, spec: JobSpec): Promise<SiteResult> {
    const { clock, sites, failpoint } = this.#environment
    const { group, grant, incarnation, callDeadlineMs } = this.message
    const connection = sites.connection(spec.site)
    if (connection === undefined) {
      return { kind: 'failed', code: 'unreachable', reason: `site ${spec.site} is not known here, or its kind has no adapter here` }
    }
    await failpoint?.('call-before')
    const call = new AbortController()
    this.#calling = call
    if (this.#aborted) call.abort()
    const timer = clock.after(callDeadlineMs * callShare, () => call.abort())
    const overMs = clock.monotonicMs() + callDeadlineMs
    try {
      const result = await connection.carryOut({
        service: spec.service,
        operation: spec.operation,
        ...callIdentity(group, incarnation, grant, job),
        deadlineMs: clock.nowMs() + callDeadlineMs,
        signal: call.signal,
      })
      await failpoint?.('call-after')
      if (result.kind !== 'unknown') return result
      // P23: it may be running at the site still. What a read shows before its time is over settles nothing: it could be undone
      // by this very call, after a later job has run (I2).
      await this.#pause(overMs - clock.monotonicMs())
      return this.#aborted ? result : await settle(connection, spec, result, clock, callDeadlineMs)
    } finally {
      timer.cancel()
      this.#calling = undefined
    }
  }
}

/** P23: an aborted call is unknown unless a read of the site shows that what was wanted is so. */
async function settle(connection: SiteConnection, spec: JobSpec, unknown: SiteResult, clock: Clock, waitMs: number): Promise<SiteResult> {
  const reading = new AbortController()
  const timer = clock.after(waitMs, () => reading.abort())
  try {
    const { services } = await connection.read(reading.signal)
    const service = services.find((candidate) => candidate.id === spec.service)
    return service !== undefined && shows(service, spec) ? { kind: 'done' } : unknown
  } catch {
    // The site cannot be read either: what happened stays unknown, and that is what is reported.
    return unknown
  } finally {
    timer.cancel()
  }
}

function shows(service: Service, spec: JobSpec): boolean {
  const { operation } = spec
  if (operation.name === 'assign') return service.users.includes(operation.user)
  if (operation.name === 'deassign') return !service.users.includes(operation.user)
  const { property, value } = effectOf(operation)
  return (service as unknown as Record<string, unknown>)[property] === value
}

function outcomeOf(result: Exclude<SiteResult, { kind: 'fenced' }>): Outcome {
  switch (result.kind) {
    case 'done':
      return { kind: 'succeeded' }
    case 'already':
      return { kind: 'succeeded', already: true }
    case 'failed':
      return { kind: 'failed', reason: { code: result.code, text: withoutLogin(result.reason) } }
    case 'unknown':
      return { kind: 'unknown', reason: { code: 'unknown', text: withoutLogin(result.reason) } }
  }
}
