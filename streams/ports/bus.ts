/**
 * Messages that may be lost, late or doubled: core NATS (DESIGN §3). Nothing durable depends on one arriving (P6).
 */

export interface BusMessage {
  readonly subject: string
  readonly data: Uint8Array
  /** False when the sender waits for no answer. */
  readonly wantsAnswer: boolean
  /** Sends the answer; at most one is useful, more are allowed (an asker with `accept` goes on waiting). */
  answer(data: Uint8Array | string): void
}

export interface Subscription {
  stop(): void
}

export type Asked =
  | { readonly kind: 'answer'; readonly data: Uint8Array }
  /** Nobody subscribes to the subject: known at once. */
  | { readonly kind: 'no-responders' }
  | { readonly kind: 'timeout' }
  /** Not connected, or larger than the server takes; nothing was sent. */
  | { readonly kind: 'offline' }

export interface AskOptions {
  readonly timeoutMs: number
  /** Answers for which this returns false are passed over and the wait goes on (P5: "not the holder"). */
  readonly accept?: (data: Uint8Array) => boolean
}

export type LinkState = 'connected' | 'disconnected'

/** An endpoint of the NATS services protocol (ADR-32), found by `nats micro ls`. */
export interface EndpointDefinition {
  /** No dots. */
  readonly name: string
  readonly subject: string
  readonly metadata: Readonly<Record<string, string>>
  handle(message: BusMessage): void
}

export interface ServiceDefinition {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly metadata: Readonly<Record<string, string>>
  /** Queue group shared by equivalent services. */
  readonly queue: string
  readonly endpoints: readonly EndpointDefinition[]
}

export interface Published {
  readonly subject: string
  readonly data: Uint8Array | string
}

export interface Bus {
  /** Dropped without a word while offline. A text goes out in UTF-8. */
  publish(subject: string, data: Uint8Array | string): void
  /**
   * Publishes each, in order, and resolves which of them somebody subscribes to, once the server has processed all of them. What the server
   * does not say counts as heard. Who listens sees that an answer is wanted, and need give none. Rejects with `Unavailable` as `flush` does.
   */
  publishHeard(messages: readonly Published[], timeoutMs: number): Promise<readonly boolean[]>
  subscribe(subject: string, handle: (message: BusMessage) => void, options?: { readonly queue?: string }): Subscription
  ask(subject: string, data: Uint8Array | string, options: AskOptions): Promise<Asked>
  /** Resolves when the server has processed everything sent before. Rejects with `Unavailable` after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>
  serve(service: ServiceDefinition): Promise<Subscription>
  readonly link: LinkState
  onLink(listener: (state: LinkState) => void): Subscription
}
