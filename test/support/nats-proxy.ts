/**
 * A TCP proxy in front of a nats-server that understands enough of the protocol to lose one message: a publish on its way
 * to the server, or the answer to a publish on its way back.
 */
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'

export type Loss = 'request' | 'answer'

interface Armed {
  readonly subject: string
  readonly loss: Loss
  readonly done: () => void
}

export class NatsProxy implements AsyncDisposable {
  readonly #targetPort: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #armed: Armed[] = []
  /** Inboxes whose next message is swallowed. */
  readonly #swallowed = new Map<string, () => void>()
  #refusing = false

  private constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((socket) => this.#join(socket))
  }

  static async start(targetPort: number): Promise<NatsProxy> {
    const proxy = new NatsProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('this proxy does not listen')
    return `nats://127.0.0.1:${address.port}`
  }

  /** Swallows the next publish on exactly this subject, or the answer to it. Resolves when that has happened. */
  loseNext(subject: string, loss: Loss): Promise<void> {
    return new Promise((done) => this.#armed.push({ subject, loss, done }))
  }

  /** Ends every connection; with `refuse`, also those that come, until `admit`. */
  cut(refuse = false): void {
    this.#refusing = refuse
    for (const socket of this.#sockets) socket.destroy()
  }

  admit(): void {
    this.#refusing = false
  }

  #join(client: Socket): void {
    if (this.#refusing) {
      client.destroy()
      return
    }
    const server = connect(this.#targetPort, '127.0.0.1')
    const ends = [client, server] as const
    for (const socket of ends) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        for (const other of ends) other.destroy()
      })
    }
    const fromClient = new Frames((frame) => {
      if (this.#passesToServer(frame)) server.write(frame.bytes)
    })
    const fromServer = new Frames((frame) => {
      if (this.#passesToClient(frame)) client.write(frame.bytes)
    })
    client.on('data', (bytes) => fromClient.take(bytes))
    server.on('data', (bytes) => fromServer.take(bytes))
  }

  #passesToServer(frame: Frame): boolean {
    if (frame.verb !== 'PUB' && frame.verb !== 'HPUB') return true
    const [subject, reply] = frame.fields
    const armed = this.#armed.find((each) => each.subject === subject)
    if (armed === undefined) return true
    this.#armed = this.#armed.filter((each) => each !== armed)
    if (armed.loss === 'request') {
      armed.done()
      return false
    }
    this.#swallowed.set(reply as string, armed.done)
    return true
  }

  #passesToClient(frame: Frame): boolean {
    if (frame.verb !== 'MSG' && frame.verb !== 'HMSG') return true
    const done = this.#swallowed.get(frame.fields[0] as string)
    if (done === undefined) return true
    this.#swallowed.delete(frame.fields[0] as string)
    done()
    return false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut(true)
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

export interface Frame {
  readonly verb: string
  readonly fields: readonly string[]
  readonly bytes: Buffer
}

const verbsWithPayload = new Set(['PUB', 'HPUB', 'MSG', 'HMSG'])

/** Cuts one direction of a connection into control lines, with their payload where they have one. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0)
  readonly #onFrame: (frame: Frame) => void

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    for (;;) {
      const lineEnd = this.#rest.indexOf('\r\n')
      if (lineEnd < 0) return
      const [verb = '', ...fields] = this.#rest.toString('latin1', 0, lineEnd).split(' ')
      const payloadLength = verbsWithPayload.has(verb) ? Number(fields.at(-1)) + 2 : 0
      const frameEnd = lineEnd + 2 + payloadLength
      if (this.#rest.length < frameEnd) return
      const frame = this.#rest.subarray(0, frameEnd)
      this.#rest = this.#rest.subarray(frameEnd)
      this.#onFrame({ verb, fields, bytes: frame })
    }
  }
}
