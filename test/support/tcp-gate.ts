/**
 * A TCP port before another one that can be shut as a network is cut: nothing passes either way and nobody is told, neither by an end nor
 * by a reset; who connects meanwhile hears nothing. Opened again, what was under way goes on, as TCP would have sent it again.
 */
import { once } from 'node:events'
import { type Server, type Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

interface Pair {
  readonly from: Socket
  readonly to: Socket
  /** One of the two has ended while the gate was shut: the other hears of it when it opens. */
  ended: boolean
}

export class TcpGate implements AsyncDisposable {
  readonly #targetPort: () => number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  /** Came while it was shut. */
  readonly #waiting = new Set<Socket>()
  #shut = false

  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort
    this.#server = createServer((socket) => this.#meet(socket))
  }

  static async open(targetPort: () => number): Promise<TcpGate> {
    const gate = new TcpGate(targetPort)
    gate.#server.listen(0, '127.0.0.1')
    await once(gate.#server, 'listening')
    return gate
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  shut(): void {
    this.#shut = true
    for (const { from, to } of this.#pairs) for (const socket of [from, to]) socket.pause()
  }

  reopen(): void {
    this.#shut = false
    for (const pair of this.#pairs) {
      if (pair.ended) this.#end(pair)
      else for (const socket of [pair.from, pair.to]) socket.resume()
    }
    for (const socket of [...this.#waiting]) {
      this.#waiting.delete(socket)
      if (!socket.destroyed) this.#join(socket)
    }
  }

  #meet(socket: Socket): void {
    socket.on('error', () => {})
    if (!this.#shut) return this.#join(socket)
    this.#waiting.add(socket)
    socket.once('close', () => this.#waiting.delete(socket))
  }

  #join(from: Socket): void {
    const to = connect(this.#targetPort(), '127.0.0.1')
    to.on('error', () => {})
    const pair: Pair = { from, to, ended: false }
    this.#pairs.add(pair)
    for (const [one, other] of [[from, to], [to, from]] as const) {
      one.setNoDelay(true)
      one.on('data', (bytes) => {
        if (other.write(bytes) || this.#shut) return
        one.pause()
        other.once('drain', () => this.#shut || one.resume())
      })
      one.once('close', () => {
        pair.ended = true
        if (!this.#shut) this.#end(pair)
      })
    }
  }

  #end(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.from.destroy()
    pair.to.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const pair of [...this.#pairs]) this.#end(pair)
    for (const socket of this.#waiting) socket.destroy()
    await closed
  }
}
