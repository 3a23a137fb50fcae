/**
 * Buckets on the streams that KV clients of NATS use. Raw publishes, since the KV client's `update` takes no time to live,
 * its `create` also writes over markers, and both hide what became of a write whose answer was lost.
 */
import type { Msg } from 'nats'
import { hear } from '../hearing.ts'
import type { Bucket, BucketChange, BucketEntry, BucketGone, BucketWatch, WriteOptions, WriteOutcome } from '../ports/bucket.ts'
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { RefusedByServer, endProcess, parseApiAnswer } from './link.ts'
import { OrderedPull } from './ordered-pull.ts'
import { messageFromLeader } from './stored.ts'
import { markerTtlSeconds } from './streams-definition.ts'

const operationHeader = 'KV-Operation'
const markerHeader = 'Nats-Marker-Reason'
const markerPattern = /^(?:KV-Operation:\s*(?:DEL|PURGE)|Nats-Marker-Reason:)/im
const expiredPattern = /^Nats-Marker-Reason:\s*MaxAge/im
const nothing = new Uint8Array(0)

interface Follow {
  onStart(pending: number): void
  onEntry(key: string, entry: BucketEntry | undefined, revision: number, pending: number): void
  onIdle(): void
  /** As of `OrderedPull`. */
  onRefused(error: RefusedByServer): boolean
  onMissing(): void
}

export class JetStreamBucket implements Bucket {
  readonly name: string
  readonly #link: Link
  readonly #stream: string
  readonly #prefix: string
  readonly #expires: boolean
  readonly ensure: () => Promise<void>

  /** `ensure` makes the stream where it is missing. */
  constructor(link: Link, name: string, options: { readonly expires: boolean; readonly ensure: () => Promise<void> }) {
    this.#link = link
    this.name = name
    this.#stream = `KV_${name}`
    this.#prefix = `$KV.${name}.`
    this.#expires = options.expires
    this.ensure = options.ensure
  }

  async get(key: string): Promise<BucketEntry | undefined> {
    const { entry } = await this.#slot(key)
    return entry
  }

  async goneBy(key: string): Promise<BucketGone | undefined> {
    const { gone } = await this.#slot(key)
    return gone
  }

  async #slot(key: string): Promise<{ readonly revision: number; readonly entry: BucketEntry | undefined; readonly gone?: BucketGone }> {
    const message = await messageFromLeader(this.#link, this.#stream, { last_by_subj: this.#prefix + key })
    if (message === undefined) return { revision: 0, entry: undefined }
    const { sequence: revision, headerText, storedMs } = message
    if (markerPattern.test(headerText)) return { revision, entry: undefined, gone: { how: expiredPattern.test(headerText) ? 'expired' : 'removed', goneMs: storedMs } }
    return { revision, entry: { key, value: message.data, revision, storedMs } }
  }

  async create(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    const first = await this.#write(key, value, { expected: 0, ...options })
    if (first.kind !== 'conflict') return first
    // What stands there may be a marker, which counts as nothing.
    let slot
    try {
      slot = await this.#slot(key)
    } catch (error) {
      if (error instanceof Unavailable) return { kind: 'conflict' }
      throw error
    }
    return slot.entry === undefined ? this.#write(key, value, { expected: slot.revision, ...options }) : { kind: 'conflict' }
  }

  createOnce(key: string, value: Uint8Array, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#write(key, value, { expected: 0, ...options })
  }

  update(key: string, value: Uint8Array, revision: number, options?: WriteOptions): Promise<WriteOutcome> {
    return this.#write(key, value, { expected: revision, ...options })
  }

  put(key: string, value: Uint8Array): Promise<WriteOutcome> {
    return this.#write(key, value, {})
  }

  remove(key: string, revision?: number): Promise<WriteOutcome> {
    return this.#write(key, nothing, {
      ...(revision !== undefined && { expected: revision }),
      marker: true,
      ...(this.#expires && { ttlMs: markerTtlSeconds * 1_000 }),
    })
  }

  async #write(
    key: string,
    value: Uint8Array,
    options: { readonly expected?: number; readonly ttlMs?: number; readonly marker?: boolean },
  ): Promise<WriteOutcome> {
    const { expected, ttlMs, marker } = options
    const exchanged = await this.#link.exchange(this.#prefix + key, value, {
      timeoutMs: this.#link.answerTimeoutMs,
      headers: {
        ...(expected !== undefined && { 'Nats-Expected-Last-Subject-Sequence': String(expected) }),
        ...(ttlMs !== undefined && { 'Nats-TTL': `${Math.ceil(ttlMs / 1_000)}s` }),
        ...(marker && { [operationHeader]: 'DEL' }),
      },
    })
    if (exchanged.kind !== 'answer') return { kind: 'indeterminate' }
    const answer = parseApiAnswer<{ readonly seq: number }>(exchanged.message.data)
    if (answer.ok) return { kind: 'written', revision: answer.value.seq }
    if (answer.error.err_code === apiCodes.wrongLastSequence) return { kind: 'conflict' }
    if (answer.error.code >= 500 || answer.error.err_code === apiCodes.wrongLastSequenceUnknown) return { kind: 'indeterminate' }
    throw new RefusedByServer(`write ${key} to bucket ${this.name}`, answer.error)
  }

  entries(): Promise<readonly BucketEntry[]> {
    const link = this.#link
    if (link.state === 'disconnected') return Promise.reject(new Unavailable(`bucket ${this.name} cannot be read: not connected`))
    return new Promise((resolve, reject) => {
      const found = new Map<string, BucketEntry>()
      const settle = (error?: Error) => {
        timer.cancel()
        pull.stop()
        stopFollowing()
        if (error === undefined) resolve([...found.values()])
        else reject(error)
      }
      const give = (why: string) => settle(new Unavailable(`bucket ${this.name} cannot be read: ${why}`))
      const timer = link.clock.after(link.answerTimeoutMs, () => give('no answer'))
      const stopFollowing = link.onState(() => give('the connection went'))
      const pull = this.#pull({
        onStart: (pending) => {
          found.clear()
          if (pending === 0) settle()
        },
        onEntry: (key, entry, _revision, pending) => {
          if (entry !== undefined) found.set(key, entry)
          if (pending === 0) settle()
        },
        onIdle: () => void pull.isDrained().then((drained) => drained && settle()),
        onRefused: (error) => {
          settle(error)
          return true
        },
        onMissing: () => give('it is not there'),
      })
    })
  }

  watch(listener: (change: BucketChange) => void, only?: string): BucketWatch {
    const onChange = (change: BucketChange) => hear(() => listener(change), endProcess)
    /** What was last told, by key; only present keys. */
    const told = new Map<string, BucketEntry>()
    /** Keys met since the last start, until all present values have come. */
    let met: Set<string> | undefined
    let upTo = 0
    const allMet = () => {
      if (met === undefined) return
      // Whatever had been told and is not there any more went while nobody listened, its marker with it.
      for (const key of [...told.keys()]) {
        if (met.has(key)) continue
        told.delete(key)
        onChange({ kind: 'gone', key, revision: upTo })
      }
      met = undefined
      onChange({ kind: 'current' })
    }
    const follow: Follow = {
      onStart: (pending) => {
        met = new Set()
        if (pending === 0) allMet()
      },
      onEntry: (key, entry, revision, pending) => {
        met?.add(key)
        upTo = Math.max(upTo, revision)
        if (entry === undefined) {
          if (told.delete(key)) onChange({ kind: 'gone', key, revision })
        } else if (isNews(told.get(key), entry)) {
          told.set(key, entry)
          onChange({ kind: 'set', entry })
        }
        if (pending === 0) allMet()
      },
      onIdle: () => {
        if (met !== undefined) void pull.isDrained().then((drained) => drained && allMet())
      },
      // The server may have no room for one more reader now; who watches must not go on as if nothing ever changed.
      onRefused: () => false,
      // It may be made anew (P18); what is gone is told when it stands.
      onMissing: () => onChange({ kind: 'missing' }),
    }
    const pull = this.#pull(follow, only)
    return { stop: () => pull.stop() }
  }

  #pull(follow: Follow, keys = '>'): OrderedPull {
    const prefixLength = this.#prefix.length
    return new OrderedPull({
      link: this.#link,
      stream: this.#stream,
      where: () => ({ deliver_policy: 'last_per_subject', filter_subject: this.#prefix + keys }),
      onStart: follow.onStart,
      onMessage: (message, { sequence, storedMs, pending }) => {
        const key = message.subject.slice(prefixLength)
        const entry = isMarker(message) ? undefined : { key, value: message.data.slice(), revision: sequence, storedMs }
        follow.onEntry(key, entry, sequence, pending)
      },
      onIdle: follow.onIdle,
      onMissing: () => {
        follow.onMissing()
        return false
      },
      onRefused: follow.onRefused,
      full: () => false,
    })
  }
}

/** Not what a new start repeats, nor what a follower that lags still has; a bucket made anew counts its revisions from 1. */
function isNews(told: BucketEntry | undefined, entry: BucketEntry): boolean {
  return told === undefined || entry.revision > told.revision || entry.storedMs > told.storedMs
}

function isMarker(message: Msg): boolean {
  const { headers } = message
  if (headers === undefined) return false
  const operation = headers.get(operationHeader)
  return operation === 'DEL' || operation === 'PURGE' || headers.get(markerHeader) !== ''
}
