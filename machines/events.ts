/** What every event of the log looks like to a machine: a type and its data. */
export interface RecordedEvent {
  readonly type: string
  readonly data: unknown
}
