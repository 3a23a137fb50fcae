/** Messages in memory: core NATS as its users see it. */
import type { AskOptions, Asked, Bus, BusMessage, LinkState, Published, ServiceDefinition, Subscription } from '../ports/bus.ts'
import { hear, raise } from '../hearing.ts'
import { Unavailable } from '../ports/event-log.ts'
import { subjectTest } from '../subject-match.ts'
import type { SubjectTest } from '../subject-match.ts'
import { exchange } from './exchange.ts'
import type { MemoryLink, MemoryNetwork } from './realm.ts'

interface Listener {
  readonly link: MemoryLink
  readonly fits: SubjectTest
  readonly queue: string | undefined
  readonly handle: (message: BusMessage) => void
  active: boolean
}

/** All subscriptions of the realm, in the order in which they were made. */
export class Switchboard {
  readonly #network: MemoryNetwork
  readonly #listeners = new Set<Listener>()

  constructor(network: MemoryNetwork) {
    this.#network = network
  }

  add(listener: Listener): void {
    this.#listeners.add(listener)
  }

  remove(listener: Listener): void {
    listener.active = false
    this.#listeners.delete(listener)
  }

  removeAllOf(link: MemoryLink): void {
    for (const listener of this.#listeners) if (listener.link === link) this.remove(listener)
  }

  /** Number of recipients chosen; each gets what the faults leave of its message. */
  route(from: MemoryLink, subject: string, data: Uint8Array, reply: ((answerer: MemoryLink, data: Uint8Array) => void) | undefined): number {
    const recipients: Listener[] = []
    const queues = new Map<string, Listener[]>()
    for (const listener of this.#listeners) {
      // The server does not know of a half-open connection: it counts as a recipient, and gets nothing.
      if (listener.link.reach() === 'disconnected' || !listener.fits(subject)) continue
      if (listener.queue === undefined) recipients.push(listener)
      else queues.set(listener.queue, [...(queues.get(listener.queue) ?? []), listener])
    }
    for (const members of queues.values()) recipients.push(members[this.#choose(members.length)] as Listener)
    for (const listener of recipients) {
      this.#deliver(from, listener.link, subject, false, () => {
        if (!listener.active) return
        listener.handle({
          subject,
          data: new Uint8Array(data),
          wantsAnswer: reply !== undefined,
          answer: (answer) => reply?.(listener.link, bytesOf(answer)),
        })
      })
    }
    return recipients.length
  }

  /** Runs `arrive` once for every copy that gets through. */
  #deliver(from: MemoryLink, to: MemoryLink, subject: string, answer: boolean, arrive: () => void): void {
    const deliveries = this.#network.faults.message?.({ from: from.name, to: to.name, subject, answer }) ?? [0]
    for (const delayMs of deliveries) {
      this.#network.later(delayMs, () => {
        if (to.reach() === 'connected') hear(arrive, raise)
      })
    }
  }

  answer(from: MemoryLink, to: MemoryLink, subject: string, arrive: () => void): void {
    if (from.reach() === 'connected') this.#deliver(from, to, subject, true, arrive)
  }

  #choose(count: number): number {
    if (count === 1) return 0
    const [high, low] = this.#network.random.bytes(2) as unknown as [number, number]
    return ((high << 8) | low) % count
  }
}

export class MemoryBus implements Bus {
  readonly #link: MemoryLink
  readonly #switchboard: Switchboard

  constructor(link: MemoryLink, switchboard: Switchboard) {
    this.#link = link
    this.#switchboard = switchboard
  }

  get link(): LinkState {
    return this.#link.state()
  }

  onLink(listener: (state: LinkState) => void): Subscription {
    let before = this.link
    const stop = this.#link.onChange(() => {
      if (this.link === before) return
      before = this.link
      listener(before)
    })
    return { stop }
  }

  publish(subject: string, data: Uint8Array | string): void {
    if (this.#link.reach() === 'connected') this.#switchboard.route(this.#link, subject, bytesOf(data), undefined)
  }

  async publishHeard(messages: readonly Published[], timeoutMs: number): Promise<readonly boolean[]> {
    const link = this.#link
    const connected = link.reach() === 'connected'
    const heard = messages.map(({ subject, data }) => !connected || this.#switchboard.route(link, subject, bytesOf(data), () => {}) > 0)
    await this.flush(timeoutMs)
    return heard
  }

  subscribe(subject: string, handle: (message: BusMessage) => void, options: { readonly queue?: string } = {}): Subscription {
    const listener: Listener = { link: this.#link, fits: subjectTest([subject]), queue: options.queue, handle, active: true }
    this.#switchboard.add(listener)
    return { stop: () => this.#switchboard.remove(listener) }
  }

  ask(subject: string, data: Uint8Array | string, options: AskOptions): Promise<Asked> {
    const link = this.#link
    if (link.closed || link.state() === 'disconnected') return Promise.resolve({ kind: 'offline' })
    return new Promise((resolve) => {
      let settled = false
      const settle = (asked: Asked) => {
        settled = true
        timer.cancel()
        stopListening()
        resolve(asked)
      }
      const timer = link.clock.after(options.timeoutMs, () => settle({ kind: 'timeout' }))
      // What was under way when the connection went has no answer to wait for.
      const stopListening = link.onChange(() => {
        if (link.closed || link.state() === 'disconnected') settle({ kind: 'timeout' })
      })
      if (link.reach() !== 'connected') return
      const recipients = this.#switchboard.route(link, subject, bytesOf(data), (answerer, answer) => {
        this.#switchboard.answer(answerer, link, subject, () => {
          if (!settled && (options.accept?.(answer) ?? true)) settle({ kind: 'answer', data: answer })
        })
      })
      if (recipients === 0) link.network.later(0, () => !settled && settle({ kind: 'no-responders' }))
    })
  }

  async flush(timeoutMs: number): Promise<void> {
    const link = this.#link
    const answered = await exchange(link, undefined, () => {}, timeoutMs)
    if (answered.kind !== 'answer') throw new Unavailable(`${link.name} is not connected to its realm`)
  }

  async serve(service: ServiceDefinition): Promise<Subscription> {
    const subscriptions = service.endpoints.map((endpoint) =>
      this.subscribe(endpoint.subject, (message) => endpoint.handle(message), { queue: service.queue }),
    )
    return { stop: () => subscriptions.forEach((subscription) => subscription.stop()) }
  }

  close(): void {
    this.#switchboard.removeAllOf(this.#link)
  }
}

/** A copy, as what has gone out is one. */
function bytesOf(data: Uint8Array | string): Uint8Array {
  return new Uint8Array(typeof data === 'string' ? Buffer.from(data) : data)
}
