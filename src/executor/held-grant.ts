/**
 * One grant that this executor holds: its jobs, run one after another at their site (I2, I9, P18, P23).
 *
 * 1. It ends, whatever an adapter does: a call that has not come back by its deadline, although it was aborted, is unknown.
 * 2. No call of it starts while another one has not come back, and "stopped" is not said then (P19), nor of a call whose fate is not
 *    known before its time is over: it may run at the site still (P23).
 */
import { effectOf } from '../../machines/service/operation.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { Outcome } from '../../machines/execution-group/decide/locks.ts'
import type { Service } from '../../machines/service/model.ts'
import type { GrantMessage, GrantRef, OutcomeReport } from '../../streams/lane-protocol.ts'
import { withoutLogin } from '../../streams/login-in-text.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import { pause } from '../../streams/ports/clock.ts'
import type { Presence, SiteDirectory } from '../agent/context.ts'
import type { SiteConnection } from '../sites/adapter.ts'
import { callIdentity } from './call-identity.ts'
import { Call } from './call.ts'
import { type CallResult, type Failed, type Unknown, lineOf } from './call-result.ts'
import type { CallsBegun } from './calls-begun.ts'
import { RunningCall } from './running-call.ts'

/** Calls are aborted at this part of their deadline, by this process's monotonic clock (P18). */
const callShare = 0.9
/** How often an executor whose presence is in doubt looks again. */
const presencePollMs = 50

export interface GrantEnvironment {
  readonly clock: Clock
  /** Of all grants of the executor. */
  readonly calls: CallsBegun
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
  /** `grantId` of the message. */
  readonly id: string
  #begun = false
  #stopped = false
  #aborted = false
  #waits: Wait | undefined
  /** Until a call of unknown fate is over at the site as well. */
  #callTime: Wait | undefined
  /** The one that runs, or ran last. */
  #calling: RunningCall | undefined
  readonly #environment: GrantEnvironment

  constructor(message: GrantMessage, id: string, lane: string, environment: GrantEnvironment) {
    this.message = message
    this.id = id
    this.lane = lane
    this.#environment = environment
  }

  get begun(): boolean {
    return this.#begun
  }

  /** An adapter has not come back from a call of it though its deadline is over: resolves when it has. */
  get hanging(): Promise<void> | undefined {
    return this.#calling?.hanging
  }

  /** No further call is started. */
  stop(): void {
    this.#stopped = true
  }

  /** And the one that runs is aborted. */
  abort(): void {
    this.#stopped = true
    this.#aborted = true
    ;(this.#waits ??= new Wait()).abort()
    this.#calling?.abort()
  }

  /** Nobody will be told how it ends. */
  abandon(): void {
    this.abort()
    ;(this.#callTime ??= new Wait()).abort()
  }

  async run(): Promise<GrantEnd> {
    const { message } = this
    const { clock, sites, failpoint } = this.#environment
    const outcomes: OutcomeReport[] = []
    const { jobs } = message
    for (let index = 0; index < jobs.length; index++) {
      const { job, spec, chain = job } = jobs[index]!
      if (!(this.#mayCall() ?? (await this.#mayCallThen()))) return { kind: 'stopped', outcomes }
      this.#begun = true
      const connection = connectionTo(sites, spec.site)
      let result: CallResult
      if ('kind' in connection) result = connection
      else {
        if (failpoint !== undefined) await failpoint('call-before')
        const overMs = clock.monotonicMs() + message.callDeadlineMs
        result = await this.#carryOut(connection, job, spec, message.unordered === true ? chain : undefined, overMs)
        if (failpoint !== undefined) await failpoint('call-after')
        if (result.kind === 'unknown') result = await this.#settled(connection, spec, result, overMs, index === jobs.length - 1)
      }
      if (result.kind === 'fenced') return { kind: 'stopped', outcomes }
      // Aborted by order, or because of a later grant: what may be done again is given back, what may not is unknown (I9).
      if (result.kind === 'unknown' && this.#aborted && spec.repeatable && this.hanging === undefined) return { kind: 'stopped', outcomes }
      const outcome = outcomeOf(result)
      outcomes.push({ group: message.group, grant: message.grant, job, outcome })
      // A job that did not succeed closes its grant (I2).
      if (outcome.kind !== 'succeeded') break
    }
    return { kind: 'outcomes', outcomes }
  }

  /** Undefined while the presence is only in doubt; false once it is lost, or somebody said stop. */
  #mayCall(): boolean | undefined {
    const { presence, quarantined } = this.#environment
    const { instance } = this.message
    if (this.#stopped) return false
    if (presence.instance !== instance || quarantined()) return false
    if (presence.acknowledged && presence.mayStartCall(instance)) return true
    return undefined
  }

  /** Waits until that is no question any more. */
  async #mayCallThen(): Promise<boolean> {
    for (;;) {
      await (this.#waits ??= new Wait()).pause(this.#environment.clock, presencePollMs)
      const mayCall = this.#mayCall()
      if (mayCall !== undefined) return mayCall
    }
  }

  /** Of a call whose own word settles nothing. */
  async #settled(connection: SiteConnection, spec: JobSpec, unknown: Unknown, overMs: number, isLast: boolean): Promise<CallResult> {
    const { clock } = this.#environment
    // P23: it may be running at the site still. What a read shows before its time is over settles nothing: it could be undone
    // by this very call, after a later job has run (I2).
    // Nor is a job given back before, which may then be done again at once; one that may not be is unknown whatever comes (I9).
    await (spec.repeatable ? (this.#callTime ??= new Wait()) : (this.#waits ??= new Wait())).pause(clock, overMs - clock.monotonicMs())
    // A success would let the next job of this grant start, beside the call that hangs.
    if (this.#aborted || (this.hanging !== undefined && !isLast)) return unknown
    return await settle(connection, spec, unknown, clock, this.message.callDeadlineMs)
  }

  #carryOut(connection: SiteConnection, job: number, spec: JobSpec, chain: number | undefined, overMs: number): Promise<CallResult> {
    const { clock, calls } = this.#environment
    const { group, grant, incarnation, callDeadlineMs } = this.message
    const calling = new RunningCall(clock, { abortMs: overMs - callDeadlineMs * (1 - callShare), overMs })
    this.#calling = calling
    if (this.#aborted) calling.abort()
    calls.begun(calling)
    return calling.run(connection, new Call(spec, callIdentity(group, incarnation, grant, job, chain), clock.nowMs() + callDeadlineMs, calling.signal))
  }
}

/** Of no other grant. */
export function grantId({ group, grant }: GrantRef): string {
  return `${group} ${grant}`
}

/** Pauses that can be cut, once for all; the signal is made where one begins, which is rare. */
class Wait {
  #controller: AbortController | undefined
  #over = false

  abort(): void {
    this.#over = true
    this.#controller?.abort()
  }

  async pause(clock: Clock, delayMs: number): Promise<void> {
    if (this.#over) return
    this.#controller ??= new AbortController()
    await pause(clock, delayMs, this.#controller.signal)
  }
}

/** Before the site is touched: where there is no connection nothing was changed. */
function connectionTo(sites: SiteDirectory, site: string): SiteConnection | Failed {
  try {
    const connection = sites.connection(site)
    return connection ?? { kind: 'failed', code: 'unreachable', reason: `site ${site} is not known here, or its kind has no adapter here` }
  } catch (error) {
    return { kind: 'failed', code: 'adapter-error', reason: `the adapter failed before the site was asked: ${lineOf(error)}` }
  }
}

/** P23: an aborted call is unknown unless a read of the site shows that what was wanted is so. */
async function settle(connection: SiteConnection, spec: JobSpec, unknown: Unknown, clock: Clock, waitMs: number): Promise<CallResult> {
  const reading = new AbortController()
  let giveUp!: () => void
  const given = new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)))
  const timer = clock.after(waitMs, () => {
    reading.abort()
    giveUp()
  })
  try {
    // An adapter may ignore that the reading was aborted too.
    const read = await Promise.race([connection.read(reading.signal), given])
    if (read === undefined) return unknown
    const { services } = read
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

const succeeded: Outcome = { kind: 'succeeded' }

function outcomeOf(result: Exclude<CallResult, { kind: 'fenced' }>): Outcome {
  switch (result.kind) {
    case 'done':
      return succeeded
    case 'already':
      return { kind: 'succeeded', already: true }
    case 'failed':
      return { kind: 'failed', reason: { code: result.code, text: withoutLogin(result.reason) } }
    case 'unknown':
      return { kind: 'unknown', reason: { code: result.code ?? 'unknown', text: withoutLogin(result.reason) } }
  }
}
