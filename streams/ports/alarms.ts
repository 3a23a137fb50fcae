/**
 * Alarms that the coordinator keeps for triggers (DESIGN §5 "Triggers"), so that they outlive every agent. An alarm is no truth: it may
 * come late (by a stream's own leader change, or a server that was down), be lost or come twice. Whoever hears one looks at the
 * log. All of them can be deleted and set again (I11).
 */

export interface Alarm {
  readonly trigger: string
  /** Integer milliseconds since the Unix epoch, by the server's clock. */
  readonly atMs: number
}

export type AlarmOutcome =
  | { readonly kind: 'done' }
  /** No answer, or the server cannot take it now: repeat it. */
  | { readonly kind: 'indeterminate' }

export interface AlarmWatch {
  stop(): void
}

export interface Alarms {
  /** One alarm a trigger: a second replaces the first. One that lies in the past is due at once. */
  set(trigger: string, atMs: number): Promise<AlarmOutcome>
  /** Also forgets that one was due. What is not there is cancelled already. */
  cancel(trigger: string): Promise<AlarmOutcome>
  /** Triggers whose alarm is set and has not been due. Throws `Unavailable`. */
  pending(): Promise<ReadonlySet<string>>
  /** Also, at the start and after each reconnection, the last due alarm of each trigger once more. */
  watch(onDue: (alarm: Alarm) => void): AlarmWatch
}
