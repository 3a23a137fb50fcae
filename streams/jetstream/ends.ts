/**
 * Who is gone, told by the server: an agent has a push consumer that never delivers anything (on the stream of the bucket of agents). When its
 * connection goes, nobody hears the consumer's deliver subject any more; the server drops it and says so to whoever listens.
 *
 * Owns that consumer. It is made anew after each reconnection, and where it went although its connection is there (somebody deleted it); of one that
 * went with its bucket or its server nothing is known here, and nothing told.
 */
import { createInbox } from 'nats'
import { hear } from '../hearing.ts'
import type { Subscription } from '../ports/bus.ts'
import type { Timer } from '../ports/clock.ts'
import type { ConnectionEnds } from '../ports/ends.ts'
import { Unavailable } from '../ports/event-log.ts'
import { type Link, endProcess } from './link.ts'

/** So long the server waits for the deliver subject to be heard again. */
const unheardMs = 20
const nanosPerMs = 1_000_000
/** Before one that went is made anew: whatever deletes it is not to be asked without end. */
const anewMs = 1_000
/** No key of the bucket. */
const noKey = 'ends'

export class JetStreamEnds implements ConnectionEnds {
  isShown = false
  readonly #link: Link
  readonly #bucket: string
  #agent: string | undefined
  readonly #inbox = createInbox()

  constructor(link: Link, bucket: string) {
    this.#link = link
    this.#bucket = bucket
  }

  show(agent: string): void {
    if (this.#agent !== undefined) return
    this.#agent = agent
    const name = `ends-${this.#inbox.slice(this.#inbox.lastIndexOf('.') + 1)}-${agent}`
    let anew: Timer | undefined
    this.#link.connection.subscribe(this.#inbox, { callback: () => {} })
    this.#link.connection.subscribe(`${this.#deleted}.${name}`, {
      callback: (error) => {
        if (error !== null || this.#link.state === 'disconnected') return
        this.isShown = false
        anew?.cancel()
        anew = this.#link.clock.after(anewMs, () => void this.#make(name))
      },
    })
    this.#link.onState((state) => {
      this.isShown = false
      anew?.cancel()
      if (state === 'connected') void this.#make(name)
    })
    void this.#make(name)
  }

  onEnd(listener: (agent: string) => void): Subscription {
    const subscription = this.#link.connection.subscribe(`${this.#deleted}.*`, {
      callback: (error, message) => {
        const agent = error === null ? agentIn(message.subject) : undefined
        if (agent !== undefined) hear(() => listener(agent), endProcess)
      },
    })
    return { stop: () => subscription.unsubscribe() }
  }

  get #stream(): string {
    return `KV_${this.#bucket}`
  }

  /** Followed by the consumer's name: where the server says that it is gone. */
  get #deleted(): string {
    return `$JS.EVENT.ADVISORY.CONSUMER.DELETED.${this.#stream}`
  }

  /** Where it cannot be made, the agent's end is found by those who ask it. */
  async #make(name: string): Promise<void> {
    try {
      const answer = await this.#link.api(`CONSUMER.CREATE.${this.#stream}.${name}`, {
        stream_name: this.#stream,
        config: {
          name,
          deliver_subject: this.#inbox,
          deliver_policy: 'new',
          filter_subject: `$KV.${this.#bucket}.${noKey}`,
          ack_policy: 'none',
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: unheardMs * nanosPerMs,
        },
      })
      this.isShown = answer.ok && this.#link.state === 'connected'
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
  }
}

function agentIn(subject: string): string | undefined {
  return /\.ends-[A-Za-z0-9]+-([A-Za-z0-9_-]+)$/.exec(subject)?.[1]
}
