/**
 * What may go wrong between a client and the realm in memory. A simulation answers these questions from its seed; every
 * question is asked once per operation, in the order in which operations happen, so that equal seeds give equal runs.
 */

export interface Delays {
  /** Milliseconds until the operation reaches the realm (0 when absent). Past the client's time-out, it still happens. */
  readonly requestMs?: number
  /** Milliseconds until the answer is back (0 when absent). */
  readonly answerMs?: number
}

export interface WriteFault extends Delays {
  /** `request`: never reaches the realm. `answer`: it happens, and the client never hears of it. */
  readonly lose?: 'request' | 'answer'
}

export interface AppendFault extends WriteFault {
  /** Answered so by the realm without writing anything. */
  readonly refuse?: 'busy' | 'unavailable' | 'conflict'
}

export interface ReadFault extends Delays {
  /** The client gives up: `Unavailable`. */
  readonly lose?: boolean
}

/** One delay in milliseconds for every copy that arrives: none = lost, `[0]` = as sent, two = doubled. */
export type Deliveries = readonly number[]

export interface AppendSeen {
  readonly client: string
  readonly subject: string
  readonly bytes: Uint8Array
  readonly expectedLast: number
}

export type BucketWrite = 'create' | 'createOnce' | 'update' | 'put' | 'remove'

export interface MemoryFaults {
  append?(seen: AppendSeen): AppendFault | undefined
  purge?(seen: { readonly client: string; readonly subject: string }): WriteFault | undefined
  /** `first`, `last`, `at`, `end` of the log. */
  logRead?(seen: { readonly client: string }): ReadFault | undefined
  /** Milliseconds by which a following reader sees what was just stored. */
  readLag?(seen: { readonly client: string }): number
  bucketWrite?(seen: { readonly client: string; readonly bucket: string; readonly write: BucketWrite; readonly key: string }): WriteFault | undefined
  bucketRead?(seen: { readonly client: string; readonly bucket: string }): ReadFault | undefined
  /** Milliseconds by which a watcher sees a change. */
  watchLag?(seen: { readonly client: string; readonly bucket: string; readonly key: string }): number
  alarmWrite?(seen: { readonly client: string; readonly write: 'set' | 'cancel'; readonly trigger: string }): WriteFault | undefined
  /** Asked per recipient of an alarm that is due. */
  alarm?(seen: { readonly client: string; readonly trigger: string; readonly atMs: number }): Deliveries | undefined
  /** Asked per recipient. `answer` tells a request or publication from an answer to one. */
  message?(seen: { readonly from: string; readonly to: string; readonly subject: string; readonly answer: boolean }): Deliveries | undefined
}

/**
 * `connected` · `disconnected`: the client knows (link event; what it had under way is indeterminate) · `silent`: nothing
 * gets through either way and nobody is told, as on a half-open connection.
 */
export type Reach = 'connected' | 'disconnected' | 'silent'
