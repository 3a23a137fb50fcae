/** One connection, as every program makes it. */
import type { ConnectionOptions } from 'nats'
import { withoutLogin } from '../login-in-text.ts'
import type { Clock } from '../ports/clock.ts'
import { Unavailable } from '../ports/event-log.ts'
import { Link } from './link.ts'
import { ServerOrder } from './nearest.ts'
import { connect } from './transport.ts'

export interface Login {
  readonly token?: string
  readonly user?: string
  readonly pass?: string
}

export interface LinkOptions extends Login {
  /** URLs, nearest first [508]. */
  readonly servers: readonly string[]
  /** Shown by the server beside the connection. */
  readonly name: string
  readonly clock: Clock
  /** How long the first connection is tried, milliseconds; 5,000 when absent. */
  readonly connectTimeoutMs?: number
  /** How long each answer is waited for, milliseconds; 5,000 when absent. A write without one is indeterminate. */
  readonly answerTimeoutMs?: number
}

/** A connection with the client's settings that the ports rely on. Throws `Unavailable`. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { servers, name, clock, connectTimeoutMs = 5_000 } = options
  const order = new ServerOrder(servers)
  const settings: ConnectionOptions = {
    servers: [...servers],
    name,
    ...loginOf(options),
    timeout: connectTimeoutMs,
    // The client gives up after 10 reconnections unless told otherwise.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 50,
    reconnectJitterTLS: 50,
    // A half-open connection is found within three of these.
    pingInterval: 3_000,
    maxPingOut: 2,
    noAsyncTraces: true,
    noRandomize: true,
    reconnectToServer: order.choose,
  }
  try {
    return new Link(await connect(settings), clock, options.answerTimeoutMs, order)
  } catch (cause) {
    throw new Unavailable(`no nats-server answers at ${named(servers)}: check the URL and that it runs`, { cause })
  }
}

/** For a message; I10. */
export function named(servers: readonly string[]): string {
  return servers.map(withoutLogin).join(', ')
}

function loginOf({ token, user, pass }: Login): Login {
  return { ...(token !== undefined && { token }), ...(user !== undefined && { user }), ...(pass !== undefined && { pass }) }
}
