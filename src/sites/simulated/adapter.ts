/**
 * Adapter of kind `simulated`: speaks the simulated site's HTTP interface. The address may say how the site was started:
 * `http://127.0.0.1:4710?fencing=recorded`; without that, the site must enforce tokens. A site that fences less than its address says
 * refuses every change, so nobody counts on what is not there.
 */
import type { SiteConfiguration } from '../../../machines/service/model.ts'
import type { OperationName } from '../../../machines/service/operation.ts'
import { withoutLogin } from '../../../streams/login-in-text.ts'
import { HttpFailure, httpClient } from '../../platform/http-client.ts'
import type { HttpClient } from '../../platform/http-client.ts'
import { SiteUnreachable } from '../adapter.ts'
import type { FencingClass, SiteAdapter, SiteCall, SiteConnection, SiteRecord, SiteResult } from '../adapter.ts'
import { fencingClasses, servicesAnswer } from './protocol.ts'
import type { ApiError, CallAnswer, CallOutcome, JournalEntry } from './protocol.ts'

const operations: ReadonlySet<OperationName> = new Set([
  'start', 'stop', 'rename', 'maintenance-on', 'maintenance-off', 'assign', 'deassign',
])

export const simulatedAdapter: SiteAdapter = {
  kind: 'simulated',
  fencing: 'enforced',
  skill: 'required',
  operations,
  repeatable: operations,
  capabilitiesAt: (address) => ({ fencing: fencingOf(address) ?? 'enforced', operations }),
  checkAddress,
  connect: (record) => new SimulatedConnection(record),
}

function checkAddress(address: string): string | undefined {
  const wanted = 'give http://HOST:PORT, with ?fencing=recorded or ?fencing=none for a site started so'
  const url = URL.parse(address)
  if (!url || url.protocol !== 'http:' || url.pathname !== '/' || url.hash !== '') {
    return `address ${JSON.stringify(withoutLogin(address))} is none of a simulated site: ${wanted}`
  }
  if (url.username !== '' || url.password !== '') return `the address of a simulated site holds no user or password: ${wanted}`
  if (fencingOf(address) === undefined || [...url.searchParams.keys()].some((key) => key !== 'fencing')) {
    return `address ${JSON.stringify(withoutLogin(address))} has an unknown option: ${wanted}`
  }
  return undefined
}

function fencingOf(address: string): FencingClass | undefined {
  const given = URL.parse(address)?.searchParams.get('fencing') ?? 'enforced'
  return fencingClasses.find((known) => known === given)
}

class SimulatedConnection implements SiteConnection {
  readonly #record: SiteRecord
  readonly #fencing: FencingClass
  readonly #client: HttpClient

  constructor(record: SiteRecord) {
    this.#record = record
    this.#fencing = fencingOf(record.address) ?? 'enforced'
    this.#client = httpClient(new URL(record.address).origin)
  }

  async read(signal: AbortSignal): Promise<SiteConfiguration> {
    const answer = await this.#client.send('GET', '/v1/services', undefined, signal).catch((error: unknown) => {
      throw this.#unreachable(error instanceof Error ? error.message : String(error), error)
    })
    if (answer.status !== 200) throw this.#unreachable(`it answered ${answer.status} ${reasonOf(answer.body)}`)
    const parsed = servicesAnswer.safeParse(parseJson(answer.body))
    if (!parsed.success) throw this.#unreachable('its answer is not that of a simulated site')
    return { site: this.#record.site, services: parsed.data.services }
  }

  async carryOut(call: SiteCall): Promise<SiteResult> {
    if (!operations.has(call.operation.name)) {
      return { kind: 'failed', code: 'unsupported', reason: `a simulated site does not offer ${call.operation.name}` }
    }
    const body = JSON.stringify({
      operation: call.operation,
      token: call.token,
      idempotencyKey: call.idempotencyKey,
      deadlineMs: call.deadlineMs,
      fencing: this.#fencing,
    })
    try {
      const path = `/v1/services/${encodeURIComponent(call.service)}/operations`
      const answer = await this.#client.send('POST', path, body, call.signal)
      if (answer.status === 500) return await this.#settle(call, 'it answered 500')
      return resultOf(answer.status, answer.body)
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error
      if (!error.sent) return { kind: 'failed', code: 'unreachable', reason: this.#notReached(error.message) }
      return this.#settle(call, error.message)
    }
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** The site was asked and did not say what became of it: its journal may. One that does not show the call leaves it unknown. */
  async #settle(call: SiteCall, why: string): Promise<SiteResult> {
    if (call.signal.aborted) return { kind: 'unknown', reason: `site ${this.#record.site} had not answered when the time of the call was over` }
    const unknown: SiteResult = { kind: 'unknown', reason: `site ${this.#record.site}: ${why}, and its journal does not settle it` }
    try {
      const answer = await this.#client.send('GET', `/v1/calls?key=${encodeURIComponent(call.idempotencyKey)}`, undefined, call.signal)
      if (answer.status !== 200) return unknown
      const { calls } = JSON.parse(answer.body) as { readonly calls: readonly JournalEntry[] }
      const mine = calls.findLast((entry) => isThatCall(entry, call))
      return mine?.outcome ? fromOutcome(mine.outcome) : unknown
    } catch {
      return unknown
    }
  }

  #notReached(why: string): string {
    return `site ${this.#record.site} not reached: ${why}; is it running?`
  }

  #unreachable(why: string, cause?: unknown): SiteUnreachable {
    return new SiteUnreachable(`site ${this.#record.site} at ${this.#record.address} cannot be read: ${why}; is it running, and is this its address?`, { cause })
  }
}

/** A deadline is new for every call, also of the same grant. */
function isThatCall(entry: JournalEntry, { token, deadlineMs }: SiteCall): boolean {
  return entry.token.revision === token.revision && entry.token.incarnation === token.incarnation && entry.deadlineMs === deadlineMs
}

function resultOf(status: number, body: string): SiteResult {
  const value = parseJson(body) as Partial<CallAnswer & ApiError> | undefined
  if ((status === 200 || status === 423) && value?.outcome) return fromOutcome(value.outcome)
  const reason = value?.error?.reason ?? `the site answered ${status}`
  if (status === 400 || status === 413) return { kind: 'failed', code: 'invalid', reason }
  // A route that is not there, a fencing class that is weaker than promised: the site did not take the call.
  return { kind: 'failed', code: 'refused-by-site', reason }
}

function fromOutcome(outcome: CallOutcome): SiteResult {
  switch (outcome.kind) {
    case 'busy':
      return { kind: 'failed', code: 'refused-by-site', reason: 'a call of an earlier grant is running at the site still; nothing was changed' }
    case 'expired':
      return { kind: 'failed', code: 'refused-by-site', reason: 'the deadline of the call had passed at the site; nothing was changed' }
    case 'lost':
      return { kind: 'failed', code: 'refused-by-site', reason: 'the site was restarted before it made the change; nothing was changed' }
    default:
      return outcome
  }
}

function reasonOf(body: string): string {
  return (parseJson(body) as Partial<ApiError> | undefined)?.error?.reason ?? ''
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
