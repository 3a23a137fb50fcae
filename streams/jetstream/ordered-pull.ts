/**
 * Reading a stream in order through an ephemeral pull consumer that is made anew whenever anything is in doubt: a gap in its
 * own numbering, silence, a lost connection, a server that came back without it. (The client's own `consume()` says once that
 * its consumer is gone and then hangs, and wraps each message; a replay reads millions.)
 *
 * Owns the consumer, its inbox and what was asked of the server. Invariants:
 * 1. Messages of one start come in the order of the stream, each once; what does not carry the next consumer number is
 *    dropped and leads to a new start.
 * 2. Messages of a former start are never seen after `onStart` of a later one.
 * 3. At most two requests (`requestsAhead`) are outstanding, each of at most `mostRequestBytes`, and none is made while `full` says so: what is
 *    under way is bounded whatever the messages' size, and the server never has more for this connection than it buffers
 *    (64 MiB by default; whoever asks for more of large messages is cut off as a slow consumer).
 */
import type { Msg, Subscription } from 'nats'
import { createInbox } from 'nats'
import { hear } from '../hearing.ts'
import type { Timer } from '../ports/clock.ts'
import { Unavailable } from '../ports/event-log.ts'
import { apiCodes } from './error-codes.ts'
import type { Link } from './link.ts'
import { RefusedByServer, endProcess } from './link.ts'

/** What the server says of a delivered message. */
export interface Delivered {
  readonly sequence: number
  readonly storedMs: number
  /** Messages that match and come after this one, as the consumer knew when it sent this. */
  readonly pending: number
}

interface ConsumerInfo {
  readonly num_pending: number
  readonly delivered: { readonly consumer_seq: number }
}

export interface OrderedPullOptions {
  readonly link: Link
  readonly stream: string
  /** Delivery policy and filters; asked at every start, so that a log goes on where it was. */
  where(): Readonly<Record<string, unknown>>
  onMessage(message: Msg, delivered: Delivered): void
  /** A new consumer stands; `pending` messages match now. */
  onStart(pending: number): void
  /** Nothing came for a while; the server is there. */
  onIdle(): void
  /** The stream is not there. Reading stops where this returns true, else it is tried again. */
  onMissing(): boolean
  /** The server does not let it be read. Likewise. */
  onRefused(error: RefusedByServer): boolean
  /** While true nothing more is asked for; call `refill` when that ends. */
  full(): boolean
  /** Of one request; absent: what is fastest. More than a message has. */
  readonly requestBytes?: number
  /** Likewise. */
  readonly requestMessages?: number
}

/** While one is being filled the next one stands ready, so that the server never waits for this side; at rest one is enough, and costs half as much. */
const requestsAhead = { flowing: 2, atRest: 1 } as const
/** No more messages since it was made, and none pending: a request that is far from being filled. */
const fewMessages = 16
export const mostRequestMessages = 8_192
const mostRequestBytes = 8 * 1024 * 1024
const expiresMs = 30_000
/**
 * How often the server says that it is there, and how often this side looks whether it did: each costs a realm at rest. In a cluster a
 * consumer lives on one server, and is gone with it without a word; of a lone server the connection tells.
 */
const paces = { alone: { heartbeatMs: 10_000, lookMs: 10_000 }, clustered: { heartbeatMs: 2_000, lookMs: 1_000 } } as const
const retryMs = { first: 50, longest: 1_000 } as const
const nanosPerMs = 1_000_000

export class OrderedPull {
  readonly #options: OrderedPullOptions
  #start = 0
  #stopped = false
  #subscription: Subscription | undefined
  #consumer: string | undefined
  #inbox = ''
  /** Requests that the server has not ended, oldest first: it fills them in that order. */
  #requests: number[] = []
  #requestNumber = 0
  #expected = 1
  #backoffMs: number = retryMs.first
  #heardMs = 0
  /** Messages that match and have not come, as the server said last. */
  #pending = 0
  /** Number of the first message that came after the last request was made. */
  #askedAt = 1
  #watchdog: Timer | undefined
  #retry: Timer | undefined
  readonly #stopFollowing: () => void

  constructor(options: OrderedPullOptions) {
    this.#options = options
    this.#stopFollowing = options.link.onState((state) => {
      if (state === 'connected') this.#restart()
    })
    this.#restart()
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stopFollowing()
    this.#leave()
    this.#options.link.reading.ends(this)
  }

  /** Asks for more where less is asked for than may be. */
  refill(): void {
    const { link, stream, full, requestBytes = mostRequestBytes, requestMessages = mostRequestMessages } = this.#options
    if (this.#stopped || this.#consumer === undefined || link.state === 'disconnected') return
    const ahead = this.#flows ? requestsAhead.flowing : requestsAhead.atRest
    while (this.#requests.length < ahead && !full()) {
      this.#askedAt = this.#expected
      const number = ++this.#requestNumber
      this.#requests.push(number)
      const request = { batch: requestMessages, max_bytes: requestBytes, expires: expiresMs * nanosPerMs, idle_heartbeat: this.#pace.heartbeatMs * nanosPerMs }
      link.connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.#consumer}`, JSON.stringify(request), { reply: `${this.#inbox}.${number}` })
    }
  }

  /**
   * Whether the server has nothing for this reader that has not come. Asked where the last of what was pending may have been
   * removed before it was delivered. False where it is not known.
   */
  async isDrained(): Promise<boolean> {
    const { link, stream } = this.#options
    const start = this.#start
    if (this.#consumer === undefined) return false
    try {
      const answer = await link.api<ConsumerInfo>(`CONSUMER.INFO.${stream}.${this.#consumer}`)
      return answer.ok && start === this.#start && answer.value.num_pending === 0 && answer.value.delivered.consumer_seq === this.#expected - 1
    } catch (error) {
      if (error instanceof Unavailable) return false
      throw error
    }
  }

  #leave(): void {
    this.#start += 1
    this.#watchdog?.cancel()
    this.#retry?.cancel()
    const { link, stream } = this.#options
    const consumer = this.#consumer
    this.#consumer = undefined
    this.#subscription?.unsubscribe()
    this.#subscription = undefined
    // A courtesy: without it the server drops the consumer when it has been idle.
    if (consumer !== undefined && link.state === 'connected' && !link.connection.isClosed()) {
      link.connection.publish(`$JS.API.CONSUMER.DELETE.${stream}.${consumer}`)
    }
  }

  #restart(): void {
    this.#leave()
    if (!this.#stopped && this.#options.link.state === 'connected') void this.#begin(this.#start)
  }

  #restartLater(): void {
    this.#leave()
    if (this.#stopped) return
    this.#retry = this.#options.link.clock.after(this.#backoffMs, () => this.#restart())
    this.#backoffMs = Math.min(this.#backoffMs * 2, retryMs.longest)
  }

  #failed(error: Error): void {
    this.#options.link.reading.fails(this, error.message)
    this.#restartLater()
  }

  async #begin(start: number): Promise<void> {
    const { link, stream, where, onStart, onMissing, onRefused } = this.#options
    let answer
    try {
      answer = await link.api<{ readonly name: string; readonly num_pending?: number }>(`CONSUMER.CREATE.${stream}`, {
        stream_name: stream,
        config: {
          ...where(),
          ack_policy: 'none',
          max_deliver: 1,
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: expiresMs * 2 * nanosPerMs,
          replay_policy: 'instant',
        },
        action: 'create',
      })
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      if (start === this.#start) this.#failed(error)
      return
    }
    if (start !== this.#start) return
    if (!answer.ok) {
      const refused = new RefusedByServer(`read stream ${stream}`, answer.error)
      const isMissing = answer.error.err_code === apiCodes.streamNotFound
      const isOver = isMissing ? onMissing() : answer.error.code < 500 && onRefused(refused)
      if (isOver) this.stop()
      else this.#failed(refused)
      return
    }
    link.reading.ends(this)
    this.#consumer = answer.value.name
    this.#requests = []
    this.#expected = 1
    this.#askedAt = 1
    this.#inbox = createInbox()
    this.#subscription = link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (start !== this.#start) return
        if (error === null) hear(() => this.#receive(message), endProcess)
        else this.#restartLater()
      },
    })
    this.#heardMs = link.clock.monotonicMs()
    this.#watch()
    this.#pending = answer.value.num_pending ?? 0
    onStart(this.#pending)
    this.refill()
  }

  #receive(message: Msg): void {
    const { reply } = message
    if (reply === '' || reply === undefined) return this.#receiveStatus(message)
    const consumerSequence = parseAck(reply)
    if (consumerSequence === 0) return this.#receiveStatus(message)
    if (consumerSequence !== this.#expected) return this.#restart()
    this.#expected += 1
    this.#backoffMs = retryMs.first
    this.#pending = acknowledged.pending
    this.#options.onMessage(message, acknowledged)
    if (this.#requests.length === requestsAhead.atRest && this.#flows) this.refill()
  }

  #receiveStatus(message: Msg): void {
    this.#heardMs = this.#options.link.clock.monotonicMs()
    const code = message.headers?.code
    switch (code) {
      // Idle heartbeat.
      case 100:
        this.#options.onIdle()
        return
      // The request expired.
      case 404:
      case 408:
        this.#ended(message.subject)
        this.#options.onIdle()
        return
      // As many messages or bytes as were asked for have come; so it says by what is left of either.
      case 409: {
        const left = message.headers?.get('Nats-Pending-Bytes') ?? ''
        // A single message larger than a request would be refused for ever.
        if (left === '' || Number(left) >= (this.#options.requestBytes ?? mostRequestBytes)) return this.#restartLater()
        this.#ended(message.subject)
        return
      }
      // The consumer is gone, changed its leader or was never there.
      default:
        this.#restartLater()
    }
  }

  #ended(inbox: string): void {
    const number = Number(inbox.slice(this.#inbox.length + 1))
    // Earlier ones were filled before it. One that is filled to the very byte ends without a word.
    this.#requests = this.#requests.filter((open) => open > number)
    this.refill()
  }

  get #flows(): boolean {
    return this.#pending > 0 || this.#expected - this.#askedAt > fewMessages
  }

  get #pace() {
    return this.#options.link.isClustered ? paces.clustered : paces.alone
  }

  #watch(): void {
    const { clock } = this.#options.link
    const { heartbeatMs, lookMs } = this.#pace
    // After such a silence the consumer is taken for lost.
    const silenceMs = heartbeatMs * 2 + 500
    const start = this.#start
    const expected = this.#expected
    this.#watchdog = clock.after(lookMs, () => {
      if (start !== this.#start) return
      const nowMs = clock.monotonicMs()
      // Messages count as a sign of life without a look at the clock for each.
      if (expected !== this.#expected || this.#requests.length === 0) this.#heardMs = nowMs
      else if (nowMs - this.#heardMs >= silenceMs) return this.#restart()
      this.#watch()
    })
  }
}

/** Filled by `parseAck` for the message at hand, so that reading millions of messages makes no garbage here. */
const acknowledged = { sequence: 0, storedMs: 0, pending: 0 }
const dot = 46
const zero = 48

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>`, or the form with domain and
 * account before the stream's name, into `acknowledged`. Returns the consumer's number, 0 for what is no such subject.
 */
function parseAck(reply: string): number {
  let dots = 0
  for (let i = 0; i < reply.length; i++) if (reply.charCodeAt(i) === dot) dots += 1
  if (dots < 8) return 0
  let skip = dots >= 10 ? 7 : 5
  let at = 0
  for (; skip > 0; at++) if (reply.charCodeAt(at) === dot) skip -= 1
  let consumer = 0
  acknowledged.sequence = 0
  acknowledged.pending = 0
  for (; reply.charCodeAt(at) !== dot; at++) acknowledged.sequence = acknowledged.sequence * 10 + reply.charCodeAt(at) - zero
  for (at++; reply.charCodeAt(at) !== dot; at++) consumer = consumer * 10 + reply.charCodeAt(at) - zero
  const stampEnd = reply.indexOf('.', ++at)
  let stamp = 0
  // Nanoseconds do not fit into a number: the last six digits stay away.
  for (; at < stampEnd - 6; at++) stamp = stamp * 10 + reply.charCodeAt(at) - zero
  acknowledged.storedMs = stamp
  for (at = stampEnd + 1; at < reply.length && reply.charCodeAt(at) !== dot; at++) {
    acknowledged.pending = acknowledged.pending * 10 + reply.charCodeAt(at) - zero
  }
  return consumer
}
