/**
 * A WebSocket server that only speaks: each message goes to everybody who is connected. The same port serves one page. For this
 * machine alone: it listens on the loopback interface, and a page of another site that a browser shows gets nothing.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { PortTaken } from './http-server.ts'

export interface BroadcastServer {
  readonly port: number
  send(text: string): void
  /** Ends every connection and frees the port. Idempotent. */
  close(): Promise<void>
}

export interface BroadcastOptions {
  /** 0 takes a free one. */
  readonly port: number
  /** HTML, for every path. */
  readonly page: string
  /** Sent first to whoever connects. */
  readonly welcome: () => readonly string[]
}

const host = '127.0.0.1'
/** Who reads slower than this much behind is disconnected; it may connect again. */
const behindLimitBytes = 16 * 1024 * 1024
/** Nothing that is sent here is of use. */
const heardLimitBytes = 64 * 1024

/** Throws `PortTaken`. */
export async function startBroadcastServer(options: BroadcastOptions): Promise<BroadcastServer> {
  const http = createServer((incoming, response) => {
    if (!isOwnHost(incoming)) response.writeHead(403).end()
    else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(options.page)
  })
  const sockets = new WebSocketServer({ server: http, maxPayload: heardLimitBytes, verifyClient: ({ req }: { req: IncomingMessage }) => isOwnHost(req) && isOwnOrigin(req) })
  sockets.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    for (const text of options.welcome()) socket.send(text)
  })
  await new Promise<void>((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' || error.code === 'EACCES' ? new PortTaken(host, options.port, error) : error)
    sockets.once('error', refused)
    http.listen(options.port, host, () => {
      sockets.off('error', refused)
      sockets.on('error', () => {})
      resolve()
    })
  })
  let closing: Promise<void> | undefined
  return {
    port: (http.address() as AddressInfo).port,
    send(text) {
      for (const client of sockets.clients) {
        if (client.readyState !== client.OPEN) continue
        if (client.bufferedAmount > behindLimitBytes) client.terminate()
        else client.send(text)
      }
    },
    close() {
      closing ??= new Promise<void>((resolve) => {
        for (const client of sockets.clients) client.terminate()
        sockets.close()
        http.close(() => resolve())
        http.closeAllConnections()
      })
      return closing
    },
  }
}

const ownNames: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost'])

/** A name that was made to point here is not ours. */
function isOwnHost({ headers }: IncomingMessage): boolean {
  return ownNames.has((headers.host ?? '').replace(/:\d+$/, ''))
}

/** Browsers say whose page asks; other programs say nothing. */
function isOwnOrigin({ headers }: IncomingMessage): boolean {
  return headers.origin === undefined || headers.origin === `http://${headers.host}`
}
