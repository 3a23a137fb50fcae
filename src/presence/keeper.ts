/**
 * Keeps keys of buckets alive: each is renewed on its own last revision, and only there (P17; the lease likewise). Runs on the
 * main thread under the simulation, and in a thread of its own, with its own connection, in real processes (P8).
 *
 * 1. A key is written by `createOnce`, or on the revision that this keeper last wrote or read as its own. Never otherwise.
 * 2. What became of a write without an answer is settled by reading the key before anything else is written.
 * 3. `onGone` is said at most once, and nothing is written or said after it, nor after `drop`.
 * 4. The stamp of a renewal was taken before the renewal was sent, on the asker's clocks.
 */
import { presentInstanceIn, toBytes } from '../../streams/coordination.ts'
import type { Bucket } from '../../streams/ports/bucket.ts'
import { type Clock, type Timer } from '../../streams/ports/clock.ts'
import { Unavailable } from '../../streams/ports/event-log.ts'

/** The asker's clocks at one moment, milliseconds. */
export interface Stamp {
  readonly monotonicMs: number
  readonly nowMs: number
}

export type KeptBucket = 'agents' | 'lease'

export interface KeepRequest {
  readonly bucket: KeptBucket
  readonly key: string
  /** `instance` tells one's own value from another's. */
  readonly value: { readonly instance: string }
  /** Of one's own value that stands there; 0: it is to be created, once in the key's life. */
  readonly revision: number
  readonly ttlMs: number
  readonly periodMs: number
}

export interface KeepListener {
  /** Acknowledged, or a read has shown it. */
  onRenewed(revision: number, sent: Stamp): void
  /** An answer did not come; the key is being read. */
  onUnsettled(): void
  /** The key holds a marker, nothing, or another's value. Final. */
  onGone(): void
}

export interface Kept {
  /** Written with the next renewal, which is made at once. */
  replace(value: { readonly instance: string }): void
  /** Renews no more; the key is left to expire. Idempotent. */
  drop(): void
  /** Renews no more and removes the key where it is still one's own. Resolves whatever becomes of it. Idempotent. */
  remove(): Promise<void>
}

export interface Keeper {
  keep(request: KeepRequest, listener: KeepListener): Kept
  /** Drops all. Idempotent. */
  close(): Promise<void>
}

/** Renewals may come so much earlier or later than their period, where they then come beside others (`Clock.after`), milliseconds: no part of their key's time to live that counts. */
const renewalSlackMs = 250

/** Between two attempts to read a key whose state is not known, milliseconds. */
const settleRetryMs = 100

export interface KeeperDeps {
  readonly buckets: Readonly<Record<KeptBucket, Bucket>>
  readonly clock: Clock
  /** The asker's clocks, at or before the moment of the call. */
  readonly stamp: () => Stamp
  /** While false nothing is written: the asker is silent or cut off (P8). */
  readonly mayRenew: () => boolean
}

export function directKeeper(buckets: KeeperDeps['buckets'], clock: Clock): Keeper {
  const stamp = () => ({ monotonicMs: clock.monotonicMs(), nowMs: clock.nowMs() })
  return new KeyKeeper({ buckets, clock, stamp, mayRenew: () => true })
}

export class KeyKeeper implements Keeper {
  readonly #deps: KeeperDeps
  readonly #kept = new Set<KeptKey>()

  constructor(deps: KeeperDeps) {
    this.#deps = deps
  }

  keep(request: KeepRequest, listener: KeepListener): Kept {
    const kept = new KeptKey(this.#deps, request, listener)
    this.#kept.add(kept)
    void kept.ended.then(() => this.#kept.delete(kept))
    return kept
  }

  async close(): Promise<void> {
    for (const kept of this.#kept) kept.drop()
    await Promise.all([...this.#kept].map((kept) => kept.ended))
  }
}

class KeptKey implements Kept {
  readonly ended: Promise<void>
  readonly #deps: KeeperDeps
  readonly #request: KeepRequest
  readonly #listener: KeepListener
  #value: { readonly instance: string }
  #revision: number
  /** Sending of the first renewal whose fate has been open since the last acknowledgement. */
  #oldestOpen: Stamp | undefined
  #dropped = false
  #removing = false
  #wake: () => void = () => {}
  #dueAtOnce = false

  constructor(deps: KeeperDeps, request: KeepRequest, listener: KeepListener) {
    this.#deps = deps
    this.#request = request
    this.#listener = listener
    this.#value = request.value
    this.#revision = request.revision
    this.ended = this.#run()
  }

  replace(value: { readonly instance: string }): void {
    this.#value = value
    this.#dueAtOnce = true
    this.#wake()
  }

  drop(): void {
    this.#dropped = true
    this.#wake()
  }

  remove(): Promise<void> {
    this.#removing = true
    this.drop()
    return this.ended
  }

  get #bucket(): Bucket {
    return this.#deps.buckets[this.#request.bucket]
  }

  async #run(): Promise<void> {
    // A key that was handed over was written a moment ago.
    if (this.#revision > 0) await this.#until(this.#request.periodMs, renewalSlackMs)
    while (!this.#dropped) {
      const startedMs = this.#deps.clock.monotonicMs()
      if (this.#deps.mayRenew() && !(await this.#renew())) {
        if (!this.#dropped) this.#listener.onGone()
        return
      }
      if (this.#dropped) break
      const spentMs = this.#deps.clock.monotonicMs() - startedMs
      await this.#until(Math.max(0, this.#request.periodMs - spentMs), renewalSlackMs)
    }
    if (this.#removing && this.#revision > 0) await this.#bucket.remove(this.#request.key, this.#revision).catch(() => {})
  }

  /** False when the key is not one's own any more. */
  async #renew(): Promise<boolean> {
    const { key, ttlMs } = this.#request
    const sent = this.#deps.stamp()
    this.#dueAtOnce = false
    const bytes = toBytes(this.#value)
    const outcome = await (this.#revision === 0
      ? this.#bucket.createOnce(key, bytes, { ttlMs })
      : this.#bucket.update(key, bytes, this.#revision, { ttlMs })
    ).catch(passOverUnavailable)
    if (outcome.kind === 'written') {
      this.#acknowledge(outcome.revision, sent)
      return true
    }
    this.#oldestOpen ??= sent
    if (!this.#dropped && outcome.kind === 'indeterminate') this.#listener.onUnsettled()
    return this.#settle(outcome.kind)
  }

  async #settle(after: 'conflict' | 'indeterminate'): Promise<boolean> {
    for (;;) {
      try {
        const entry = await this.#bucket.get(this.#request.key)
        if (entry === undefined) {
          // A creation whose fate is open may not have landed yet: it is repeated, and finds what it left, if anything.
          return this.#revision === 0 && after === 'indeterminate'
        }
        if (presentInstanceIn(entry.value) !== this.#value.instance) return false
        // Any of the renewals whose fate was open may be the one that stands there; the earliest is the safe one to count from.
        if (entry.revision !== this.#revision) this.#acknowledge(entry.revision, this.#oldestOpen!)
        return true
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
      }
      if (this.#dropped && !this.#removing) return true
      // A renewal that is due at once is no reason to ask a coordinator that does not answer over and over.
      const isDue = this.#dueAtOnce
      this.#dueAtOnce = false
      await this.#until(settleRetryMs)
      this.#dueAtOnce ||= isDue
      if (this.#dropped) return true
    }
  }

  #acknowledge(revision: number, sent: Stamp): void {
    this.#revision = revision
    this.#oldestOpen = undefined
    if (!this.#dropped) this.#listener.onRenewed(revision, sent)
  }

  /** Ends early when woken. */
  #until(delayMs: number, slackMs = 0): Promise<void> {
    if (this.#dropped || this.#dueAtOnce) return Promise.resolve()
    return new Promise((resolve) => {
      const timer: Timer = this.#deps.clock.after(delayMs, () => this.#wake(), Math.min(slackMs, delayMs / 2))
      this.#wake = () => {
        timer.cancel()
        this.#wake = () => {}
        resolve()
      }
    })
  }
}

function passOverUnavailable(error: unknown): { readonly kind: 'indeterminate' } {
  if (error instanceof Unavailable) return { kind: 'indeterminate' }
  throw error
}
