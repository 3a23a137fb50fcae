/**
 * What is published in one go of the event loop, as the bytes of the client protocol: one allocation for all of it. (The client makes
 * three pieces of each message and then copies all of them into one, which was a fifth of the time and most of the garbage of an agent
 * at work.)
 */
import { type NatsConnection, headers as emptyHeaders } from 'nats'

export interface Outgoing {
  readonly subject: string
  readonly data: Uint8Array | string
  readonly reply?: string | undefined
  readonly headers?: HeaderFields | undefined
}

/** By name; neither names nor values hold line ends. */
export type HeaderFields = Readonly<Record<string, string>>

/** The part of the client that takes whole frames. It is none of its documented interface: a client without it publishes one by one. */
interface FrameTaker {
  readonly info?: { readonly max_payload: number }
  sendCommand(frames: Uint8Array): void
}

const lineEnd = '\r\n'

/** In their order. What is larger than the server takes is left out, and the rest is sent. */
export function publishAll(connection: NatsConnection, messages: readonly Outgoing[]): void {
  const taker = frameTakerOf(connection)
  const frames = taker === undefined || messages.length === 0 ? undefined : framesOf(messages, taker.info?.max_payload ?? 0)
  if (frames !== undefined) return taker!.sendCommand(frames)
  const limitBytes = connection.info?.max_payload ?? Infinity
  for (const message of messages) {
    if (excessOf(message, limitBytes) !== undefined) continue
    const { subject, data, reply, headers } = message
    connection.publish(subject, data, { ...(reply === undefined ? {} : { reply }), ...(headers === undefined ? {} : { headers: clientHeaders(headers) }) })
  }
}

/** How large a message is, in bytes, where that is more than the server takes. */
export function excessOf({ data, headers }: Outgoing, limitBytes: number): number | undefined {
  const head = headers === undefined ? '' : headerText(headers)
  // A UTF-16 unit takes at most three bytes: nearly always they need not be counted.
  const mostBytes = head.length * 3 + (typeof data === 'string' ? data.length * 3 : data.length)
  if (mostBytes <= limitBytes) return undefined
  const sizeBytes = Buffer.byteLength(head) + (typeof data === 'string' ? Buffer.byteLength(data) : data.length)
  return sizeBytes > limitBytes ? sizeBytes : undefined
}

function frameTakerOf(connection: NatsConnection): FrameTaker | undefined {
  const { protocol } = connection as unknown as { readonly protocol?: Partial<FrameTaker> }
  return typeof protocol?.sendCommand === 'function' ? (protocol as FrameTaker) : undefined
}

/** Undefined where a message is larger than `limitBytes`. */
export function framesOf(messages: readonly Outgoing[], limitBytes: number): Uint8Array | undefined {
  return framesBy((text) => text.length, messages, limitBytes) ?? framesBy(Buffer.byteLength, messages, limitBytes)
}

/**
 * `sizeOf`: of a text, in bytes. Undefined also where that was wrong: nearly all texts are ASCII, whose characters need not be
 * encoded to be counted, and what lies between two messages that are bytes is then encoded as one text.
 */
function framesBy(sizeOf: (text: string) => number, messages: readonly Outgoing[], limitBytes: number): Uint8Array | undefined {
  const pieces: (string | Uint8Array)[] = []
  let text = ''
  let sizeBytes = 0
  for (const { subject, data, reply, headers } of messages) {
    const head = headers === undefined ? '' : headerText(headers)
    const headBytes = sizeOf(head)
    const payloadBytes = headBytes + (typeof data === 'string' ? sizeOf(data) : data.length)
    if (payloadBytes > limitBytes) return undefined
    const to = reply === undefined ? subject : `${subject} ${reply}`
    text += headers === undefined ? `PUB ${to} ${payloadBytes}${lineEnd}` : `HPUB ${to} ${headBytes} ${payloadBytes}${lineEnd}${head}`
    if (typeof data === 'string') text += data
    else {
      pieces.push(text, data)
      sizeBytes += sizeOf(text) + data.length
      text = ''
    }
    text += lineEnd
  }
  pieces.push(text)
  sizeBytes += sizeOf(text)
  const frames = Buffer.allocUnsafe(sizeBytes)
  let at = 0
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      if (Buffer.byteLength(piece) !== sizeOf(piece)) return undefined
      at += frames.write(piece, at)
    } else {
      frames.set(piece, at)
      at += piece.length
    }
  }
  return frames
}

function headerText(fields: HeaderFields): string {
  let text = `NATS/1.0${lineEnd}`
  for (const [name, value] of Object.entries(fields)) text += `${name}: ${value}${lineEnd}`
  return text + lineEnd
}

function clientHeaders(fields: HeaderFields) {
  const built = emptyHeaders()
  for (const [name, value] of Object.entries(fields)) built.set(name, value)
  return built
}
