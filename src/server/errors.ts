/** Why there is no nats-server of our own, as one line for a person. */

export type NatsServerProblem =
  | 'not-found'
  | 'not-executable'
  | 'too-old'
  | 'cannot-fetch'
  | 'port-taken'
  | 'data-folder-in-use'
  | 'did-not-start'
  /** It runs, and does not confirm that it syncs every write (I8). */
  | 'not-synced'

const passing: ReadonlySet<NatsServerProblem> = new Set(['cannot-fetch', 'port-taken', 'data-folder-in-use'])

export class NatsServerError extends Error {
  override readonly name = 'NatsServerError'
  readonly problem: NatsServerProblem
  /** True where the same call may succeed later without anything being installed or changed by hand. */
  readonly retryable: boolean
  constructor(problem: NatsServerProblem, message: string, options?: ErrorOptions) {
    super(message, options)
    this.problem = problem
    this.retryable = passing.has(problem)
  }
}
