/** One call at a site, as its adapter gets it. */
import type { Operation } from '../../machines/service/operation.ts'
import type { JobSpec } from '../../machines/execution-group/events.ts'
import type { FencingToken, SiteCall } from '../sites/adapter.ts'
import type { CallIdentity } from './call-identity.ts'

/**
 * The signal of a call, made when its adapter asks for it: a signal costs more than all the rest of a short call, and most
 * calls end before anybody could abort them.
 */
export class CallSignal {
  #controller: AbortController | undefined
  #aborted = false

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
}

export class Call implements SiteCall {
  readonly service: string
  readonly operation: Operation
  readonly token: FencingToken
  readonly idempotencyKey: string
  readonly deadlineMs: number
  readonly #calling: CallSignal

  constructor({ service, operation }: JobSpec, { token, idempotencyKey }: CallIdentity, deadlineMs: number, calling: CallSignal) {
    this.service = service
    this.operation = operation
    this.token = token
    this.idempotencyKey = idempotencyKey
    this.deadlineMs = deadlineMs
    this.#calling = calling
  }

  get signal(): AbortSignal {
    return this.#calling.signal
  }
}
