/**
 * Carries calls out at the simulated site. Owns which calls run now; everything that lasts is in the store.
 *
 * 1. With fencing `enforced`, a token lower than the scope's mark is refused, and a call begins only while no call of a lower token
 *    runs in its scope (P22); it waits for that, at most four fifths of the time to its deadline, and is then refused as `busy`.
 * 2. One call of an idempotency key runs at a time, and a repeat of a settled key gets the first result and changes nothing (I9).
 * 3. A change whose deadline has passed is not made (P23), unless a switch makes the site one that cannot keep deadlines.
 * 4. A change is made by the journal line that ends its call; nothing is answered before that line is durable (I8).
 */
import type { Clock } from '../../../streams/ports/clock.ts'
import { pause } from '../../../streams/ports/clock.ts'
import type { Service } from '../../../machines/service/model.ts'
import type { FencingClass, FencingToken } from '../adapter.ts'
import type { Journal } from './journal.ts'
import { effectOn } from './operations.ts'
import type { CallOutcome, CallRequest, JournalEntry, SimulatedOperation } from './protocol.ts'
import { isLower } from './store.ts'
import type { Store } from './store.ts'
import type { Switches, TakenFault } from './switches.ts'

export interface CallDeskParts {
  readonly store: Store
  readonly journal: Journal
  readonly switches: Switches
  readonly clock: Clock
  readonly fencing: FencingClass
  /** Aborted when the site stops: what runs then ends as `lost`, as if the process had been killed. */
  readonly stopping: AbortSignal
}

export type Answered =
  | { readonly kind: 'outcome'; readonly call: number; readonly outcome: CallOutcome }
  | { readonly kind: 'internal-error' }
  | { readonly kind: 'hang-up' }

interface Running {
  readonly token: FencingToken
  readonly key: string
  readonly ended: Promise<void>
  readonly end: () => void
}

export class CallDesk {
  readonly #parts: CallDeskParts
  readonly #running = new Map<number, Running>()

  constructor(parts: CallDeskParts) {
    this.#parts = parts
  }

  async take(service: string, request: CallRequest): Promise<Answered> {
    const { journal, store, clock } = this.#parts
    const number = store.callCount + 1
    const { operation, token, idempotencyKey: key, deadlineMs } = request
    journal.append({ type: 'arrived', call: number, service, operation, token, key, deadlineMs, atMs: clock.nowMs() })
    const refused = await this.#admit(store.call(number))
    if (refused) {
      this.#end(number, refused.outcome, refused.repeatOf)
      await journal.synced()
      return { kind: 'outcome', call: number, outcome: refused.outcome }
    }
    return this.#run(store.call(number))
  }

  /** Undefined: the call may begin, now. */
  async #admit(call: JournalEntry): Promise<{ readonly outcome: CallOutcome; readonly repeatOf?: number } | undefined> {
    const { clock, store } = this.#parts
    const waitUntilMs = clock.nowMs() + 0.8 * (call.deadlineMs - clock.nowMs())
    for (;;) {
      if (this.#parts.stopping.aborted) return { outcome: { kind: 'lost' } }
      if (this.#isFenced(call)) return { outcome: { kind: 'fenced' } }
      const first = store.callsOf(call.idempotencyKey)[0]!
      if (!isSameChange(first, call)) {
        const reason = `idempotency key of call ${first.number} (${first.operation.name} ${first.service}) used for another change`
        return { outcome: { kind: 'failed', code: 'invalid', reason } }
      }
      const blocker = this.#blockerOf(call)
      if (!blocker) {
        const settled = store.settledCall(call.idempotencyKey)
        return settled ? { outcome: settled.outcome!, repeatOf: settled.number } : undefined
      }
      if (!(await this.#waitFor(blocker.ended, waitUntilMs - clock.nowMs()))) return { outcome: { kind: 'busy' } }
    }
  }

  #isFenced(call: JournalEntry): boolean {
    const mark = this.#parts.store.mark(call.token.scope)
    return this.#parts.fencing === 'enforced' && mark !== undefined && isLower(call.token, mark)
  }

  #blockerOf(call: JournalEntry): Running | undefined {
    for (const running of this.#running.values()) {
      if (running.key === call.idempotencyKey) return running
      if (this.#parts.fencing !== 'enforced' || running.token.scope !== call.token.scope) continue
      if (isLower(running.token, call.token)) return running
    }
    return undefined
  }

  async #run(call: JournalEntry): Promise<Answered> {
    const { journal, switches, clock, store } = this.#parts
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running.set(call.number, { token: call.token, key: call.idempotencyKey, ended: promise, end: resolve })
    journal.append({ type: 'began', call: call.number, atMs: clock.nowMs() })
    const faults = switches.take(call.operation.name, call.service)
    const pastDeadline = faults.some(({ fault }) => fault.kind === 'latency' && fault.pastDeadline)
    let refusal: CallOutcome | undefined
    if (faults.length > 0) {
      // What the journal says about a slow call is durable before its change is.
      await journal.synced()
      refusal = await this.#suffer(call, faults, pastDeadline)
    }
    if (this.#parts.stopping.aborted) refusal = { kind: 'lost' }
    else if (!refusal && !pastDeadline && clock.nowMs() >= call.deadlineMs) refusal = { kind: 'expired' }
    if (refusal) this.#end(call.number, refusal)
    else this.#change(call)
    await journal.synced()
    return this.#answer(store.call(call.number), faults)
  }

  /** Latency, hangs and refusals before the change; what is returned ends the call without one. */
  async #suffer(call: JournalEntry, faults: readonly TakenFault[], pastDeadline: boolean): Promise<CallOutcome | undefined> {
    const { clock } = this.#parts
    const leftMs = () => (pastDeadline ? Infinity : Math.max(0, call.deadlineMs - clock.nowMs()))
    for (const { fault, removed } of faults) {
      if (fault.kind === 'latency') await this.#waitFor(undefined, Math.min(fault.latencyMs, leftMs()))
      else if (fault.kind === 'hang' && fault.when === 'before') await this.#waitFor(removed, leftMs())
      else if (fault.kind === 'refuse') return { kind: 'failed', code: 'refused-by-site', reason: fault.reason }
      else if ((fault.kind === 'error' || fault.kind === 'drop') && fault.when === 'before') {
        return { kind: 'failed', code: 'refused-by-site', reason: 'internal error; nothing was changed' }
      }
    }
    return undefined
  }

  #change(call: JournalEntry): void {
    const service = this.#parts.store.service(call.service)
    if (!service) {
      const reason = `site ${this.#parts.store.name} has no service ${call.service}`
      return this.#end(call.number, { kind: 'failed', code: 'no-such-service', reason })
    }
    const effect = effectOn(service, call.operation)
    if (effect.kind === 'change') this.#end(call.number, { kind: 'done' }, undefined, effect.set)
    else if (effect.kind === 'already') this.#end(call.number, { kind: 'already' })
    else this.#end(call.number, { kind: 'failed', code: effect.code, reason: effect.reason })
  }

  #end(call: number, outcome: CallOutcome, repeatOf?: number, set?: Partial<Service>): void {
    const { journal, clock } = this.#parts
    journal.append({
      type: 'ended',
      call,
      outcome,
      atMs: clock.nowMs(),
      ...(repeatOf === undefined ? {} : { repeatOf }),
      ...(set === undefined ? {} : { set }),
    })
    this.#running.get(call)?.end()
    this.#running.delete(call)
  }

  async #answer(call: JournalEntry, faults: readonly TakenFault[]): Promise<Answered> {
    const { stopping } = this.#parts
    for (const { fault, removed } of faults) {
      // A call that hung before its change also keeps its answer back when the deadline ended it.
      if (fault.kind === 'hang') await this.#waitFor(removed, Infinity)
      if (fault.kind === 'error') return { kind: 'internal-error' }
      if (fault.kind === 'drop') return { kind: 'hang-up' }
    }
    if (stopping.aborted && call.outcome!.kind === 'lost') return { kind: 'hang-up' }
    return { kind: 'outcome', call: call.number, outcome: call.outcome! }
  }

  /** False when `waitMs` ran out first (or the site stops). */
  async #waitFor(what: Promise<void> | undefined, waitMs: number): Promise<boolean> {
    const { clock, stopping } = this.#parts
    if (waitMs <= 0 || stopping.aborted) return false
    const over = new AbortController()
    const end = () => over.abort()
    stopping.addEventListener('abort', end, { once: true })
    let happened = false
    void what?.then(() => {
      happened = true
      end()
    })
    await pause(clock, waitMs, over.signal)
    stopping.removeEventListener('abort', end)
    return happened
  }
}

function isSameChange(a: JournalEntry, b: JournalEntry): boolean {
  return a.service === b.service && sameOperation(a.operation, b.operation)
}

function sameOperation(a: SimulatedOperation, b: SimulatedOperation): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())
}
