/** The log is not imported or restored; nothing was changed. `message` is one line. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused'
  readonly retryable = false
}
