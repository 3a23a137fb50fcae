/** What a checker found: the invariant or rule that is broken, where, and what it is. */
export interface Violation {
  readonly rule: string
  readonly what: string
  /** In the log, where there is one. */
  readonly position: number | undefined
}
