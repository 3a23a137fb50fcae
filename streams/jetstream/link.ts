/**
 * One connection to NATS and the requests over it.
 *
 * Owns the client, the inbox of all requests and what is outstanding. Invariants:
 * 1. Nothing is sent while disconnected, so that nothing is sent later than its asker believes (DESIGN §5, facts of the client).
 * 2. When the connection goes, everything outstanding ends at once as `disconnected`: its fate is open, but no answer can come.
 * 3. Each exchange ends exactly once; all its time is the injected clock's.
 * 4. What is published goes out in that order, when the events at hand have been dealt with: one write to the socket for all of it,
 *    which costs more than anything else here. What waits for that is dropped when the connection goes.
 * 5. What is larger than the server takes is not sent, and said: it holds up nothing else.
 */
import type { Msg, NatsConnection } from 'nats'
import { createInbox } from 'nats'
import { Deadlines } from '../deadlines.ts'
import { type Clock, type Repeating, type Timer, every } from '../ports/clock.ts'
import { hear } from '../hearing.ts'
import { PassingMap } from '../passing.ts'
import type { LinkState } from '../ports/bus.ts'
import { Unavailable } from '../ports/event-log.ts'
import { type HeaderFields, type Outgoing, excessOf, publishAll } from './frames.ts'
import { type ReadingSaid, ReadingWatch } from '../reading.ts'
import { ServerOrder } from './nearest.ts'

export type Exchanged =
  | { readonly kind: 'answer'; readonly message: Msg }
  | { readonly kind: 'no-responders' }
  | { readonly kind: 'timeout' }
  /** Nothing was sent. */
  | { readonly kind: 'offline' }
  | { readonly kind: 'disconnected' }
  /** Larger than the server takes: nothing was sent, and a repeat is not either. */
  | { readonly kind: 'too-large'; readonly reason: string }

/** A message that is larger than the server takes, and was not sent. */
export interface TooLarge {
  readonly subject: string
  readonly sizeBytes: number
  readonly limitBytes: number
}

export interface ExchangeOptions {
  readonly timeoutMs: number
  readonly headers?: HeaderFields
  /** Answers for which this returns false are passed over. */
  readonly accept?: (data: Uint8Array) => boolean
  /** Asked again at this interval while no answer has come, milliseconds; the first answer counts. For what may be asked twice. */
  readonly repeatMs?: number
}

export interface ApiError {
  readonly code: number
  readonly err_code: number
  readonly description: string
}

export type ApiAnswer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ApiError }

const statusNoResponders = 503
const decoder = new TextDecoder()
/** How long an answer of the server is waited for where nothing else was said; a write without one is indeterminate. */
export const answerTimeoutMs = 5_000

/** With the one that is sent now, so many make a server silent; one more, and it is given up (`maxPingOut` of `openLink`). */
const unansweredPings = 2

/** Reads, and ephemeral consumers: one that nobody uses ends by itself. */
const mayRepeat = /^(?:INFO|STREAM\.(?:INFO|NAMES|MSG\.GET)|CONSUMER\.(?:INFO|CREATE))\b/
const askAgainMs = 1_000

/** What an answer may come for. */
interface Outstanding {
  take(message: Msg): void
  /** None can come any more. */
  disconnected(): void
}

class Exchange implements Outstanding {
  timer: Timer | undefined
  repeating: Repeating | undefined
  readonly #accept: ExchangeOptions['accept']
  readonly #ended: (exchanged: Exchanged) => void

  constructor(accept: ExchangeOptions['accept'], ended: (exchanged: Exchanged) => void) {
    this.#accept = accept
    this.#ended = ended
  }

  take(message: Msg): void {
    if (saysNobody(message)) this.settle({ kind: 'no-responders' })
    else if (this.#accept?.(message.data) ?? true) this.settle({ kind: 'answer', message })
  }

  disconnected(): void {
    this.settle({ kind: 'disconnected' })
  }

  settle(exchanged: Exchanged): void {
    this.timer?.cancel()
    this.repeating?.stop()
    this.#ended(exchanged)
  }
}

export class Link {
  readonly connection: NatsConnection
  readonly clock: Clock
  readonly answerTimeoutMs: number
  #state: LinkState = 'connected'
  #closed = false
  #token = 0
  readonly #inbox = createInbox()
  readonly #outstanding = new PassingMap<string, Outstanding>()
  readonly #deadlines: Deadlines
  readonly #listeners = new Set<(state: LinkState) => void>()
  #outbox: Outgoing[] = []

  /** Told of each message that was dropped because it is too large. */
  onTooLarge: (dropped: TooLarge) => void = () => {}
  /** Told of each change of whether what its readers want can be read. */
  onReading: (said: ReadingSaid) => void = () => {}
  readonly reading: ReadingWatch
  readonly #order: ServerOrder

  /** `order`: of the servers that were named; those that did not answer at first are tried again from now on. */
  constructor(connection: NatsConnection, clock: Clock, timeoutMs: number = answerTimeoutMs, order = new ServerOrder([connection.getServer()])) {
    this.connection = connection
    this.#order = order
    order.connected()
    this.#nameAll()
    this.clock = clock
    this.#deadlines = new Deadlines(clock)
    this.reading = new ReadingWatch(clock, (said) => this.onReading(said))
    this.answerTimeoutMs = timeoutMs
    const prefixLength = this.#inbox.length + 1
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) hear(() => this.#outstanding.get(message.subject.slice(prefixLength))?.take(message), endProcess)
      },
    })
    void this.#followStatus()
    void connection.closed().then(() => this.#enter('disconnected'))
  }

  get state(): LinkState {
    return this.#state
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Of the server that it is connected to, or was last: 0 for the nearest that was named. */
  get serverRank(): number {
    return this.#order.rankOf(this.connection.getServer())
  }

  /** The server that it is connected to, or was last, is one of several. */
  get isClustered(): boolean {
    return this.connection.info?.cluster !== undefined
  }

  /** Disconnects, and connects to the nearest server that answers. Nothing where it is disconnected or closed. */
  dialAnew(): void {
    if (this.#state === 'disconnected' || this.connection.isClosed()) return
    this.#nameAll()
    this.#order.connected()
    // Rejects only where the connection was closed meanwhile.
    this.connection.reconnect().catch(() => {})
  }

  /** The client drops servers that did not answer when it connected first. */
  #nameAll(): void {
    const known = this.connection.getServers().map((server) => server.listen)
    if (this.#order.listens.every((listen) => known.includes(listen))) return
    this.connection.setServers([...new Set([...this.#order.listens, ...known])])
  }

  /** Told of every change, and of the end, where `closed` is true. Returns how to stop. */
  onState(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  exchange(subject: string, data: Uint8Array | string, options: ExchangeOptions): Promise<Exchanged> {
    if (this.#state === 'disconnected' || this.connection.isClosed()) return Promise.resolve({ kind: 'offline' })
    const first = this.#excess({ subject, data, headers: options.headers })
    if (first !== undefined) return Promise.resolve({ kind: 'too-large', reason: `a message of ${first.sizeBytes} bytes is larger than the ${first.limitBytes} that the server takes` })
    return new Promise((resolve) => {
      const token = (++this.#token).toString(36)
      const ended = (exchanged: Exchanged) => {
        this.#outstanding.delete(token)
        resolve(exchanged)
      }
      const exchange = new Exchange(options.accept, ended)
      this.#outstanding.set(token, exchange)
      const message = { subject, data, reply: `${this.#inbox}.${token}`, headers: options.headers }
      exchange.timer = this.#deadlines.after(options.timeoutMs, () => exchange.settle({ kind: 'timeout' }))
      if (options.repeatMs !== undefined) exchange.repeating = every(this.clock, options.repeatMs, () => this.#post(message))
      this.#post(message)
    })
  }

  /** Dropped while disconnected, and where it is larger than the server takes. */
  publish(subject: string, data: Uint8Array | string, headers?: HeaderFields): void {
    this.#post({ subject, data, headers })
  }

  /** `onNobody`: when the server says that nobody subscribes, until what is returned is called. Dropped as by `publish`. */
  publishAsking(subject: string, data: Uint8Array | string, onNobody: () => void): () => void {
    const token = (++this.#token).toString(36)
    this.#outstanding.set(token, {
      take(message) {
        if (saysNobody(message)) onNobody()
      },
      disconnected() {},
    })
    this.#post({ subject, data, reply: `${this.#inbox}.${token}` })
    return () => void this.#outstanding.delete(token)
  }

  /** Said already, where it is one. */
  #excess(message: Outgoing): TooLarge | undefined {
    const limitBytes = this.connection.info?.max_payload ?? Infinity
    const sizeBytes = excessOf(message, limitBytes)
    if (sizeBytes === undefined) return undefined
    const dropped = { subject: message.subject, sizeBytes, limitBytes }
    this.onTooLarge(dropped)
    return dropped
  }

  #post(message: Outgoing): void {
    if (this.#state === 'disconnected' || this.connection.isClosed() || this.#excess(message) !== undefined) return
    this.#outbox.push(message)
    if (this.#outbox.length === 1) this.clock.after(0, () => this.sendOut())
  }

  /** What was published and waits goes to the client now. */
  sendOut(): void {
    const waiting = this.#outbox
    if (waiting.length === 0) return
    this.#outbox = []
    if (!this.connection.isClosed()) publishAll(this.connection, waiting)
  }

  /**
   * A request to the JetStream API. Throws `Unavailable` where no answer comes. What may be asked twice is asked again every second: of a
   * cluster only a stream's leader answers, and one that has just died, or is being elected, does not.
   */
  async api<T>(verb: string, payload?: unknown, timeoutMs = this.answerTimeoutMs): Promise<ApiAnswer<T>> {
    const exchanged = await this.exchange(`$JS.API.${verb}`, payload === undefined ? '' : JSON.stringify(payload), { timeoutMs, ...(mayRepeat.test(verb) && { repeatMs: askAgainMs }) })
    if (exchanged.kind !== 'answer') throw new Unavailable(`JetStream did not answer ${verb}: ${exchanged.kind}`)
    return parseApiAnswer<T>(exchanged.message.data)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    if (this.#state === 'connected') this.sendOut()
    this.#closed = true
    // Who waits for the link to come back hears that it will not, also where it was down already.
    if (this.#state === 'disconnected') for (const listener of [...this.#listeners]) listener('disconnected')
    else this.#enter('disconnected')
    this.#listeners.clear()
    await this.connection.close()
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      // The client says that a connection is stale when it has chosen the next server already.
      if (status.type === 'ping') this.#order.answers(this.connection.getServer(), status.pendingPings < unansweredPings)
      else if (status.type === 'disconnect') this.#enter('disconnected')
      else if (status.type === 'reconnect') {
        this.#order.connected()
        if (!this.#closed) this.#enter('connected')
      }
    }
  }

  #enter(state: LinkState): void {
    if (state === this.#state) return
    this.#state = state
    if (state === 'disconnected') {
      this.#outbox = []
      for (const one of [...this.#outstanding.values()]) one.disconnected()
      this.#deadlines.stop()
    }
    for (const listener of [...this.#listeners]) listener(state)
  }
}

function saysNobody(message: Msg): boolean {
  return message.data.length === 0 && message.headers?.code === statusNoResponders
}

/** A fault of a listener ends the process as any other does, and not the reading from its connection, which nobody would see. */
export function endProcess(fault: unknown): void {
  queueMicrotask(() => {
    throw fault
  })
}

export function parseApiAnswer<T>(data: Uint8Array): ApiAnswer<T> {
  const value = JSON.parse(decoder.decode(data)) as T & { readonly error?: ApiError }
  return value.error === undefined ? { ok: true, value } : { ok: false, error: value.error }
}

/** The answer is one that no program of Reeve knows how to go on from. */
export class RefusedByServer extends Error {
  override readonly name = 'RefusedByServer'
  readonly retryable = false
  readonly code: number
  constructor(what: string, error: ApiError) {
    super(`the server refused to ${what}: ${error.description} (${error.err_code})`)
    this.code = error.err_code
  }
}
