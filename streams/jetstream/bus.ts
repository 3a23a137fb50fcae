/** Messages over core NATS, services by its services protocol (ADR-32). */
import { Svcm } from '@nats-io/services'
import type { AskOptions, Asked, Bus, BusMessage, LinkState, Published, ServiceDefinition, Subscription } from '../ports/bus.ts'
import { hear } from '../hearing.ts'
import { Unavailable } from '../ports/event-log.ts'
import { type Link, endProcess } from './link.ts'

type Received = { readonly subject: string; readonly data: Uint8Array; readonly reply?: string | undefined }

export class NatsBus implements Bus {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  get link(): LinkState {
    return this.#link.state
  }

  onLink(listener: (state: LinkState) => void): Subscription {
    let before = this.link
    const stop = this.#link.onState((state) => {
      if (state === before) return
      before = state
      listener(state)
    })
    return { stop }
  }

  publish(subject: string, data: Uint8Array | string): void {
    this.#link.publish(subject, data)
  }

  async publishHeard(messages: readonly Published[], timeoutMs: number): Promise<readonly boolean[]> {
    const heard = messages.map(() => true)
    const ends = messages.map(({ subject, data }, index) => this.#link.publishAsking(subject, data, () => void (heard[index] = false)))
    try {
      // The server deals with one connection's messages in order: what it says of nobody comes before its answer to this.
      await this.flush(timeoutMs)
    } finally {
      for (const end of ends) end()
    }
    return heard
  }

  subscribe(subject: string, handle: (message: BusMessage) => void, options: { readonly queue?: string } = {}): Subscription {
    const subscription = this.#link.connection.subscribe(subject, {
      ...(options.queue !== undefined && { queue: options.queue }),
      callback: (error, message) => {
        if (error === null) hear(() => handle(this.#toBusMessage(message)), endProcess)
      },
    })
    return { stop: () => subscription.unsubscribe() }
  }

  async ask(subject: string, data: Uint8Array | string, options: AskOptions): Promise<Asked> {
    const exchanged = await this.#link.exchange(subject, data, options)
    switch (exchanged.kind) {
      case 'answer':
        return { kind: 'answer', data: exchanged.message.data }
      // Sent, and no answer can come any more.
      case 'disconnected':
        return { kind: 'timeout' }
      case 'too-large':
        return { kind: 'offline' }
      default:
        return exchanged
    }
  }

  flush(timeoutMs: number): Promise<void> {
    const link = this.#link
    if (!this.#sends()) return Promise.reject(new Unavailable('not connected to any server'))
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        timer.cancel()
        stopFollowing()
        reject(new Unavailable(`the server did not answer: ${why}`))
      }
      const timer = link.clock.after(timeoutMs, () => fail('time-out'))
      const stopFollowing = link.onState(() => fail('the connection went'))
      link.sendOut()
      link.connection.flush().then(
        () => {
          timer.cancel()
          stopFollowing()
          resolve()
        },
        () => fail('the connection went'),
      )
    })
  }

  async serve(service: ServiceDefinition): Promise<Subscription> {
    const { name, version, description, metadata, queue, endpoints } = service
    // The services package brings a copy of the client's types of its own.
    const connection = this.#link.connection as unknown as ConstructorParameters<typeof Svcm>[0]
    const added = await new Svcm(connection).add({ name, version, description, metadata: { ...metadata }, queue })
    for (const endpoint of endpoints) {
      added.addEndpoint(endpoint.name, {
        subject: endpoint.subject,
        metadata: { ...endpoint.metadata },
        queue,
        handler: (error, message) => {
          if (error === null) hear(() => endpoint.handle(this.#toBusMessage(message)), endProcess)
        },
      })
    }
    return { stop: () => void added.stop() }
  }

  #toBusMessage(message: Received): BusMessage {
    const reply = message.reply ?? ''
    return {
      subject: message.subject,
      data: message.data,
      wantsAnswer: reply !== '',
      answer: (data) => {
        if (reply !== '') this.publish(reply, data)
      },
    }
  }

  #sends(): boolean {
    return this.#link.state === 'connected' && !this.#link.connection.isClosed()
  }
}
