/**
 * Which instances are here and which are lost for good, as one leader sees it (P18).
 *
 * 1. An instance is lost only when its key is gone and this leader, connected all the while, has seen no new revision for 1.1
 *    presence times on its monotonic clock. After every reconnection, and at the start, that time begins anew; of an instance that was never
 *    seen here it begins when somebody asks for it first: what names it may have come before the word of its key.
 *    Whom a leader before this one found lost, as the log says, is so from when this one sees that: its presence ended before (P17).
 *    So an election costs what was lost before it the wait for calls, not that for the presence as well.
 * 2. Who was found lost stays lost: instance ids are used once (P17); but a bucket that was made anew tells nothing of the time
 *    before, so every wait starts again, also of those that the log calls lost (P18).
 * 3. A missing bucket is made anew here: nobody is found lost by that alone.
 */
import { lostAtMs } from '../../machines/placement/expiry.ts'
import { type PresenceValue, presenceIn } from '../../streams/coordination.ts'
import type { Bucket, BucketChange } from '../../streams/ports/bucket.ts'
import type { Bus } from '../../streams/ports/bus.ts'
import type { Clock } from '../../streams/ports/clock.ts'
import type { Logger } from '../agent/context.ts'

export interface PresenceWatchDeps {
  readonly agents: Bucket
  readonly bus: Bus
  readonly clock: Clock
  readonly logger: Logger
  readonly presenceMs: number
  /** `AgentLost` of the instance is in the log. */
  readonly isLostInLog: (instance: string) => boolean
  /** An instance came, went, or says something else of itself. */
  readonly onChange: () => void
}

const instanceKeys = 'instance.'

export class PresenceWatch {
  readonly #deps: PresenceWatchDeps
  readonly #here = new Map<string, PresenceValue>()
  /** Monotonic time of the last revision that was seen of an instance, or, of one that never was here, of the first question. */
  readonly #lastSeenMs = new Map<string, number>()
  readonly #lostMs = new Map<string, number>()
  readonly #watch: { stop(): void }
  readonly #link: { stop(): void }
  /** Since when, on the monotonic clock, everything has been heard; undefined while it has not. */
  #hearsSinceMs: number | undefined
  /** When somebody came or went last, monotonic. */
  #changedMs: number | undefined
  #making = false
  #wasMissing = false

  constructor(deps: PresenceWatchDeps) {
    this.#deps = deps
    this.#watch = deps.agents.watch((change) => this.#see(change))
    this.#link = deps.bus.onLink((state) => {
      if (state === 'disconnected') this.#hearsSinceMs = undefined
    })
  }

  stop(): void {
    this.#watch.stop()
    this.#link.stop()
  }

  /** The present values are known; before that nobody is placed anywhere. */
  get current(): boolean {
    return this.#hearsSinceMs !== undefined
  }

  /** Instances whose key is there. */
  present(): readonly PresenceValue[] {
    return [...this.#here.values()]
  }

  isHere(instance: string): boolean {
    return this.#here.has(instance)
  }

  /** Monotonic time since which the instance is lost for good; undefined while it is not (yet). */
  lostSinceMs(instance: string): number | undefined {
    const known = this.#lostMs.get(instance)
    if (known !== undefined) return known
    const waitedMs = this.mayBeLostAtMs(instance)
    if (waitedMs === undefined) return undefined
    const nowMs = this.#deps.clock.monotonicMs()
    // Never earlier than now: a former leader may have put it on record only after this one began to hear.
    const atMs = !this.#wasMissing && this.#deps.isLostInLog(instance) ? Math.min(nowMs, waitedMs) : waitedMs
    if (nowMs < atMs) return undefined
    this.#lostMs.set(instance, atMs)
    return atMs
  }

  /** When `lostSinceMs` may say more, monotonic; for a timer. */
  mayBeLostAtMs(instance: string): number | undefined {
    if (this.#here.has(instance) || this.#hearsSinceMs === undefined) return undefined
    let seenMs = this.#lastSeenMs.get(instance)
    if (seenMs === undefined) {
      seenMs = this.#deps.clock.monotonicMs()
      this.#lastSeenMs.set(instance, seenMs)
    }
    return lostAtMs(Math.max(this.#hearsSinceMs, seenMs), this.#deps.presenceMs)
  }

  /**
   * Somebody may live who is not present: the key of some instance has gone and it is not known yet that it is lost for good, or within
   * the last presence time somebody came or went, so that others may be on their way too.
   */
  get inDoubt(): boolean {
    if (this.#changedMs === undefined || this.#deps.clock.monotonicMs() - this.#changedMs < this.#deps.presenceMs) return true
    for (const instance of this.#lastSeenMs.keys()) if (!this.#here.has(instance) && this.lostSinceMs(instance) === undefined) return true
    return false
  }

  /** What fails is tried again with the next word that it is missing. */
  async #makeAnew(): Promise<void> {
    if (this.#making) return
    this.#making = true
    try {
      await this.#deps.agents.ensure()
      this.#deps.logger.warn({ bucket: this.#deps.agents.name }, 'the bucket of presences was missing and was made anew; every wait starts again')
    } catch (error) {
      this.#deps.logger.warn({ bucket: this.#deps.agents.name, err: error }, 'the bucket of presences is missing and cannot be made anew yet')
    } finally {
      this.#making = false
    }
  }

  #see(change: BucketChange): void {
    const { clock, onChange } = this.#deps
    switch (change.kind) {
      case 'missing':
        this.#hearsSinceMs = undefined
        this.#wasMissing = true
        this.#lostMs.clear()
        void this.#makeAnew()
        return onChange()
      case 'current':
        this.#hearsSinceMs = clock.monotonicMs()
        this.#changedMs ??= this.#hearsSinceMs
        return onChange()
      case 'set': {
        const { key, value } = change.entry
        if (!key.startsWith(instanceKeys)) return
        const now = presenceIn(value)
        if (now === undefined) return
        const instance = key.slice(instanceKeys.length)
        this.#lastSeenMs.set(instance, clock.monotonicMs())
        const before = this.#here.get(instance)
        this.#here.set(instance, now)
        if (before === undefined) this.#changedMs = clock.monotonicMs()
        if (before === undefined || before.stopping !== now.stopping) onChange()
        return
      }
      case 'gone': {
        if (!change.key.startsWith(instanceKeys)) return
        this.#here.delete(change.key.slice(instanceKeys.length))
        this.#changedMs = clock.monotonicMs()
        return onChange()
      }
    }
  }
}
