/**
 * A key-value bucket as a port: lease, presence of instances, mappings, configuration (DESIGN §3). Everything in them can
 * be rebuilt (I11). Keys obey the subject grammar; values are bytes of JSON.
 */

export interface BucketEntry {
  readonly key: string
  readonly value: Uint8Array
  /** Revision of the bucket at which this entry was written; grows over the whole bucket. */
  readonly revision: number
  /** The server's stamp, integer milliseconds since the Unix epoch. */
  readonly storedMs: number
}

export interface BucketGone {
  readonly how: 'expired' | 'removed'
  /** The server's stamp on the marker, as `BucketEntry.storedMs`. */
  readonly goneMs: number
}

export type WriteOutcome =
  | { readonly kind: 'written'; readonly revision: number }
  /** The key is not at the expected revision. Nothing was written by this attempt. */
  | { readonly kind: 'conflict' }
  /** No answer: read the key to learn what became of it. */
  | { readonly kind: 'indeterminate' }

export interface WriteOptions {
  /** Per-key time to live in whole milliseconds (the server counts whole seconds and rounds up); absent: for ever. */
  readonly ttlMs?: number
}

export type BucketChange =
  | { readonly kind: 'set'; readonly entry: BucketEntry }
  /** Deleted, purged or expired. */
  | { readonly kind: 'gone'; readonly key: string; readonly revision: number }
  /** The present values have all been delivered; what follows is live. Also after every reconnection that re-read them. */
  | { readonly kind: 'current' }
  /**
   * The whole bucket is not there (P18). Told again while that lasts, at most about once a second; once it was made anew, what had
   * been told and is gone with it, then `current`.
   */
  | { readonly kind: 'missing' }

export interface BucketWatch {
  stop(): void
}

export interface Bucket {
  readonly name: string
  /** Read from the bucket's leader. `undefined` where there is nothing or only a marker. Throws `Unavailable`. */
  get(key: string): Promise<BucketEntry | undefined>
  /** What took the last value of a key, as its marker says; undefined where it has one, or nothing tells. From the bucket's leader. Throws `Unavailable`. */
  goneBy(key: string): Promise<BucketGone | undefined>
  /** Writes only where the key has no value; a marker (deleted, expired) counts as none. */
  create(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome>
  /** As `create`, but refuses where even a marker stands: a key that is to exist once in its life (P17). */
  createOnce(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome>
  /** Writes only on the given revision of the key; the time to live starts anew. */
  update(key: string, value: Uint8Array, revision: number, options?: WriteOptions): Promise<WriteOutcome>
  put(key: string, value: Uint8Array): Promise<WriteOutcome>
  /** Leaves a marker. With `revision` only on that revision. */
  remove(key: string, revision?: number): Promise<WriteOutcome>
  /** All present entries. Throws `Unavailable`. */
  entries(): Promise<readonly BucketEntry[]>
  /** Makes the bucket anew, empty and with revisions from 1, where it is missing; else does nothing. Throws `Unavailable`. */
  ensure(): Promise<void>
  /** Present values, then changes, each in order; heals itself over reconnections. Of `key` alone where one is given. */
  watch(onChange: (change: BucketChange) => void, key?: string): BucketWatch
}
