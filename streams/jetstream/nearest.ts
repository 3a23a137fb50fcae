/**
 * The nearest of several servers of one realm [508]: which one the client dials next, and whether a nearer one is back.
 *
 * Owns what was tried since the last connection. Invariants:
 * 1. Servers that were named are dialled in their order, nearest first, each once before any is dialled again; a server that is
 *    full refuses the connection, and is one that was tried.
 * 2. One that fell silent while it was connected counts as tried.
 * 3. Servers that the cluster told of, and nobody named, come last.
 */
import type { ReconnectToServerHandler, Server } from 'nats'
import { nextToTry } from '../../machines/coordinator/choice.ts'

export class ServerOrder {
  /** `host:port` of each that was named, nearest first. */
  readonly listens: readonly string[]
  readonly #tried = new Set<string>()

  constructor(urls: readonly string[]) {
    this.listens = urls.map(listenOf)
  }

  /** For the client: called before each attempt. */
  readonly choose: ReconnectToServerHandler = (pool) => {
    const rank = (server: Server) => {
      const at = this.listens.indexOf(server.listen)
      return at === -1 ? this.listens.length : at
    }
    const ordered = [...pool].sort((a, b) => rank(a) - rank(b))
    const all = ordered.map((server) => server.listen)
    if (all.every((listen) => this.#tried.has(listen))) this.#tried.clear()
    const next = nextToTry(all, this.#tried)
    if (next === undefined) return null
    this.#tried.add(next)
    return ordered.find((server) => server.listen === next) ?? null
  }

  connected(): void {
    this.#tried.clear()
  }

  /** Of the one that is connected: a silent one, once it is given up, would be dialled in vain for as long as an attempt may take. */
  answers(listen: string, itDoes: boolean): void {
    if (itDoes) this.#tried.delete(listen)
    else this.#tried.add(listen)
  }

  /** Place in the order of nearness; beyond the last for one that nobody named. */
  rankOf(listen: string): number {
    const at = this.listens.indexOf(listen)
    return at === -1 ? this.listens.length : at
  }
}

const natsPort = 4222

/** As the client names a server in its pool. */
export function listenOf(url: string): string {
  const rest = url.toLowerCase().replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '')
  return /:\d+$/.test(rest) ? rest : `${rest}:${natsPort}`
}
