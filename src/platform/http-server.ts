/** A small HTTP server for JSON: one handler, bodies of bounded size, every connection ended by `close`. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export class PortTaken extends Error {
  override readonly name = 'PortTaken'
  readonly retryable = true
  readonly host: string
  readonly port: number
  constructor(host: string, port: number, cause: unknown) {
    super(`port ${port} on ${host} is taken: stop the program that uses it, or choose another port`, { cause })
    this.host = host
    this.port = port
  }
}

export interface HttpRequest {
  readonly method: string
  /** Decoded segments of the path, without empty ones. */
  readonly path: readonly string[]
  readonly query: URLSearchParams
  readonly body: string
}

export interface HttpAnswer {
  readonly status: number
  /** JSON text. */
  readonly body: string
}

/** `'hang-up'`: the connection is closed without an answer. */
export type HttpHandler = (request: HttpRequest) => Promise<HttpAnswer | 'hang-up'>

export interface HttpServer {
  readonly port: number
  /** Ends every connection, frees the port, and resolves when no handler runs any more. Idempotent. */
  close(): Promise<void>
}

const bodyLimitBytes = 1024 * 1024

/** `port` 0 takes a free one. Throws `PortTaken`. A handler that throws is answered with status 500 and reported to `onError`. */
export async function startHttpServer(options: {
  readonly host: string
  readonly port: number
  readonly handler: HttpHandler
  readonly onError: (error: unknown) => void
}): Promise<HttpServer> {
  const active = new Set<Promise<void>>()
  const server = createServer((incoming, response) => {
    const answering = answer(incoming, response, options.handler, options.onError).finally(() => active.delete(answering))
    active.add(answering)
  })
  // Longer than the idle time of our own client's connections, so that a request never meets a connection being closed.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' || error.code === 'EACCES' ? new PortTaken(options.host, options.port, error) : error),
    )
    server.listen(options.port, options.host, resolve)
  })
  const port = (server.address() as AddressInfo).port
  let closing: Promise<void> | undefined
  return {
    port,
    close() {
      closing ??= new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }).then(async () => void (await Promise.all(active)))
      return closing
    },
  }
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  handler: HttpHandler,
  onError: (error: unknown) => void,
): Promise<void> {
  // A caller that went away ends its own answer only.
  incoming.on('error', () => {})
  response.on('error', () => {})
  let result: HttpAnswer | 'hang-up'
  try {
    const body = await readBody(incoming)
    if (body === undefined) result = { status: 413, body: '{"error":{"code":"too-large","reason":"body over 1 MiB"}}' }
    else {
      const request = parseRequest(incoming, body)
      result = request ? await handler(request) : { status: 400, body: '{"error":{"code":"invalid","reason":"malformed path"}}' }
    }
  } catch (error) {
    if (incoming.destroyed && !incoming.complete) return
    onError(error)
    result = { status: 500, body: '{"error":{"code":"internal","reason":"internal error"}}' }
  }
  if (result === 'hang-up') incoming.socket.destroy()
  else if (!response.destroyed) {
    response.writeHead(result.status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(result.body) })
    response.end(result.body)
  }
}

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyLimitBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseRequest(incoming: IncomingMessage, body: string): HttpRequest | undefined {
  try {
    const url = new URL(incoming.url ?? '/', 'http://localhost')
    const path = url.pathname.split('/').filter((segment) => segment !== '').map(decodeURIComponent)
    return { method: incoming.method ?? 'GET', path, query: url.searchParams, body }
  } catch {
    return undefined
  }
}
