/**
 * What passes between the programs of a realm and the server: each program is connected through a proxy of its own, so that a test
 * can lose messages by kind, and knows who appended what to a lane without asking the programs.
 *
 * 1. `writers` names, by turn id, the process that first sent that turn to a lane's subject.
 * 2. What a rule loses is lost whole; everything else passes in its order.
 */
import { type Server, type Socket, connect, createServer } from 'node:net'
import { once } from 'node:events'
import { type Frame, Frames } from '../support/nats-proxy.ts'
import { type Asked, Overheard, isOverheard } from './overheard.ts'

export interface WireMessage {
  /** Who sent it, or is to receive it. */
  readonly process: string
  /** publish: on its way to the server. answer: on its way back to who asked. delivery: on its way to who listens, watches or follows. */
  readonly kind: 'publish' | 'answer' | 'delivery'
  /** Of the publish or the delivery, or of the request that is answered. */
  readonly subject: string
  readonly payload: () => Buffer
}

export interface LossRule {
  readonly loses: (message: WireMessage) => boolean
}

/** One of so many messages that match is lost, the first of them for certain. */
export class EveryNth implements LossRule {
  readonly #matches: (message: WireMessage) => boolean
  readonly #nth: number
  seen = 0
  lost = 0

  constructor(nth: number, matches: (message: WireMessage) => boolean) {
    this.#nth = nth
    this.#matches = matches
  }

  readonly loses = (message: WireMessage): boolean => {
    if (!this.#matches(message)) return false
    const lost = this.seen % this.#nth === 0
    this.seen += 1
    if (lost) this.lost += 1
    return lost
  }
}

export class Wire implements AsyncDisposable {
  readonly writers = new Map<string, string>()
  /** Every append to a lane that was sent, also those that the log refused, in the order of sending. */
  readonly attempts: { readonly process: string; readonly subject: string; readonly turn: string; readonly number: number }[] = []
  /** Subjects of everything that was published, and of what of it waited for an answer. */
  readonly published = new Set<string>()
  readonly asked = new Set<string>()
  readonly overheard = new Overheard()
  /** When an agent answered the last two pings of a process, by `<process> <agent>`. */
  readonly pings = new Map<string, readonly number[]>()
  readonly #targetPorts: readonly (() => number)[]
  readonly #ways: Way[] = []
  readonly #rules = new Set<LossRule>()
  /** By program, whichever of its processes: each next one has another server as its nearest. */
  readonly #nearest = new Map<string, number>()

  /** One server, or those of a cluster. */
  constructor(targetPorts: readonly (() => number)[]) {
    this.#targetPorts = targetPorts
  }

  /** Ways to the servers for one process, the nearest first; `name` tells it from every other, also from a former one of the same agent. */
  async open(name: string): Promise<{ readonly url: string; close(): Promise<void> }> {
    const program = name.replace(/#.*/, '')
    const nearest = this.#nearest.get(program) ?? this.#nearest.size
    this.#nearest.set(program, nearest)
    const ways = this.#targetPorts.map((_, index, all) => new Way(name, all[(nearest + index) % all.length]!, this))
    await Promise.all(ways.map((way) => way.listen()))
    this.#ways.push(...ways)
    return { url: ways.map((way) => way.url).join(','), close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
  }

  /** Until the rule is removed. */
  lose<R extends LossRule>(rule: R): R {
    this.#rules.add(rule)
    return rule
  }

  loseNoMore(rule: LossRule): void {
    this.#rules.delete(rule)
  }

  /** False: it is lost. `asks`: an answer is waited for. */
  passes(message: WireMessage, asks = false): boolean {
    if (message.kind === 'publish') this.published.add(message.subject)
    if (asks) this.asked.add(message.subject)
    if (message.kind === 'publish' && message.subject.includes('.event.lane.')) this.#noteWriter(message)
    for (const rule of this.#rules) if (rule.loses(message)) return false
    return true
  }

  #noteWriter({ payload, process, subject }: WireMessage): void {
    const { turn, number } = JSON.parse(payload().toString('utf8')) as { readonly turn: string; readonly number: number }
    this.attempts.push({ process, subject, turn, number })
    // A repeated append has the same id; another process never sends it (P11).
    const before = this.writers.get(turn)
    this.writers.set(turn, before === undefined || before === process ? process : `${before} and ${process}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ways.map((way) => way.close()))
  }
}

class Way {
  readonly #name: string
  readonly #targetPort: () => number
  readonly #wire: Wire
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #closed: Promise<void> | undefined

  constructor(name: string, targetPort: () => number, wire: Wire) {
    this.#name = name
    this.#targetPort = targetPort
    this.#wire = wire
    this.#server = createServer((socket) => this.#join(socket))
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('this way does not listen')
    return `nats://127.0.0.1:${address.port}`
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #join(client: Socket): void {
    const server = connect(this.#targetPort(), '127.0.0.1')
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
    /** What was asked, by the inbox of its answer. */
    const asked = new Map<string, Asked | { readonly subject: string }>()
    const process = this.#name
    const fromClient = new Frames((frame) => {
      if (frame.verb === 'PUB' || frame.verb === 'HPUB') {
        const [subject = ''] = frame.fields
        const inbox = frame.fields.length > (frame.verb === 'PUB' ? 2 : 3) ? frame.fields[1] : undefined
        if (inbox !== undefined) {
          if (asked.size > 10_000) asked.delete(asked.keys().next().value as string)
          asked.set(inbox, isOverheard(subject) ? { process, subject, payload: Buffer.from(payloadOf(frame)), sentMs: Date.now() } : { subject })
        }
        if (!this.#wire.passes({ process, kind: 'publish', subject, payload: () => payloadOf(frame) }, inbox !== undefined)) return
      }
      server.write(frame.bytes)
    })
    const fromServer = new Frames((frame) => {
      if (frame.verb === 'MSG' || frame.verb === 'HMSG') {
        const [to = ''] = frame.fields
        const request = asked.get(to)
        const payload = () => payloadOf(frame)
        // The server itself says that nobody hears the request: no payload.
        if (request !== undefined && 'payload' in request && payload().length > 0) this.#wire.overheard.note(request, payload(), Date.now())
        if (request !== undefined && !this.#wire.passes({ process, kind: 'answer', subject: request.subject, payload })) return
        const pinged = request && /^reeve\.agent\.([^.]+)\.ping$/.exec(request.subject)?.[1]
        if (pinged !== undefined && payload().length > 0) this.#wire.pings.set(`${process} ${pinged}`, [...(this.#wire.pings.get(`${process} ${pinged}`) ?? []).slice(-1), Date.now()])
        if (request === undefined && !to.startsWith('_INBOX.') && !this.#wire.passes({ process, kind: 'delivery', subject: to, payload })) return
      }
      client.write(frame.bytes)
    })
    client.on('data', (bytes) => fromClient.take(bytes))
    server.on('data', (bytes) => fromServer.take(bytes))
  }
}

/** Without control line, headers and the end of the line. */
function payloadOf(frame: Frame): Buffer {
  const lineEnd = frame.bytes.indexOf('\r\n')
  const headers = frame.verb.startsWith('H') ? Number(frame.fields.at(-2)) : 0
  return frame.bytes.subarray(lineEnd + 2 + headers, frame.bytes.length - 2)
}
